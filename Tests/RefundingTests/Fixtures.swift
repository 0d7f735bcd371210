import BillingCore

@testable import Refunding

struct UnreadableInstant: Error {
    let text: String
}

/// An instant of the billing time zone, "2026-04-10 15:20".
func at(_ text: String) throws -> Timestamp {
    guard let instant = Timestamp(text) else { throw UnreadableInstant(text: text) }
    return instant
}

/// Three phones, bought on 2026-04-10 15:20 for a month.
func subscribed(
    _ state: SubscribedGroup.State = .active, isSubscribed: Bool = true, paidThrough: String = "2026-05-11 00:00"
) throws -> SubscribedGroup {
    SubscribedGroup(
        id: "ag-1", instances: 3, isSubscribed: isSubscribed, state: state, paidThrough: try at(paidThrough))
}

/// A paid order of the group, of one month from 2026-04-10 15:20 unless said otherwise.
func paid(
    _ id: String = "ord-1", _ kind: PaidOrder.Kind = .new, balance: String = "0", online: String = "0",
    coupon: String = "0", listNanos: Int64 = 41_603_700_000, months: UInt32 = 1, at paidAt: String = "2026-04-10 15:20",
    from start: String = "2026-04-10 15:20", to end: String = "2026-05-11 00:00", isRefunded: Bool = false
) throws -> PaidOrder {
    PaidOrder(
        id: id, kind: kind, paidAt: try at(paidAt),
        paid: PaidParts(balance: try Money(balance), online: try Money(online), coupon: try Money(coupon)),
        paymentID: online == "0" ? "" : "pay-1", specification: "acp.std.small", region: "cn-hangzhou",
        term: BoughtTerm(
            start: try at(start), end: try at(end), months: months, listNanos: listNanos, priceListVersion: 1),
        isRefunded: isRefunded)
}

extension Subscription {
    /// A group with these orders and no unpaid one.
    init(_ paid: PaidOrder..., at text: String, paidThrough: String = "2026-12-31") throws {
        try self.init(subscribed(paidThrough: paidThrough), at: instant(text), paid: paid, unpaidOrders: [])
    }

    /// The refund when each running order is used as its term says, at full price.
    func refund(unconditionalDays: UInt32 = 0, hadUnconditional: Bool = false) throws -> RefundQuote {
        let use = running.map { order in
            let use = order.term.use(at: at, factorMillionths: 1_000_000)
            return (use: use, consumed: order.term.consumed(by: use))
        }
        return try refund(using: use, unconditionalDays: unconditionalDays, hadUnconditional: hadUnconditional)
    }
}

/// `at`, by a name that `Subscription.at` does not hide.
private func instant(_ text: String) throws -> Timestamp { try at(text) }
