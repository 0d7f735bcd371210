import BillingCore

/// What happens to a subscription alone.
extension GroupStateMachine {
    mutating func unsubscribed(_ at: Timestamp, _ saga: SagaID) throws(GroupError) -> TimelineChange? {
        let (billing, lock) = try active()
        guard lock == saga else { throw .notHeld(group, by: saga) }
        guard case .subscription(var subscription) = billing else { throw .notSubscription(group) }
        guard subscription.current.start <= at else { throw .beforeBeginning(group, at) }
        subscription.dropPending()
        state = .released(Release(.subscription(subscription), at: at, .unsubscribed))
        return .end(at: min(at, subscription.current.end))
    }

    /// A renewal paid before the end is pending; one paid at the end or later starts anew. The lock may have kept a
    /// group active that expires at the instant of payment.
    mutating func extended(_ term: Term, _ saga: SagaID) throws(GroupError) -> TimelineChange? {
        var subscription = try held(by: saga)
        let isExpired = state.status == .expired
        if !isExpired, subscription.isFollowed(by: term) {
            subscription.append(term)
            state = .active(.subscription(subscription), lock: nil)
            return nil
        }
        guard subscription.pending.isEmpty, subscription.isRestarted(by: term) else {
            throw .termUnconnected(group, start: term.start, end: term.end)
        }
        subscription.restart(term)
        state = .active(.subscription(subscription), lock: nil)
        return .begin(.subscription(term))
    }

    mutating func renewalDropped(_ order: OrderID, _ saga: SagaID) throws(GroupError) -> TimelineChange? {
        let (billing, lock) = try active()
        guard lock == saga else { throw .notHeld(group, by: saga) }
        guard case .subscription(var subscription) = billing else { throw .notSubscription(group) }
        guard subscription.dropLast(order) else { throw .notLastRenewal(group, order) }
        state = .active(.subscription(subscription), lock: nil)
        return nil
    }

    /// The next term becomes current, or the group expires when none is paid.
    mutating func termEnded(_ at: Timestamp) throws(GroupError) -> TimelineChange? {
        let (billing, lock) = try active()
        guard case .subscription(var subscription) = billing else { throw .notSubscription(group) }
        guard lock == nil else { throw .locked(group) }
        guard subscription.current.end <= at else { throw .termRuns(group, until: subscription.current.end) }
        guard let next = subscription.advance() else {
            state = .expired(subscription, lock: nil)
            return nil
        }
        state = .active(.subscription(subscription), lock: nil)
        return .succeed(.subscription(next))
    }

    /// Changes what auto-renewal buys, or switches it. Attempts of a cycle that is under way stay as they are when it
    /// was on already.
    mutating func autoRenewalSet(_ renewal: AutoRenewal?) throws(GroupError) -> TimelineChange? {
        try changeSubscription { subscription in
            if let renewal, let earlier = subscription.autoRenewal {
                subscription.autoRenewal = AutoRenewal(months: renewal.months, after: earlier.after)
            } else {
                subscription.autoRenewal = renewal
            }
        }
        return nil
    }

    /// Of a group that is gone or not subscribed, there is no attempt that could fail any more.
    mutating func attemptFailed(_ at: Timestamp) throws(GroupError) -> TimelineChange? {
        guard state.attemptAt == at else { return nil }
        try changeSubscription { $0.noteAttempt(at) }
        return nil
    }

    private mutating func changeSubscription(_ change: (inout Subscription) -> Void) throws(GroupError) {
        guard case .subscription(var subscription) = state.billing else {
            switch state {
            case .overdue(_, _, let since): throw .overdue(group, since: since)
            case .released: throw .notActive(group, .released)
            case .creating, .active, .expired: throw .notSubscription(group)
            }
        }
        change(&subscription)
        switch state {
        case .creating: state = .creating(.subscription(subscription))
        case .active(_, let lock): state = .active(.subscription(subscription), lock: lock)
        case .expired(_, let lock): state = .expired(subscription, lock: lock)
        case .overdue, .released: throw .notActive(group, state.status)
        }
    }

    /// The subscription that a saga holds, whether its term is over or not.
    private func held(by saga: SagaID) throws(GroupError) -> Subscription {
        if case .expired(let subscription, let lock) = state {
            guard lock == saga else { throw .notHeld(group, by: saga) }
            return subscription
        }
        let (billing, lock) = try active()
        guard lock == saga else { throw .notHeld(group, by: saga) }
        guard case .subscription(let subscription) = billing else { throw .notSubscription(group) }
        return subscription
    }
}
