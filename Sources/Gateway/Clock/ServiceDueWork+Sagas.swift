import BillingAPI
import BillingCore
import RPC

// What is due that touches two services: each piece is a saga, whose key names the work, so that a repeat of the stop
// joins it.
extension ServiceDueWork {
    /// Closes the months that are over of the accounts that are cut to their ends, and resumes the accounts that their
    /// credit recovered. Order names those until the journal has a saga for them, so none is forgotten by a crash in
    /// between.
    func closeMonths(at stop: DueStop, _ sagas: any DueSagas) async throws -> DueResult {
        let uncut = try await services.metering.call(
            MeteringV1.Cuts.listUncut, MeteringV1.ListUncutRequest(through: stop.cutThrough.milliseconds), options(stop)
        ).message
        // Too many to name: their cuts come first, and close their months themselves.
        if uncut.more { return DueResult(waiting: Int64(uncut.accountIDs.count)) }
        var result = DueResult()
        var seen: Set<OrderV1.Recovery> = []
        while true {
            let request = OrderV1.CloseMonthsRequest(
                through: stop.at.milliseconds, uncutAccounts: uncut.accountIDs)
            let reply = try await services.order.call(OrderV1.Orders.closeMonths, request, options(stop)).message
            let new = reply.recoveries.filter { seen.insert($0).inserted }
            result.add(await forEachAccount(of: new, account: \.accountID) { try await resume($0, sagas) })
            guard !new.isEmpty || reply.more && reply.accounts > 0 else { return result }
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

    private func resume(_ recovery: OrderV1.Recovery, _ sagas: any DueSagas) async throws -> DueSagaOutcome {
        try await sagas.run(
            DueSaga(
                definition: .resume, account: recovery.accountID, group: "", key: "resume:\(recovery.at)",
                input: FrozenMessages(), at: Timestamp(milliseconds: recovery.at)))
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
    func release(
        _ due: MeteringV1.DueGroup, at stop: DueStop, _ sagas: any DueSagas
    ) async throws -> DueSagaOutcome {
        guard let group = due.group else { return .done }
        let isOverdue = group.status == .overdue
        let since = isOverdue ? group.overdueAt : group.expiredAt
        let input = FrozenMessages(
            MeteringV1.ReleaseGroupRequest(groupID: group.groupID, status: group.status, since: since),
            OrderV1.CancelUnpaidRequest(groupIDs: [group.groupID]),
            OrderV1.ClaimOverdueRequest(overdueAt: isOverdue ? since : 0))
        // Refused: its owner paid, renewed or released it before; then it is not due any more.
        return try await sagas.run(
            DueSaga(
                definition: .releaseDue, account: group.accountID, group: group.groupID,
                key: "release:\(group.groupID):\(since)", input: input, at: stop.at))
    }

    /// Makes an attempt at renewing a subscription. One that is refused is noted, so that the next one comes.
    func autoRenew(
        _ due: MeteringV1.DueGroup, at stop: DueStop, _ sagas: any DueSagas
    ) async throws -> DueSagaOutcome {
        guard let group = due.group else { return .done }
        let asked = PricingV1.QuoteRequest(
            specification: group.specification, region: group.region, instances: group.instances,
            months: group.autoRenewalMonths == 0 ? group.months : group.autoRenewalMonths, at: stop.at.milliseconds)
        guard let quote = try await quote(asked, at: stop) else {
            try await note(due, group, at: stop)
            return .done
        }
        let input = FrozenMessages(
            OrderV1.AutoRenewRequest(
                groupID: group.groupID, name: group.name, network: group.network, quote: quote),
            MeteringV1.LockGroupRequest(
                groupID: group.groupID, billingMethod: .subscription, orExpired: true, due: true))
        let outcome = try await sagas.run(
            DueSaga(
                definition: .autoRenew, account: group.accountID, group: group.groupID,
                key: "auto-renew:\(group.groupID):\(due.dueAt)", input: input, at: stop.at))
        switch outcome {
        case .refused: try await note(due, group, at: stop)
        case .done, .parked, .passedBy: break
        }
        return outcome
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

    /// Does `body` for every due group. Ends when the list has nothing new.
    func forEachDue(
        _ kind: MeteringV1.DueKind, at stop: DueStop,
        _ body: @escaping @Sendable (MeteringV1.DueGroup) async throws -> DueSagaOutcome
    ) async throws -> DueResult {
        var result = DueResult()
        var seen: Set<MeteringV1.DueGroup> = []
        while true {
            let request = MeteringV1.ListDueRequest(
                kind: kind, through: stop.at.milliseconds, limit: pageLimit)
            let page = try await services.metering.call(MeteringV1.Cuts.listDue, request, options(stop)).message.groups
            let new = page.filter { seen.insert($0).inserted }
            guard !new.isEmpty else { return result }
            result.add(await forEachAccount(of: new, account: { $0.group?.accountID ?? "" }, body))
        }
    }

    /// Does `body` for every item: those of one account one after the other in their order, since the first may take the
    /// money that the second needs; accounts side by side. What fails for one account stops the rest of its own items
    /// and none of another.
    private func forEachAccount<Item: Sendable>(
        of items: [Item], account: (Item) -> String, _ body: @escaping @Sendable (Item) async throws -> DueSagaOutcome
    ) async -> DueResult {
        await withTaskGroup(of: DueResult.self) { tasks in
            for (account, items) in Dictionary(grouping: items, by: account) {
                tasks.addTask {
                    var result = DueResult()
                    do {
                        for item in items where try await body(item) == .passedBy { result.waiting += 1 }
                    } catch {
                        result.failures[account] = problem(error)
                    }
                    return result
                }
            }
            return await tasks.reduce(into: DueResult()) { $0.add($1) }
        }
    }

    private func options(_ stop: DueStop, account: String = "") -> CallOptions {
        CallOptions(account: account, effectiveAt: stop.at, deadline: .after(milliseconds: Self.askMilliseconds))
    }
}
