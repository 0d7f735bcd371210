import BillingAPI
import BillingCore
import RPC

// What is due that touches two services: each piece is a saga, whose key names the work, so that a repeat of the stop
// joins it.
extension ServiceDueWork {
    /// Closes the months that are over, and resumes the accounts that their credit recovered. A repeat at the same
    /// instant names the same accounts again, so none is forgotten by a crash in between.
    func closeMonths(at stop: DueStop, _ sagas: any DueSagas) async throws {
        while true {
            let reply = try await services.order.call(
                OrderV1.Orders.closeMonths, OrderV1.CloseMonthsRequest(through: stop.at.milliseconds), options(stop)
            ).message
            for account in reply.recoveredAccounts {
                _ = try await sagas.run(
                    DueSaga(
                        definition: .resume, account: account, group: "", key: "resume:\(stop.at.milliseconds)",
                        input: FrozenMessages(), at: stop.at))
            }
            guard reply.more, reply.accounts > 0 else { return }
        }
    }

    /// Starts the coupons that become effective, one after the other: each may pay what is outstanding and so recover its
    /// account.
    func startCoupons(at stop: DueStop, _ sagas: any DueSagas) async throws {
        var seen: Set<String> = []
        while true {
            let request = OrderV1.ListStartingCouponsRequest(through: stop.at.milliseconds, limit: pageLimit)
            let coupons = try await services.order.call(
                OrderV1.Coupons.listStartingCoupons, request, options(stop)
            ).message.coupons.filter { seen.insert($0.couponID).inserted }
            guard !coupons.isEmpty else { return }
            for coupon in coupons {
                _ = try await sagas.run(
                    DueSaga(
                        definition: .startCoupon, account: coupon.accountID, group: "",
                        key: "start-coupon:\(coupon.couponID)",
                        input: FrozenMessages(OrderV1.StartCouponRequest(couponID: coupon.couponID)), at: stop.at))
            }
        }
    }

    func recordNotices(at stop: DueStop) async throws {
        while true {
            let reply = try await services.order.call(
                OrderV1.Orders.recordNotices, OrderV1.RecordNoticesRequest(through: stop.at.milliseconds),
                options(stop)
            ).message
            guard reply.more, reply.notices > 0 else { return }
        }
    }

    /// Releases a group that was overdue or expired for 15 days, if it still is.
    func release(_ due: MeteringV1.DueGroup, at stop: DueStop, _ sagas: any DueSagas) async throws {
        guard let group = due.group else { return }
        let isOverdue = group.status == .overdue
        let since = isOverdue ? group.overdueAt : group.expiredAt
        let input = FrozenMessages(
            MeteringV1.ReleaseGroupRequest(groupID: group.groupID, status: group.status, since: since),
            OrderV1.CancelUnpaidRequest(groupID: group.groupID, wasDue: true),
            OrderV1.ClaimOverdueRequest(overdueAt: isOverdue ? since : 0))
        // Refused: its owner paid, renewed or released it before; then it is not due any more.
        _ = try await sagas.run(
            DueSaga(
                definition: .releaseDue, account: group.accountID, group: group.groupID,
                key: "release:\(group.groupID):\(since)", input: input, at: stop.at))
    }

    /// Makes an attempt at renewing a subscription. One that is refused is noted, so that the next one comes.
    func autoRenew(_ due: MeteringV1.DueGroup, at stop: DueStop, _ sagas: any DueSagas) async throws {
        guard let group = due.group else { return }
        let asked = PricingV1.QuoteRequest(
            specification: group.specification, region: group.region, instances: group.instances,
            months: group.autoRenewalMonths == 0 ? group.months : group.autoRenewalMonths, at: stop.at.milliseconds)
        guard let quote = try await quote(asked, at: stop) else { return try await note(due, group, at: stop) }
        let input = FrozenMessages(
            OrderV1.AutoRenewRequest(
                groupID: group.groupID, name: group.name, network: group.network, quote: quote),
            MeteringV1.LockGroupRequest(groupID: group.groupID, billingMethod: .subscription, orExpired: true))
        let outcome = try await sagas.run(
            DueSaga(
                definition: .autoRenew, account: group.accountID, group: group.groupID,
                key: "auto-renew:\(group.groupID):\(due.dueAt)", input: input, at: stop.at))
        switch outcome {
        case .refused: try await note(due, group, at: stop)
        case .done, .parked, .passedBy: return
        }
    }

    /// `nil` when pricing refuses it: nothing of that kind is sold.
    private func quote(
        _ request: PricingV1.QuoteRequest, at stop: DueStop
    ) async throws -> PricingV1.QuoteReply? {
        do {
            return try await services.pricing.call(PricingV1.Prices.quote, request, options(stop)).message
        } catch let error {
            guard error.status.isRecorded else { throw error }
            return nil
        }
    }

    private func note(
        _ due: MeteringV1.DueGroup, _ group: MeteringV1.InstanceGroup, at stop: DueStop
    ) async throws {
        _ = try await services.metering.call(
            MeteringV1.Cuts.noteRenewalAttempt,
            MeteringV1.NoteRenewalAttemptRequest(groupID: group.groupID, attemptAt: due.dueAt),
            options(stop, account: group.accountID))
    }

    /// Does `body` for every due group: those of one account one after the other in the order of the list, since the
    /// first may take the money that the second needs; accounts side by side. Ends when the list has nothing new.
    func forEachDue(
        _ kind: MeteringV1.DueKind, at stop: DueStop,
        _ body: @escaping @Sendable (MeteringV1.DueGroup) async throws -> Void
    ) async throws {
        var seen: Set<MeteringV1.DueGroup> = []
        while true {
            let request = MeteringV1.ListDueRequest(
                kind: kind, through: stop.at.milliseconds, limit: pageLimit)
            let page = try await services.metering.call(MeteringV1.Cuts.listDue, request, options(stop)).message.groups
            let new = page.filter { seen.insert($0).inserted }
            guard !new.isEmpty else { return }
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for groups in Dictionary(grouping: new, by: { $0.group?.accountID ?? "" }).values {
                    tasks.addTask { for due in groups { try await body(due) } }
                }
                try await tasks.waitForAll()
            }
        }
    }

    private func options(_ stop: DueStop, account: String = "") -> CallOptions {
        CallOptions(account: account, effectiveAt: stop.at, deadline: .after(milliseconds: Self.askMilliseconds))
    }
}
