package import BillingCore

/// What happens to a group.
package enum GroupEvent: Hashable, Sendable {
    /// The phones came up. `unit` is the billing unit in force at that instant, `nil` if it is the one known already.
    case creationReported(at: Timestamp, unit: BillingUnit?)
    case creationFailed(at: Timestamp)
    /// A saga that makes sense for one billing method takes the group for itself.
    case locked(by: SagaID, for: BillingMethod)
    case unlocked(by: SagaID)
    /// A switch was paid: the subscription starts at the instant of payment. Unlocks.
    case switched(Term, by: SagaID)
    /// Unlocks.
    case unsubscribed(at: Timestamp, by: SagaID)
    /// Released by the owner.
    case released(at: Timestamp)
    /// The clock has come to `at`.
    case termEnded(at: Timestamp)
    case renamed
    /// Phones are turned on or off, restarted or connected to.
    case used
}

/// Moves a group through its life. An event is taken or refused; taking one may change the timeline.
package struct GroupStateMachine: Hashable, Sendable {
    package let group: GroupID
    package private(set) var state: GroupState

    package init(_ group: GroupID, _ state: GroupState) {
        self.group = group
        self.state = state
    }

    /// A group that was just registered. A paid one is entitled from the instant of payment on, however long its phones
    /// take to come up (domain 5.2).
    package static func registered(
        _ group: GroupID, _ billing: GroupBilling
    ) -> (machine: GroupStateMachine, change: TimelineChange?) {
        let machine = GroupStateMachine(group, .creating(billing))
        switch billing {
        case .payAsYouGo: return (machine, nil)
        case .subscription(let term): return (machine, .begin(.subscription(term)))
        }
    }

    /// - Returns: what the event does to the timeline; `nil` for nothing.
    /// - Throws: why the event is refused; the state is as before.
    package mutating func take(_ event: GroupEvent) throws(GroupError) -> TimelineChange? {
        switch event {
        case .creationReported(let at, let unit): try creationReported(at, unit)
        case .creationFailed(let at): try creationFailed(at)
        case .locked(let saga, let method): try locked(saga, method)
        case .unlocked(let saga): unlocked(saga)
        case .switched(let term, let saga): try switched(term, saga)
        case .unsubscribed(let at, let saga): try unsubscribed(at, saga)
        case .released(let at): try released(at)
        case .termEnded(let at): try termEnded(at)
        case .renamed: try renamed()
        case .used: try used()
        }
    }

    private mutating func creationReported(
        _ at: Timestamp, _ unit: BillingUnit?
    ) throws(GroupError) -> TimelineChange? {
        switch state {
        case .creating(.payAsYouGo(let known, _)):
            let pinned = unit ?? known
            state = .active(.payAsYouGo(pinned, anchor: at), lock: nil)
            return .begin(.payAsYouGo(pinned, from: at))
        case .creating(.subscription(let term)):
            state = .active(.subscription(term), lock: nil)
            return nil
        case .active, .overdue, .expired, .released: throw .notCreating(group, state.status)
        }
    }

    private mutating func creationFailed(_ at: Timestamp) throws(GroupError) -> TimelineChange? {
        switch state {
        case .creating(let billing):
            state = .released(billing, at: at, .creationFailed)
            switch billing {
            case .payAsYouGo: return nil
            case .subscription(let term): return .end(at: max(term.start, min(at, term.end)))
            }
        case .active, .overdue, .expired, .released: throw .notCreating(group, state.status)
        }
    }

    private mutating func locked(_ saga: SagaID, _ method: BillingMethod) throws(GroupError) -> TimelineChange? {
        let (billing, lock) = try active()
        guard lock == nil || lock == saga else { throw .locked(group) }
        try require(method, billing)
        state = .active(billing, lock: saga)
        return nil
    }

    /// Undoing a lock never fails: where the saga holds none, there is nothing to do.
    private mutating func unlocked(_ saga: SagaID) -> TimelineChange? {
        switch state {
        case .active(let billing, let lock) where lock == saga: state = .active(billing, lock: nil)
        case .active, .creating, .overdue, .expired, .released: break
        }
        return nil
    }

    private mutating func switched(_ term: Term, _ saga: SagaID) throws(GroupError) -> TimelineChange? {
        let (billing, lock) = try active()
        guard lock == saga else { throw .notHeld(group, by: saga) }
        guard case .payAsYouGo(_, let anchor) = billing else { throw .notPayAsYouGo(group) }
        guard let anchor, anchor <= term.start else { throw .beforeBeginning(group, term.start) }
        state = .active(.subscription(term), lock: nil)
        return .succeed(.subscription(term))
    }

    private mutating func unsubscribed(_ at: Timestamp, _ saga: SagaID) throws(GroupError) -> TimelineChange? {
        let (billing, lock) = try active()
        guard lock == saga else { throw .notHeld(group, by: saga) }
        guard case .subscription(let term) = billing else { throw .notSubscription(group) }
        guard term.start <= at else { throw .beforeBeginning(group, at) }
        state = .released(billing, at: at, .unsubscribed)
        return .end(at: min(at, term.end))
    }

    private mutating func released(_ at: Timestamp) throws(GroupError) -> TimelineChange? {
        let (billing, lock) = try active()
        guard case .payAsYouGo(let unit, let anchor) = billing else { throw .notPayAsYouGo(group) }
        guard lock == nil else { throw .locked(group) }
        guard let anchor, anchor <= at else { throw .beforeBeginning(group, at) }
        state = .released(billing, at: at, .owner)
        return .end(at: unit.end(anchor: anchor, released: at))
    }

    private mutating func termEnded(_ at: Timestamp) throws(GroupError) -> TimelineChange? {
        let (billing, lock) = try active()
        guard case .subscription(let term) = billing else { throw .notSubscription(group) }
        guard lock == nil else { throw .locked(group) }
        guard term.end <= at else { throw .termRuns(group, until: term.end) }
        state = .expired(term)
        return nil
    }

    private func renamed() throws(GroupError) -> TimelineChange? {
        switch state {
        case .creating, .active, .overdue, .expired: return nil
        case .released: throw .notActive(group, .released)
        }
    }

    private func used() throws(GroupError) -> TimelineChange? {
        _ = try active()
        return nil
    }

    private func active() throws(GroupError) -> (GroupBilling, lock: SagaID?) {
        switch state {
        case .active(let billing, let lock): return (billing, lock)
        case .creating, .overdue, .expired, .released: throw .notActive(group, state.status)
        }
    }

    private func require(_ method: BillingMethod, _ billing: GroupBilling) throws(GroupError) {
        guard billing.method != method else { return }
        switch method {
        case .payAsYouGo: throw .notPayAsYouGo(group)
        case .subscription: throw .notSubscription(group)
        }
    }
}
