package import BillingAPI
import BillingCore
package import RPC
import Storage

/// What a request to create a group says, checked.
private struct Registration: Sendable {
    let account: AccountID
    let group: GroupID
    let specification: String
    let region: String
    let network: String
    let instances: Int
    let name: String
    let isImmediate: Bool

    init(_ request: MeteringV1.CreateGroupRequest, _ call: CallContext, group: GroupID) throws {
        account = try call.accountID()
        self.group = group
        specification = request.specification
        region = request.region
        network = request.network.isEmpty ? "default" : try OwnerText.checked(request.network, "network")
        instances = try InstanceGroup.checkedCount(request.instances)
        name = try OwnerText.checked(request.name, "name")
        switch request.provisioner {
        case .unspecified: throw GroupError.missing(field: "provisioner")
        case .immediate: isImmediate = true
        case .external: isImmediate = false
        }
    }

    /// Keeps the new group and, from a provisioner that needs no time, reports its creation in the same breath.
    func perform(
        _ billing: GroupBilling, at effective: Timestamp, _ progress: inout AccountProgress, _ store: AccountStore
    ) throws -> Response<MeteringV1.GroupReply> {
        let (life, beginning) = GroupStateMachine.registered(group, billing)
        var group = InstanceGroup(
            account: account, specification: specification, region: region, network: network, instances: instances,
            requestedAt: effective, name: name, life: life)
        let creation = isImmediate ? try group.take(.creationReported(at: effective, unit: nil)) : nil
        try store.insert(group)
        try store.apply(beginning, to: group, &progress)
        try store.apply(creation, to: group, &progress)
        try store.save(progress)
        return Response(MeteringV1.GroupReply(group), effectiveAt: effective)
    }
}

/// A report cannot be taken without the billing unit that was in force at the instant of creation.
private struct UnitNeeded: Error {
    let group: InstanceGroup
    let createdAt: Timestamp
}

extension MeteringService {
    /// Registers a group. A pay-as-you-go group is one keyed write; a group that an order has paid for comes as a saga's
    /// step, after its pivot, and is subscribed from the instant of payment on.
    /// - Throws: `GroupError.instanceCount`; `AccountOverdueError` for a pay-as-you-go group; the pricing service's
    ///   refusal of an unknown specification or region.
    package func createGroup(
        _ request: MeteringV1.CreateGroupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        if let term = request.term { return try await createPaidGroup(request, try term.subscription(), call) }
        guard request.groupID.isEmpty else {
            throw GroupError.unexpected(field: "group_id", value: request.groupID)
        }
        guard request.step == nil else {
            throw GroupError.unexpected(field: "step", value: request.step?.step ?? "")
        }
        let instant = try call.checkedInstant()
        let registration = try Registration(request, call, group: GroupID(from: identifiers))
        let unit = try await unit(of: request, at: instant, call)
        return try await database.write(once: call, request) { transaction in
            let store = AccountStore(transaction, registration.account)
            var progress = try store.progress()
            try progress.requireNotOverdue()
            let effective = try progress.admit(instant)
            return try registration.perform(.payAsYouGo(unit, anchor: nil), at: effective, &progress, store)
        }
    }

    /// - Throws: nothing that time could cure: this comes after the pivot of its saga and only goes forward.
    private func createPaidGroup(
        _ request: MeteringV1.CreateGroupRequest, _ subscription: Subscription, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        guard let step = try request.step?.checked().step else { throw GroupError.missing(field: "step") }
        let instant = max(try call.checkedInstant(), subscription.current.start)
        let registration = try Registration(request, call, group: try GroupID(request.groupID))
        return try await database.write(
            step: step, call, request,
            do: { transaction in
                let store = AccountStore(transaction, registration.account)
                var progress = try store.progress()
                progress.note(instant)
                return try registration.perform(.subscription(subscription), at: instant, &progress, store)
            }, undo: { _ in }, isPivot: true)
    }

    /// The billing unit that a group created at `instant` is billed by.
    private func unit(
        of request: MeteringV1.CreateGroupRequest, at instant: Timestamp, _ call: CallContext
    ) async throws -> BillingUnit {
        let quote = PricingV1.QuoteRequest(
            specification: request.specification, region: request.region, instances: request.instances,
            at: instant.milliseconds)
        return try await prices.quote(quote, call.onward).billingUnit.ofGroup()
    }

    /// Takes the report of whoever runs the phones. A pay-as-you-go group that is created while the account is overdue
    /// fails, and bills nothing: the reply has it released. One keyed write, or for the failure of a paid group the
    /// pivot of the saga that refunds it.
    /// - Throws: `GroupError.notCreating` when it was reported before; `.reportTooOld` for an instant before the
    ///   account's last one, since that time may be billed already; `.reportAhead` for one that is not over.
    package func reportCreated(
        _ request: MeteringV1.ReportCreatedRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        do {
            return try await report(request, unit: nil, call)
        } catch let needed as UnitNeeded {
            let quote = PricingV1.QuoteRequest(
                specification: needed.group.specification, region: needed.group.region,
                instances: UInt32(needed.group.instances), at: needed.createdAt.milliseconds)
            let unit = try await prices.quote(quote, call.onward).billingUnit.ofGroup()
            return try await report(request, unit: unit, call)
        }
    }

    /// - Parameter unit: the unit in force at the instant of creation; `nil`: not asked for yet.
    private func report(
        _ request: MeteringV1.ReportCreatedRequest, unit: BillingUnit?, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        let account = try call.accountID()
        let instant = try call.checkedInstant()
        let id = try GroupID(request.groupID)
        let reported = request.at == 0 ? nil : try Timestamp(checked: request.at, "at")
        let take = { @Sendable (transaction: any Transaction) throws -> Response<MeteringV1.GroupReply> in
            let store = AccountStore(transaction, account)
            var progress = try store.progress()
            var group = try store.group(id)
            guard group.state.status == .creating else { throw GroupError.notCreating(id, group.state.status) }
            let floor = max(progress.clock.lastAt ?? group.requestedAt, group.requestedAt)
            let now = try progress.admit(instant)
            let at = try CreationReport.instant(reported, notBefore: floor, now: now)
            let isPayAsYouGo = group.state.billing.method == .payAsYouGo
            // Phones that come up while the account is overdue are not used (domain 4.1).
            if request.failed || isPayAsYouGo && progress.overdueAt != nil {
                let change = try group.take(.creationFailed(at: at))
                try store.update(group)
                try store.apply(change, to: group, &progress)
            } else {
                // The unit known from the request holds for that instant only.
                if isPayAsYouGo, unit == nil, at != group.requestedAt {
                    throw UnitNeeded(group: group, createdAt: at)
                }
                let change = try group.take(.creationReported(at: at, unit: unit))
                try store.update(group)
                try store.apply(change, to: group, &progress)
            }
            try store.save(progress)
            return Response(MeteringV1.GroupReply(group), effectiveAt: at)
        }
        guard let step = try request.step?.checked().step else {
            return try await database.write(once: call, request, take)
        }
        return try await database.write(step: step, call, request, do: take, undo: { _ in }, isPivot: true)
    }
}
