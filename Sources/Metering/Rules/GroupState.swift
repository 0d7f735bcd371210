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
    case subscription(Term)

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
}

/// What a group is, for people and for lists. The raw values are stored.
package enum GroupStatus: Int64, Hashable, Sendable, CaseIterable {
    case creating = 1
    case active = 2
    case overdue = 3
    case expired = 4
    case released = 5
}

/// A group's life; each case says where it can go.
package enum GroupState: Hashable, Sendable {
    /// Can transition to `active` when its creation is reported, or to `released` when that failed.
    case creating(GroupBilling)
    /// Can transition to `released` by its owner or by unsubscription, or to `expired` at the end of its term; from
    /// pay-as-you-go to subscription by a switch. While a saga holds the lock only that saga moves it.
    case active(GroupBilling, lock: SagaID?)
    /// Nothing enters this state yet.
    case overdue(GroupBilling)
    /// Unusable since its term ended.
    case expired(Term)
    case released(GroupBilling, at: Timestamp, ReleaseCause)

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
        case .creating(let billing), .active(let billing, _), .overdue(let billing), .released(let billing, _, _):
            billing
        case .expired(let term): .subscription(term)
        }
    }

    package var lock: SagaID? {
        switch self {
        case .active(_, let lock): lock
        case .creating, .overdue, .expired, .released: nil
        }
    }
}
