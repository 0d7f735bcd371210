import BillingAPI
import BillingCore
import RPC
import Storage

// Between the wire's values and the rules'. An unspecified enum in a request is refused when it is decoded; what is
// refused here came from within the process.

extension MeteringV1.InstanceGroup {
    /// - Parameter withMembers: whether each phone is listed with its power.
    init(_ group: InstanceGroup, withMembers: Bool = false) {
        self.init()
        groupID = group.id.text
        accountID = group.account.text
        name = group.name
        specification = group.specification
        region = group.region
        network = group.network
        instances = UInt32(group.instances)
        status = MeteringV1.GroupStatus(group.state.status)
        billingMethod = CommonV1.BillingMethod(group.state.billing.method)
        requestedAt = group.requestedAt.milliseconds
        createdAt = group.createdAt?.milliseconds ?? 0
        switchedAt = group.switchedAt?.milliseconds ?? 0
        lockedBy = group.state.lock?.text ?? ""
        switch group.state.billing {
        case .payAsYouGo(let unit, let anchor):
            billingUnit = CommonV1.BillingUnit(unit)
            self.anchor = anchor?.milliseconds ?? 0
        case .subscription(let subscription): fill(subscription)
        }
        switch group.state {
        case .released(let release):
            releasedAt = release.at.milliseconds
            releaseCause = MeteringV1.ReleaseCause(release.cause)
        case .overdue(_, _, let since): overdueAt = since.milliseconds
        case .expired(let subscription, _): expiredAt = subscription.current.end.milliseconds
        case .creating, .active: break
        }
        releaseAt = group.state.releaseAt?.milliseconds ?? 0
        renewalAttemptAt = group.state.attemptAt?.milliseconds ?? 0
        if withMembers {
            members = (0..<group.instances).map { index in
                MeteringV1.Instance(
                    instanceID: group.instanceID(index), power: group.power.isStopped(index) ? .stopped : .running)
            }
        }
    }

    private mutating func fill(_ subscription: Subscription) {
        termStart = subscription.current.start.milliseconds
        termEnd = subscription.current.end.milliseconds
        orderID = subscription.current.order.text
        months = UInt32(subscription.current.months)
        paidThrough = subscription.paidThrough.milliseconds
        nominalStart = subscription.chain.start.milliseconds
        nominalMonths = UInt32(subscription.chain.months)
        autoRenewal = subscription.autoRenewal != nil
        autoRenewalMonths = UInt32(subscription.renewalMonths)
        pendingRenewals = subscription.pending.map { MeteringV1.Term($0) }
    }
}

extension MeteringV1.GroupReply {
    init(_ group: InstanceGroup, withMembers: Bool = false) {
        self.init(group: MeteringV1.InstanceGroup(group, withMembers: withMembers))
    }
}

extension MeteringV1.GroupStatus {
    init(_ status: GroupStatus) {
        switch status {
        case .creating: self = .creating
        case .active: self = .active
        case .overdue: self = .overdue
        case .expired: self = .expired
        case .released: self = .released
        }
    }

    func checked(_ field: String) throws(GroupError) -> GroupStatus {
        switch self {
        case .unspecified: throw .missing(field: field)
        case .creating: return .creating
        case .active: return .active
        case .overdue: return .overdue
        case .expired: return .expired
        case .released: return .released
        }
    }
}

extension MeteringV1.ReleaseCause {
    init(_ cause: ReleaseCause) {
        switch cause {
        case .owner: self = .owner
        case .creationFailed: self = .creationFailed
        case .unsubscribed: self = .unsubscribed
        case .overdue: self = .overdue
        case .expired: self = .expired
        }
    }
}

extension CommonV1.BillingMethod {
    init(_ method: BillingMethod) {
        switch method {
        case .subscription: self = .subscription
        case .payAsYouGo: self = .payAsYouGo
        }
    }

    func checked(_ field: String) throws(GroupError) -> BillingMethod {
        switch self {
        case .unspecified: throw .missing(field: field)
        case .subscription: return .subscription
        case .payAsYouGo: return .payAsYouGo
        }
    }
}

extension CommonV1.BillingUnit {
    init(_ unit: BillingUnit) {
        switch unit {
        case .second: self = .second
        case .fourHours: self = .fourHours
        }
    }

    /// - Throws: for a unit that no group is billed by, which the pricing service never names for one.
    func ofGroup() throws -> BillingUnit {
        switch self {
        case .second: return .second
        case .fourHours: return .fourHours
        case .unspecified, .clockHour:
            throw RPCError(
                .internalError, "group.unit_unknown", "The pricing service named no unit that groups are billed by.",
                field: "billing_unit", value: wireName)
        }
    }
}

extension MeteringV1.Term {
    init(_ term: Term) {
        self.init(
            orderID: term.order.text, start: term.start.milliseconds, end: term.end.milliseconds,
            months: UInt32(term.months))
    }

    func checked() throws -> Term {
        guard start > 0, start < end, end <= Timestamp.latest.milliseconds, months > 0 else {
            throw GroupError.termMalformed(start: start, end: end)
        }
        return Term(
            order: try OrderID(orderID), period: Period(Timestamp(milliseconds: start), Timestamp(milliseconds: end)),
            months: Int(months))
    }

    /// The subscription that begins with this term.
    func subscription() throws -> Subscription {
        let term = try checked()
        let renewal: AutoRenewal? =
            autoRenewal
            ? AutoRenewal(months: try AutoRenewal.checked(months: autoRenewalMonths), after: term.start) : nil
        return Subscription(term, autoRenewal: renewal)
    }
}

extension CommonV1.SagaStep {
    /// The step as the participant's table knows it, and the saga that may hold locks.
    func checked() throws -> (step: SagaStep, saga: SagaID) {
        (
            SagaStep(sagaID: sagaID, definition: definition, step: step, isUndo: undo), try SagaID(sagaID)
        )
    }
}

extension Timestamp {
    /// An instant from outside.
    /// - Throws: `GroupError.instantOutOfRange` beyond the years that are kept.
    init(checked milliseconds: Int64, _ field: String) throws(GroupError) {
        guard (Timestamp.earliest.milliseconds...Timestamp.latest.milliseconds).contains(milliseconds) else {
            throw .instantOutOfRange(field: field, milliseconds: milliseconds)
        }
        self.init(milliseconds: milliseconds)
    }
}

extension CallContext {
    /// The stamped instant, within the years that are kept.
    func checkedInstant() throws -> Timestamp { try Timestamp(checked: try instant().milliseconds, "effective_at") }
}
