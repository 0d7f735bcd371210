import BillingCore

/// What order posted under a refund's id.
struct PostedRefund: Hashable, Sendable {
    let id: String
    let at: Timestamp
    let parts: RefundParts
    /// Whether order knows that the online part arrived.
    let isConfirmed: Bool
    let orders: [PostedRefundOrder]

    /// Whether a whole new order is given back with its coupon, since its group never came up: order does that by itself
    /// (domain 7.4).
    var isOfFailedCreation: Bool {
        guard orders.count == 1, let order = orders.first else { return false }
        return order.isNew && order.amount == order.paid.cash && order.restored == order.paid.coupon
    }
}

/// What order posted of one order, with what was paid for it.
struct PostedRefundOrder: Hashable, Sendable {
    let id: String
    let groupID: String
    let isNew: Bool
    let paidAt: Timestamp
    let paid: PaidParts
    let paymentID: String
    let term: BoughtTerm
    let amount: Money
    /// What of a coupon came back with it.
    let restored: Money
}

/// What pricing makes of a refund's instant and terms today.
struct PricedRefund: Hashable, Sendable {
    struct Use: Hashable, Sendable {
        let use: TermUse
        let consumed: Money
    }

    /// Of the price list in force at that instant.
    let unconditionalDays: UInt32
    /// By order.
    let uses: [String: Use]
}
