package import BillingCore

/// What happens to a group.
package enum GroupEvent: Hashable, Sendable {
    /// The phones came up. `unit` is the billing unit in force at that instant, `nil` if it is the one known already.
    case creationReported(at: Timestamp, unit: BillingUnit?)
    case creationFailed(at: Timestamp)
    /// A saga that makes sense for one billing method takes the group for itself, `orExpired` if its term may be over.
    case locked(by: SagaID, for: BillingMethod, orExpired: Bool, at: Timestamp)
    case unlocked(by: SagaID)
    /// A switch was paid: the subscription starts at the instant of payment. Unlocks.
    case switched(Subscription, by: SagaID)
    /// Unlocks.
    case unsubscribed(at: Timestamp, by: SagaID)
    /// A renewal was paid. Unlocks.
    case extended(Term, by: SagaID)
    /// The last pending renewal was refunded. Unlocks.
    case renewalDropped(OrderID, by: SagaID)
    /// Released by the owner.
    case released(at: Timestamp)
    /// The clock has come to the end of the 15 days that began at `since` with the group in that status.
    case releaseDue(GroupStatus, since: Timestamp, now: Timestamp)
    /// The clock has come to `at`.
    case termEnded(at: Timestamp)
    /// The account was found overdue by the cut at that hour.
    case foundOverdue(at: Timestamp)
    /// The account owes nothing any more. A month close comes before the releases of its instant, a payment after them.
    case resumed(at: Timestamp, beforeReleases: Bool)
    /// `nil` switches it off.
    case autoRenewalSet(AutoRenewal?)
    /// The attempt of auto-renewal of that instant failed.
    case attemptFailed(at: Timestamp)
    case renamed
    /// Phones are turned on or off, restarted or connected to.
    case used
}

/// Moves a group through its life. An event is taken or refused; taking one may change the timeline.
package struct GroupStateMachine: Hashable, Sendable {
    package let group: GroupID
    package internal(set) var state: GroupState

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
        case .subscription(let subscription): return (machine, .begin(.subscription(subscription.current)))
        }
    }

    /// - Returns: what the event does to the timeline; `nil` for nothing.
    /// - Throws: why the event is refused; the state is as before.
    package mutating func take(_ event: GroupEvent) throws(GroupError) -> TimelineChange? {
        switch event {
        case .creationReported(let at, let unit): try creationReported(at, unit)
        case .creationFailed(let at): try creationFailed(at)
        case .locked(let saga, let method, let orExpired, let at): try locked(saga, method, orExpired, at)
        case .unlocked(let saga): unlocked(saga)
        case .switched(let subscription, let saga): try switched(subscription, saga)
        case .unsubscribed(let at, let saga): try unsubscribed(at, saga)
        case .extended(let term, let saga): try extended(term, saga)
        case .renewalDropped(let order, let saga): try renewalDropped(order, saga)
        case .released(let at): try released(at)
        case .releaseDue(let status, let since, let now): try releaseDue(status, since, now)
        case .termEnded(let at): try termEnded(at)
        case .foundOverdue(let at): try foundOverdue(at)
        case .resumed(let at, let beforeReleases): try resumed(at, beforeReleases)
        case .autoRenewalSet(let renewal): try autoRenewalSet(renewal)
        case .attemptFailed(let at): try attemptFailed(at)
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
        case .creating(.subscription(var subscription)):
            // Attempts that went by while the phones did not run are not made up for.
            subscription.skipAttempts(through: at)
            state = .active(.subscription(subscription), lock: nil)
            return nil
        case .active, .overdue, .expired, .released: throw .notCreating(group, state.status)
        }
    }

    private mutating func creationFailed(_ at: Timestamp) throws(GroupError) -> TimelineChange? {
        switch state {
        case .creating(let billing):
            state = .released(Release(billing, at: at, .creationFailed))
            switch billing {
            case .payAsYouGo: return nil
            case .subscription(let subscription):
                return .end(at: max(subscription.current.start, min(at, subscription.current.end)))
            }
        case .active, .overdue, .expired, .released: throw .notCreating(group, state.status)
        }
    }

    /// From the end of its 15 days on a group is as good as released, however late that is done (domain 5.4).
    private mutating func locked(
        _ saga: SagaID, _ method: BillingMethod, _ orExpired: Bool, _ at: Timestamp
    ) throws(GroupError) -> TimelineChange? {
        if orExpired, case .expired(let subscription, let lock) = state {
            guard lock == nil || lock == saga else { throw .locked(group) }
            guard at < subscription.releaseAt else { throw .notActive(group, .released) }
            try require(method, .subscription(subscription))
            state = .expired(subscription, lock: saga)
            return nil
        }
        let (billing, lock) = try active()
        guard lock == nil || lock == saga else { throw .locked(group) }
        try require(method, billing)
        if case .subscription(let subscription) = billing, subscription.releaseAt <= at {
            throw .notActive(group, .released)
        }
        state = .active(billing, lock: saga)
        return nil
    }

    /// Undoing a lock never fails: where the saga holds none, there is nothing to do.
    private mutating func unlocked(_ saga: SagaID) -> TimelineChange? {
        switch state {
        case .active(let billing, let lock) where lock == saga: state = .active(billing, lock: nil)
        case .expired(let subscription, let lock) where lock == saga: state = .expired(subscription, lock: nil)
        case .active, .creating, .overdue, .expired, .released: break
        }
        return nil
    }

    private mutating func switched(
        _ subscription: Subscription, _ saga: SagaID
    ) throws(GroupError) -> TimelineChange? {
        let (billing, lock) = try active()
        guard lock == saga else { throw .notHeld(group, by: saga) }
        guard case .payAsYouGo(_, let anchor) = billing else { throw .notPayAsYouGo(group) }
        let start = subscription.current.start
        guard let anchor, anchor <= start else { throw .beforeBeginning(group, start) }
        state = .active(.subscription(subscription), lock: nil)
        return .succeed(.subscription(subscription.current))
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

    func active() throws(GroupError) -> (GroupBilling, lock: SagaID?) {
        switch state {
        case .active(let billing, let lock): return (billing, lock)
        case .overdue(_, _, let since): throw .overdue(group, since: since)
        case .expired(let subscription, _): throw .expired(group, since: subscription.current.end)
        case .creating, .released: throw .notActive(group, state.status)
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
