import BillingCore

/// The price of a subscription paid in advance (domain 5.1), rounded half up to the cent once for the whole order.
struct OrderPrice: Hashable, Sendable {
    /// Monthly price x N x months in nano-dollars, before discount and rounding: what a refund is computed from.
    let listNanos: Int64
    let factorMillionths: UInt32
    /// The list price, rounded as the total is.
    let gross: Money
    /// What the order costs.
    let total: Money
    var discount: Money { gross - total }

    init(monthly: UnitPrice, instances: UInt32, discount: TermDiscount) {
        listNanos = monthly.nanos * Int64(instances) * Int64(discount.months)
        factorMillionths = discount.factorMillionths
        gross = .cents(ofNanos: Int128(listNanos), over: 1)
        total = .cents(
            ofNanos: Int128(listNanos) * Int128(discount.factorMillionths),
            over: Int128(TermDiscount.fullPriceMillionths))
    }
}

extension Money {
    /// `nanos / divisor`, half up to the cent in one division.
    static func cents(ofNanos nanos: Int128, over divisor: Int128) -> Money {
        let nanosPerCent = Int128(microsPerCent) * 1000
        return Money(micros: Rounding.halfUp.divide(nanos, by: divisor * nanosPerCent) * microsPerCent)
    }
}
