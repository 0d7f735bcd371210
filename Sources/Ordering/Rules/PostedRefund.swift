import BillingCore

/// Money given back, as it was posted (domain 7.5).
struct PostedRefund: Hashable, Sendable {
    let id: RefundID
    let account: AccountID
    /// When it took effect: the instant of unsubscription.
    let at: Timestamp
    let toBalance: Money
    /// Goes to the online payments it came from; pending until confirmed.
    let online: Money
    private(set) var confirmedAt: Timestamp?

    init(
        id: RefundID, account: AccountID, at: Timestamp, toBalance: Money, online: Money,
        confirmedAt: Timestamp? = nil
    ) {
        self.id = id
        self.account = account
        self.at = at
        self.toBalance = toBalance
        self.online = online
        self.confirmedAt = confirmedAt
    }

    var amount: Money { toBalance + online }

    /// The online part arrived.
    /// - Throws: `OrderError.refundNotOnline` when there is none; `.refundConfirmed` when that is known.
    mutating func confirm(at instant: Timestamp) throws(OrderError) {
        guard online > .zero else { throw .refundNotOnline(id.text) }
        guard confirmedAt == nil else { throw .refundConfirmed(id.text) }
        confirmedAt = instant
    }
}

/// How much of one order is given back, and which way.
struct RefundShare: Hashable, Sendable {
    private(set) var order: Order
    let amount: Money
    let toBalance: Money
    let online: Money
    /// The coupon that is restored with it, since our side failed (domain 7.4); `nil`: none.
    let coupon: CouponID?
    let restored: Money

    /// - Throws: `OrderError.refundMalformed` unless the two ways sum to the amount and are ways that the order was paid.
    init(order: Order, amount: Money, toBalance: Money, online: Money) throws(OrderError) {
        guard let parts = order.paidParts else {
            throw .refundTooLarge(order: order.id.text, amount: amount, left: .zero)
        }
        func refuse(_ field: String, _ value: Money, _ why: String) -> OrderError {
            .refundMalformed(field: field, value: value.description, why: why)
        }
        // The odd cents go the larger way (domain 7.5), which may be a part of a cent more than went that way.
        let cent = Money(micros: Money.microsPerCent)
        guard toBalance >= .zero, toBalance < parts.balance + cent else {
            throw refuse("to_balance_micros", toBalance, "is more than the balance paid of order \(order.id)")
        }
        guard online >= .zero, online < parts.online + cent else {
            throw refuse("online_micros", online, "is more than was paid online of order \(order.id)")
        }
        guard toBalance + online == amount else { throw refuse("amount_micros", amount, "is not the sum of its parts") }
        (self.order, self.amount, self.toBalance, self.online) = (order, amount, toBalance, online)
        (coupon, restored) = (nil, .zero)
    }

    /// All that an order cost, its coupon included.
    /// - Throws: `OrderError.refundTooLarge` for an order that is not paid.
    init(whole order: Order) throws(OrderError) {
        guard let parts = order.paidParts else {
            throw .refundTooLarge(order: order.id.text, amount: order.offer.total, left: .zero)
        }
        (self.order, amount, toBalance, online) = (order, parts.cash, parts.balance, parts.online)
        (coupon, restored) = (parts.couponID, parts.coupon)
    }

    /// Takes the amounts off their orders and adds them up by the way the money came.
    /// - Throws: `OrderError.refundTooLarge`; `.refundMalformed` when there is nothing, or an order twice.
    static func apply(
        _ shares: inout [RefundShare], at instant: Timestamp
    ) throws -> (toBalance: Money, online: Money, coupon: Money) {
        guard !shares.isEmpty else { throw OrderError.refundMalformed(field: "lines", value: "", why: "are missing") }
        var seen: Set<OrderID> = []
        var sums = (toBalance: Money.zero, online: Money.zero, coupon: Money.zero)
        for index in shares.indices {
            let share = shares[index]
            guard seen.insert(share.order.id).inserted else {
                throw OrderError.refundMalformed(
                    field: "lines", value: share.order.id.text, why: "names an order twice")
            }
            if share.amount > .zero {
                try shares[index].order.refund(share.amount, at: instant)
            } else {
                try shares[index].order.noteCouponRestored(at: instant)
            }
            sums.toBalance = try sums.toBalance.adding(share.toBalance)
            sums.online = try sums.online.adding(share.online)
            sums.coupon = try sums.coupon.adding(share.restored)
        }
        return sums
    }
}
