import BillingCore

/// The term that a paid order bought, and how much of it is used up (domain 7.2).
struct PaidTerm: Hashable, Sendable {
    /// The order's list price before discount and rounding.
    let listNanos: Int64
    let period: Period

    /// Days are blocks of 24 hours from the term's start; a part counts whole.
    /// - Throws: `PricingError.emptyTerm`, `.negativeListPrice`.
    init(listNanos: Int64, start: Timestamp, end: Timestamp) throws(PricingError) {
        guard start < end else { throw .emptyTerm(start: start, end: end) }
        guard listNanos >= 0 else { throw .negativeListPrice(listNanos) }
        self.listNanos = listNanos
        period = Period(start, end)
    }

    var days: Int64 { Self.days(period.milliseconds) }

    /// What is used up at `instant`: list price / days of the term x used days x the discount that so long a use would
    /// have earned. At least one day, at most all of them; nothing of a term that has not begun (domain 7.3).
    func consumed(at instant: Timestamp, discounts: [TermDiscount]) -> ConsumedTerm {
        let used = instant < period.start ? 0 : min(max(1, Self.days(instant - period.start)), days)
        let factor = factorMillionths(at: instant, discounts)
        let consumed = Money.cents(
            ofNanos: Int128(listNanos) * Int128(used) * Int128(factor),
            over: Int128(days) * Int128(TermDiscount.fullPriceMillionths))
        return ConsumedTerm(usedDays: used, termDays: days, factorMillionths: factor, consumed: consumed)
    }

    /// The factor of the longest duration whose end by domain 5.2 is not after `instant`; the full price when the
    /// shortest is not over yet.
    private func factorMillionths(at instant: Timestamp, _ discounts: [TermDiscount]) -> UInt32 {
        discounts.filter { BillingCalendar.termEnd(start: period.start, months: Int($0.months)) <= instant }
            .max { $0.months < $1.months }?.factorMillionths ?? TermDiscount.fullPriceMillionths
    }

    private static func days(_ milliseconds: Int64) -> Int64 {
        Rounding.ceiling.divide(Int128(milliseconds), by: Int128(Int64.millisecondsPerDay))
    }
}

struct ConsumedTerm: Hashable, Sendable {
    let usedDays: Int64
    let termDays: Int64
    let factorMillionths: UInt32
    let consumed: Money
}
