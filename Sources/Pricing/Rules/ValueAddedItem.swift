import BillingCore

/// A resource of an account and its network that is billed by the clock hour (domain 1).
struct ValueAddedItem: Hashable, Sendable {
    /// "nat-gateway".
    let id: String
    let name: String
    let unit: PriceUnit
    let mainland: UnitPrice
    let international: UnitPrice
    /// The source publishes no price; this one is an example.
    let isExample: Bool

    func price(in regionClass: RegionClass) -> UnitPrice {
        switch regionClass {
        case .mainland: mainland
        case .international: international
        }
    }
}

/// What a value-added item's price is for.
enum PriceUnit: String, Hashable, Sendable, CaseIterable {
    case hour = "hour"
    case megabitHour = "Mbps-hour"
    case gibibyteMonth = "GiB-month"

    /// What one clock hour costs at a price: price x quantity, by the month divided by the hours of the calendar month
    /// in which the hour lies; floored to the micro-USD.
    /// - Precondition: the price is at most `InstancePrice.highestHourly`, the quantity in `Quantity.valid`.
    func micros(_ price: UnitPrice, quantity: Int64, inHourOf instant: Timestamp) -> Int64 {
        let hours = self == .gibibyteMonth ? BillingCalendar.hoursOfMonth(holding: instant) : 1
        return Rounding.floor.divide(Int128(price.nanos) * Int128(quantity), by: Int128(hours) * 1000)
    }
}

/// How much of a value-added item there may be: Mbps, GiB, or 1. A backup store may be empty.
enum Quantity {
    static let valid: ClosedRange<Int64> = 0...1_000_000_000

    /// - Throws: `PricingError.quantity`.
    static func check(_ quantity: Int64) throws(PricingError) {
        guard valid.contains(quantity) else { throw .quantity(quantity) }
    }
}

extension BillingCalendar {
    /// The hours of the billing month that holds `instant`: 672 to 744.
    static func hoursOfMonth(holding instant: Timestamp) -> Int64 {
        let date = date(of: instant)
        return Int64(CivilDate.length(year: date.year, month: date.month)) * 24
    }
}
