import BillingCore

/// What an unsubscription needs to know of a group, as metering tells it.
struct SubscribedGroup: Hashable, Sendable {
    enum State: String, Hashable, Sendable {
        case creating
        case active
        case overdue
        case expired
        case released
    }

    let id: String
    let instances: UInt32
    let isSubscribed: Bool
    let state: State
    /// The end of the last paid term, pending renewals included; meaningless unless subscribed.
    let paidThrough: Timestamp

    /// Whether the group can be unsubscribed at `instant` (domain 7.6).
    /// - Parameter unpaidOrders: ids of the unpaid orders on this group.
    /// - Throws: `RefundError.payAsYouGo`, `.expired`, `.notActive` or `.unpaidOrders`, in that order.
    func requireUnsubscribable(at instant: Timestamp, unpaidOrders: [String]) throws(RefundError) {
        guard isSubscribed else { throw .payAsYouGo(group: id) }
        switch state {
        case .active:
            // A term ends before the calls of that instant are looked at (domain 10), whether or not it was noted yet.
            guard instant < paidThrough else { throw .expired(group: id, at: paidThrough) }
        case .expired: throw .expired(group: id, at: paidThrough)
        case .creating, .overdue, .released: throw .notActive(group: id, is: state)
        }
        guard unpaidOrders.isEmpty else { throw .unpaidOrders(unpaidOrders, group: id) }
    }
}
