import BillingCore

/// One published version of the price list: everything that is sold from an instant on, and for how much (domain 1).
/// Never edited once published.
struct PriceListVersion: Hashable, Sendable {
    /// Counts from 1.
    let version: UInt32
    let effectiveFrom: Timestamp
    /// In order of `createdBefore`; the last has none.
    let billingUnits: [BillingUnitRule]
    /// One for each of `TermDiscount.durations`, in that order.
    let termDiscounts: [TermDiscount]
    let regions: [Region]
    let specifications: [Specification]
    let valueAddedItems: [ValueAddedItem]
    /// The days after its payment in which a new order is given back in full (domain 7.4); 0: never.
    let unconditionalRefundDays: UInt32

    static let longestUnconditionalRefund: UInt32 = 365

    /// - Throws: `PricingError.unknownSpecification`, with those there are.
    func specification(_ name: String) throws(PricingError) -> Specification {
        guard let found = specifications.first(where: { $0.name == name }) else {
            throw .unknownSpecification(name, valid: specifications.map(\.name))
        }
        return found
    }

    /// - Throws: `PricingError.unknownRegion`, with those there are.
    func region(_ id: String) throws(PricingError) -> Region {
        guard let found = regions.first(where: { $0.id == id }) else {
            throw .unknownRegion(id, valid: regions.map(\.id))
        }
        return found
    }

    /// What one instance costs in a region.
    /// - Throws: `PricingError.unknownSpecification`, `.unknownRegion`.
    func price(of specification: String, in region: String) throws(PricingError) -> InstancePrice {
        try self.specification(specification).price(in: self.region(region).regionClass)
    }

    /// - Throws: `PricingError.unknownItem`, with those there are.
    func valueAddedItem(_ id: String) throws(PricingError) -> ValueAddedItem {
        guard let found = valueAddedItems.first(where: { $0.id == id }) else {
            throw .unknownItem(id, valid: valueAddedItems.map(\.id))
        }
        return found
    }

    /// - Throws: `PricingError.unknownDuration`, with those there are.
    func termDiscount(months: UInt32) throws(PricingError) -> TermDiscount {
        guard let found = termDiscounts.first(where: { $0.months == months }) else {
            throw .unknownDuration(months, valid: termDiscounts.map(\.months))
        }
        return found
    }

    /// The unit that a group is billed by which is created at `instant`.
    func billingUnit(ofGroupCreatedAt instant: Timestamp) -> BillingUnit {
        for rule in billingUnits {
            guard let end = rule.createdBefore else { return rule.unit }
            if instant < end { return rule.unit }
        }
        preconditionFailure("version \(version) has no billing unit without an end; its reader checks that")
    }
}

/// What one instance is and costs.
struct Specification: Hashable, Sendable {
    /// "acp.basic.small".
    let name: String
    let edition: String
    let vcpus: UInt32
    let memoryGiB: UInt32
    let diskGiB: UInt32
    let mainland: InstancePrice
    let international: InstancePrice

    func price(in regionClass: RegionClass) -> InstancePrice {
        switch regionClass {
        case .mainland: mainland
        case .international: international
        }
    }
}

/// The prices of one instance.
struct InstancePrice: Hashable, Sendable {
    let monthly: UnitPrice
    let hourly: UnitPrice

    /// Bounds that keep every product of this module within 128 bits and every amount within 64: a thousand dollars an
    /// hour, a million a month.
    static let highestHourly = UnitPrice(nanos: 1_000_000_000_000)
    static let highestMonthly = UnitPrice(nanos: 1_000_000_000_000_000)
}

struct Region: Hashable, Sendable {
    /// "cn-hangzhou".
    let id: String
    let name: String
    let regionClass: RegionClass
}

enum RegionClass: String, Hashable, Sendable, CaseIterable {
    /// Regions in the Chinese mainland.
    case mainland = "ML"
    /// Hong Kong (China) and outside.
    case international = "INT"
}

/// Factor on the list price of a subscription of so many months.
struct TermDiscount: Hashable, Sendable {
    /// The durations a subscription can have (domain 5.1).
    static let durations: [UInt32] = [1, 2, 3, 6, 12]
    static let fullPriceMillionths: UInt32 = 1_000_000

    let months: UInt32
    /// 1 to 1,000,000, which is the full price.
    let factorMillionths: UInt32
}

/// How time is committed to when a pay-as-you-go group is billed; pinned when the group is created (domain 1).
enum BillingUnit: String, Hashable, Sendable, CaseIterable {
    case second = "second"
    case fourHours = "4 hours from creation"

    var milliseconds: Int64 {
        switch self {
        case .second: .millisecondsPerSecond
        case .fourHours: 4 * .millisecondsPerHour
        }
    }
}

/// The unit of the groups created before an instant and not before that of the rule ahead.
struct BillingUnitRule: Hashable, Sendable {
    let unit: BillingUnit
    /// `nil`: no end.
    let createdBefore: Timestamp?
}

/// How many instances a group may have (domain 1).
enum InstanceCount {
    static let valid: ClosedRange<UInt32> = 1...100

    /// - Throws: `PricingError.instanceCount`.
    static func check(_ count: UInt32) throws(PricingError) {
        guard valid.contains(count) else { throw .instanceCount(count) }
    }
}
