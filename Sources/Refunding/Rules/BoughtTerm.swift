import BillingCore

/// The term that an order bought, with what `consumed` is computed from (domain 7.2).
struct BoughtTerm: Hashable, Sendable {
    let start: Timestamp
    let end: Timestamp
    let months: UInt32
    /// The list price before discount and rounding.
    let listNanos: Int64
    let priceListVersion: UInt32

    /// Days are blocks of 24 hours from the start; a part counts whole.
    var days: UInt32 { Self.days(end - start) }

    /// - Parameter factorMillionths: the discount for that long a use, which the price list tells.
    func use(at instant: Timestamp, factorMillionths: UInt32) -> TermUse {
        let used = instant < start ? 0 : min(max(1, Self.days(instant - start)), days)
        return TermUse(usedDays: used, termDays: days, factorMillionths: factorMillionths)
    }

    /// What so long a use costs, half up to the cent.
    func consumed(by use: TermUse) -> Money {
        guard use.termDays > 0 else { return .zero }
        let dividend = Int128(listNanos) * Int128(use.usedDays) * Int128(use.factorMillionths)
        let divisor = Int128(use.termDays) * Int128(TermUse.fullPriceMillionths) * Int128(nanosPerCent)
        return Money(micros: Rounding.halfUp.divide(dividend, by: divisor) * Money.microsPerCent)
    }

    private var nanosPerCent: Int64 { Money.microsPerCent * 1000 }

    private static func days(_ milliseconds: Int64) -> UInt32 {
        UInt32(clamping: Rounding.ceiling.divide(Int128(milliseconds), by: Int128(Int64.millisecondsPerDay)))
    }
}

/// How much of a term is used, and the discount that so long a use would have earned.
struct TermUse: Hashable, Sendable {
    let usedDays: UInt32
    let termDays: UInt32
    /// 1,000,000 is none.
    let factorMillionths: UInt32

    static let fullPriceMillionths: UInt32 = 1_000_000
}
