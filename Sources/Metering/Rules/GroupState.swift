package import BillingCore

/// How a group is paid for. The raw values are stored.
package enum BillingMethod: Int64, Hashable, Sendable, CaseIterable {
    case subscription = 1
    case payAsYouGo = 2
}

/// How a group is billed now, or was when it ended.
package enum GroupBilling: Hashable, Sendable {
    /// Units are counted from `anchor`, which is `nil` until the group is created.
    case payAsYouGo(BillingUnit, anchor: Timestamp?)
    case subscription(Subscription)

    package var method: BillingMethod {
        switch self {
        case .payAsYouGo: .payAsYouGo
        case .subscription: .subscription
        }
    }
}

/// Why a group is gone. The raw values are stored.
package enum ReleaseCause: Int64, Hashable, Sendable, CaseIterable {
    case owner = 1
    case creationFailed = 2
    case unsubscribed = 3
    case overdue = 4
    case expired = 5
}

/// What a group is, for people and for lists. The raw values are stored.
package enum GroupStatus: Int64, Hashable, Sendable, CaseIterable {
    case creating = 1
    case active = 2
    case overdue = 3
    case expired = 4
    case released = 5
}

/// A group that is gone: how it was billed last, when and why it went.
package struct Release: Hashable, Sendable {
    package let billing: GroupBilling
    package let at: Timestamp
    package let cause: ReleaseCause
    /// Where an overdue account stopped its pay-as-you-go: when the group was overdue, or in the tail of its last unit
    /// (domain 2.7); `nil` when it was billed to its end.
    package var stoppedAt: Timestamp?

    package init(_ billing: GroupBilling, at: Timestamp, _ cause: ReleaseCause, stoppedAt: Timestamp? = nil) {
        self.billing = billing
        self.at = at
        self.cause = cause
        self.stoppedAt = stoppedAt
    }

    /// Since when the group was overdue or expired; `nil` if it was neither.
    package var since: Timestamp? {
        switch billing {
        case .payAsYouGo: stoppedAt
        case .subscription(let subscription): cause == .expired ? subscription.current.end : nil
        }
    }
}

/// A group's life; each case says where it can go. While a saga holds the lock only that saga moves the group.
package enum GroupState: Hashable, Sendable {
    /// Can transition to `active` when its creation is reported, or to `released` when that failed.
    case creating(GroupBilling)
    /// Can transition to `released` by its owner or by unsubscription, to `overdue` at a cut or to `expired` at the end
    /// of its last term; from pay-as-you-go to subscription by a switch.
    case active(GroupBilling, lock: SagaID?)
    /// Pay-as-you-go that stopped at a cut. Can transition to `active` when the account owes nothing any more, or to
    /// `released` by its owner or after 15 days.
    case overdue(BillingUnit, anchor: Timestamp, since: Timestamp)
    /// Unusable since its last term ended. Can transition to `active` by a renewal, or to `released` by its owner or
    /// after 15 days.
    case expired(Subscription, lock: SagaID?)
    case released(Release)

    package var status: GroupStatus {
        switch self {
        case .creating: .creating
        case .active: .active
        case .overdue: .overdue
        case .expired: .expired
        case .released: .released
        }
    }

    package var billing: GroupBilling {
        switch self {
        case .creating(let billing), .active(let billing, _): billing
        case .overdue(let unit, let anchor, _): .payAsYouGo(unit, anchor: anchor)
        case .expired(let subscription, _): .subscription(subscription)
        case .released(let release): release.billing
        }
    }

    package var lock: SagaID? {
        switch self {
        case .active(_, let lock), .expired(_, let lock): lock
        case .creating, .overdue, .released: nil
        }
    }

    /// When the group is released if nothing is paid (domain 4.4, 5.4); `nil` while it need not be.
    package var releaseAt: Timestamp? {
        switch self {
        case .overdue(_, _, let since): BillingCalendar.releaseAt(since: since)
        case .expired(let subscription, _): subscription.releaseAt
        case .creating, .active, .released: nil
        }
    }

    /// The next attempt of auto-renewal; `nil` when there is none.
    package var attemptAt: Timestamp? {
        switch self {
        case .active(.subscription(let subscription), _), .expired(let subscription, _): subscription.attemptAt
        case .creating, .active(.payAsYouGo, _), .overdue, .released: nil
        }
    }
}
