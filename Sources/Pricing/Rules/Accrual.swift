import BillingCore

/// How the cost of pay-as-you-go instances grows with time at one price (domain 2.5):
/// `A(t) = floor to 1 micro-USD of (hourly price x N x time since the anchor)`.
///
/// A slice costs `A(end) - A(start)`, so amounts telescope, and a whole 4-hour unit is exactly 4 x price x N.
struct Accrual: Hashable, Sendable {
    /// Of all instances together. At most 1e14, so that 8,000 years of it fit an amount.
    let nanosPerHour: Int64

    /// - Precondition: the price is at most `InstancePrice.highestHourly`, and the count is valid; readers check both.
    init(hourly: UnitPrice, instances: UInt32) {
        nanosPerHour = hourly.nanos * Int64(instances)
    }

    /// An hour in milliseconds, times the nanos of a micro.
    private static let divisor: Int64 = .millisecondsPerHour * 1000

    /// `A` in micros, so many milliseconds after the anchor.
    /// - Precondition: `milliseconds >= 0`.
    @inline(__always)
    func micros(afterMilliseconds milliseconds: Int64) -> Int64 {
        let (product, overflow) = nanosPerHour.multipliedReportingOverflow(by: milliseconds)
        // Nothing is negative here, so the quotient that Swift truncates is the floor. Years of use by many instances
        // are the only products that need more than 64 bits.
        guard overflow else { return product / Self.divisor }
        return Rounding.floor.divide(Int128(nanosPerHour) * Int128(milliseconds), by: Int128(Self.divisor))
    }

    func amount(afterMilliseconds milliseconds: Int64) -> Money {
        Money(micros: micros(afterMilliseconds: milliseconds))
    }
}
