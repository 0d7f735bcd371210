import BillingCore

/// The hourly prices of every specification, and the prices of every value-added item, in every region through the
/// versions of the price list, in one array, so that rating a slice touches no object.
struct PriceTimelines: Sendable {
    /// One version's share of an item's timeline. Instants are in milliseconds, as in the columns rated by them.
    struct Step: Sendable {
        let version: UInt32
        let hourly: UnitPrice
        let effectiveFrom: Int64
        /// Since when the price is what it is, in this version and those before: where accrual starts anew, unless the
        /// anchor is later (domain 2.5).
        let pricedFrom: Int64
        /// When the next version takes effect; `Int64.max` for never.
        var endsAt: Int64
    }

    /// Item after item; within one in order of instant, from the version that first had it. Versions that never are in
    /// force, since a later one takes effect at the same instant, have none.
    private(set) var steps: [Step] = []
    // A price list has a handful of each: comparing short strings beats hashing two of them.
    private let specifications: [String]
    private let items: [String]
    private let regions: [String]
    /// Where the steps are: specification after specification, then item after item, the regions of each in order.
    private var ranges: [Range<Int>] = []

    /// - Parameter versions: in order; each keeps all that the one before sells, so the last knows every item.
    init(_ versions: [PriceListVersion]) {
        specifications = versions.last?.specifications.map(\.name) ?? []
        items = versions.last?.valueAddedItems.map(\.id) ?? []
        regions = versions.last?.regions.map(\.id) ?? []
        guard let newest = versions.last else { return }
        for name in specifications {
            appendTimelines(versions, newest.regions) { version, regionClass in
                version.specifications.first { $0.name == name }?.price(in: regionClass).hourly
            }
        }
        for id in items {
            appendTimelines(versions, newest.regions) { version, regionClass in
                version.valueAddedItems.first { $0.id == id }?.price(in: regionClass)
            }
        }
    }

    /// Where the steps of a value-added item are; `nil` when it is not sold.
    func range(item: String, region: String) -> Range<Int>? {
        guard let row = items.firstIndex(of: item), let column = regions.firstIndex(of: region) else { return nil }
        return ranges[(specifications.count + row) * regions.count + column]
    }

    /// Where an item's steps are; `nil` when it is not sold.
    func range(specification: String, region: String) -> Range<Int>? {
        guard let row = specifications.firstIndex(of: specification), let column = regions.firstIndex(of: region) else {
            return nil
        }
        return ranges[row * regions.count + column]
    }

    private mutating func appendTimelines(
        _ versions: [PriceListVersion], _ regions: [Region], price: (PriceListVersion, RegionClass) -> UnitPrice?
    ) {
        for region in regions {
            let first = steps.count
            for version in versions where version.regions.contains(where: { $0.id == region.id }) {
                guard let price = price(version, region.regionClass) else { continue }
                append(version, price, since: first)
            }
            ranges.append(first..<steps.count)
        }
    }

    private mutating func append(_ version: PriceListVersion, _ hourly: UnitPrice, since first: Int) {
        let from = version.effectiveFrom.milliseconds
        if steps.count > first, steps[steps.count - 1].effectiveFrom == from { steps.removeLast() }
        var pricedFrom = from
        if steps.count > first {
            steps[steps.count - 1].endsAt = from
            let before = steps[steps.count - 1]
            if before.hourly == hourly { pricedFrom = before.pricedFrom }
        }
        steps.append(
            Step(
                version: version.version, hourly: hourly, effectiveFrom: from, pricedFrom: pricedFrom, endsAt: .max))
    }
}
