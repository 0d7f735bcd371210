import BillingCore

/// A subscribed group with what was paid for it, at the instant at which it, or its last renewal, is to be given back.
struct Subscription: Hashable, Sendable {
    let group: SubscribedGroup
    /// T, the instant of unsubscription.
    let at: Timestamp
    /// In order of their terms.
    let paid: [PaidOrder]

    /// - Parameter unpaidOrders: ids of the unpaid orders on this group.
    /// - Throws: `RefundError` by the names of domain 7.6.
    init(
        _ group: SubscribedGroup, at instant: Timestamp, paid: [PaidOrder], unpaidOrders: [String]
    ) throws(RefundError) {
        try group.requireUnsubscribable(at: instant, unpaidOrders: unpaidOrders)
        self.group = group
        at = instant
        self.paid = paid.sorted { ($0.term.start, $0.id) < ($1.term.start, $1.id) }
    }

    /// Orders whose term runs: what of them is used up has to be asked.
    var running: [PaidOrder] { effective.filter { $0.term.start <= at } }
    /// Renewals whose term has not begun.
    var pending: [PaidOrder] { effective.filter { $0.term.start > at } }

    /// The calendar year of T, in which the unconditional refund can be had once.
    var year: Int { BillingCalendar.date(of: at).year }

    /// What unsubscribing the group gives back (domain 7.2 to 7.4).
    /// - Parameters:
    ///   - use: of each running order, in their order, with what it consumed.
    ///   - hadUnconditional: whether the account had its unconditional refund of the year.
    /// - Throws: `RefundError.zero`.
    func refund(
        using use: [(use: TermUse, consumed: Money)], unconditionalDays: UInt32, hadUnconditional: Bool
    ) throws(RefundError) -> RefundQuote {
        let isUnconditional = !hadUnconditional && isWithin(unconditionalDays)
        let running = zip(running, use).map { order, used in
            isUnconditional
                ? RefundedOrder(order, use: used.use, inFull: .unconditional)
                : RefundedOrder(order, use: used.use, consumed: used.consumed)
        }
        return try RefundQuote(group, at: at, orders: running + pending.map(given), isRenewalOnly: false)
    }

    /// What cancelling the last pending renewal gives back: all of it (domain 7.3).
    /// - Throws: `RefundError.noPendingRenewal`, `.zeroRenewal`.
    func renewalRefund() throws(RefundError) -> RefundQuote {
        guard let last = pending.last else { throw .noPendingRenewal(group: group.id) }
        return try RefundQuote(group, at: at, orders: [given(last)], isRenewalOnly: true)
    }

    private var effective: [PaidOrder] { paid.filter { !$0.isRefunded && $0.term.end > at } }

    private func given(_ order: PaidOrder) -> RefundedOrder {
        RefundedOrder(
            order, use: order.term.use(at: at, factorMillionths: TermUse.fullPriceMillionths),
            inFull: .pendingRenewal)
    }

    /// Whether the group was bought, and neither switched nor renewed nor partly given back, so many days ago or less.
    private func isWithin(_ days: UInt32) -> Bool {
        guard paid.count == 1, let order = paid.first, order.kind == .new, !order.isRefunded else { return false }
        return at < order.paidAt.adding(milliseconds: Int64(days) * .millisecondsPerDay)
    }
}
