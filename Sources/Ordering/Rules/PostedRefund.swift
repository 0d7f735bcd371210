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

/// How much of one order is given back.
struct RefundShare: Hashable, Sendable {
    var order: Order
    var amount: Money

    /// Takes the amounts off their orders and adds them up by the way the money came.
    /// - Throws: `OrderError.refundTooLarge`; `.refundMalformed` when there is nothing, or an order twice.
    static func apply(
        _ shares: inout [RefundShare], at instant: Timestamp
    ) throws -> (toBalance: Money, online: Money) {
        guard !shares.isEmpty else { throw OrderError.refundMalformed(field: "lines", value: "", why: "are missing") }
        var seen: Set<OrderID> = []
        var toBalance = Money.zero
        var online = Money.zero
        for index in shares.indices {
            let (id, amount) = (shares[index].order.id, shares[index].amount)
            guard seen.insert(id).inserted else {
                throw OrderError.refundMalformed(field: "lines", value: id.text, why: "names an order twice")
            }
            try shares[index].order.refund(amount, at: instant)
            switch shares[index].order.state {
            case .paid(let payment):
                switch payment.method {
                case .balance: toBalance = try toBalance.adding(amount)
                case .online: online = try online.adding(amount)
                }
            case .unpaid, .cancelled:
                preconditionFailure("order \(id) was refunded in state \(shares[index].order.state)")
            }
        }
        return (toBalance, online)
    }
}
