import BillingCore

/// Something whose use is metered, with its prices found. Holds no object, so that copying it costs nothing.
struct MeteredResource: Sendable {
    /// Its steps in the price list's timelines.
    fileprivate let steps: Range<Int>
    /// Instances of a group, or of a value-added item so many of its units.
    fileprivate let quantity: Int64
    /// Where accrual starts, in milliseconds (domain 2.2); 0 for a value-added item.
    fileprivate let anchor: Int64
    /// What a value-added item is priced by; `nil` for a group.
    fileprivate let unit: PriceUnit?
}

extension PriceList {
    /// - Throws: `PricingError` for a specification, region or count that is not sold, or an anchor outside our time.
    func resource(
        specification: String, region: String, instances: UInt32, anchor: Int64
    ) throws(PricingError) -> MeteredResource {
        try InstanceCount.check(instances)
        let anchor = try Timestamp(checked: anchor, field: "anchor").milliseconds
        return MeteredResource(
            steps: try timeline(specification: specification, region: region), quantity: Int64(instances),
            anchor: anchor, unit: nil)
    }

    /// A value-added item.
    /// - Throws: `PricingError` for an item, region or quantity that is not sold.
    func resource(item: String, region: String, quantity: Int64) throws(PricingError) -> MeteredResource {
        try Quantity.check(quantity)
        return MeteredResource(
            steps: try timeline(item: item, region: region), quantity: quantity, anchor: 0,
            unit: try newest.valueAddedItem(item).unit)
    }

    /// The amounts of slices by domain 2.5. A version that starts inside a slice of a group splits it; accrual starts anew
    /// there if the price is another. A slice of a value-added item costs its clock hour whole, at the price of its first
    /// instant.
    ///
    /// Look-ups are done per resource, before; a slice costs two multiplications and two divisions, and no allocation.
    /// - Throws: `PricingError` naming the first bad slice.
    func rate(_ slices: SliceColumns, of resources: [MeteredResource]) throws(PricingError) -> RatedColumns {
        let count = slices.resource.count
        guard slices.start.count == count, slices.end.count == count else {
            throw .columns(resource: count, start: slices.start.count, end: slices.end.count)
        }
        let steps = timelines.steps
        var rated = RatedColumns(capacity: count)
        for index in 0..<count {
            let resourceIndex = Int(slices.resource[index])
            guard resourceIndex < resources.count else {
                throw .resourceIndex(slices.resource[index], slice: index, resources: resources.count)
            }
            let resource = resources[resourceIndex]
            let (start, end) = (slices.start[index], slices.end[index])
            guard start < end else { throw .emptySlice(index, start: start, end: end) }
            guard resource.anchor <= start else {
                throw .sliceBeforeAnchor(index, start: start, anchor: resource.anchor)
            }
            guard end <= Timestamp.latest.milliseconds else { throw .instant(end, field: "end[\(index)]") }
            if let unit = resource.unit {
                try rated.append(slice: index, of: resource, by: unit, start, end, steps)
            } else {
                try rated.append(slice: index, of: resource, start, end, steps)
            }
        }
        return rated
    }
}

/// Slices of use to be rated: one entry of each column a slice, instants in milliseconds.
struct SliceColumns: Sendable {
    /// Index into the batch's resources.
    var resource: [UInt32]
    var start: [Int64]
    var end: [Int64]
}

/// Rated slices in the order of the request: one entry of each column a part of a slice.
struct RatedColumns: Hashable, Sendable {
    /// As many as a reply may hold of anything.
    static let limit = 4096

    struct AppliedPrice: Hashable, Sendable {
        /// The version in force at the start of the part.
        let version: UInt32
        let hourly: UnitPrice
    }

    private(set) var prices: [AppliedPrice] = []
    /// Index into the request's slices.
    private(set) var slice: [UInt32] = []
    private(set) var start: [Int64] = []
    private(set) var end: [Int64] = []
    /// Index into `prices`.
    private(set) var price: [UInt32] = []
    private(set) var grossMicros: [Int64] = []

    fileprivate init(capacity: Int) {
        slice.reserveCapacity(capacity)
        start.reserveCapacity(capacity)
        end.reserveCapacity(capacity)
        price.reserveCapacity(capacity)
        grossMicros.reserveCapacity(capacity)
    }

    @inline(__always)
    fileprivate mutating func append(
        slice index: Int, of resource: MeteredResource, _ sliceStart: Int64, _ sliceEnd: Int64,
        _ steps: [PriceTimelines.Step]
    ) throws(PricingError) {
        var partStart = sliceStart
        repeat {
            let step = try Self.step(at: partStart, of: resource, steps, slice: index)
            let partEnd = min(sliceEnd, step.endsAt)
            let anchor = max(resource.anchor, step.pricedFrom)
            let accrual = Accrual(hourly: step.hourly, instances: UInt32(truncatingIfNeeded: resource.quantity))
            try append(
                slice: index, partStart, partEnd, step,
                accrual.micros(afterMilliseconds: partEnd - anchor)
                    - accrual.micros(afterMilliseconds: partStart - anchor))
            partStart = partEnd
        } while partStart < sliceEnd
    }

    /// A slice of a value-added item: a price change never splits a clock hour.
    fileprivate mutating func append(
        slice index: Int, of resource: MeteredResource, by unit: PriceUnit, _ sliceStart: Int64, _ sliceEnd: Int64,
        _ steps: [PriceTimelines.Step]
    ) throws(PricingError) {
        let instant = Timestamp(milliseconds: sliceStart)
        guard sliceEnd <= BillingCalendar.hour(of: instant).milliseconds + .millisecondsPerHour else {
            throw .severalHours(index, start: sliceStart, end: sliceEnd)
        }
        let step = try Self.step(at: sliceStart, of: resource, steps, slice: index)
        try append(
            slice: index, sliceStart, sliceEnd, step,
            unit.micros(step.hourly, quantity: resource.quantity, inHourOf: instant))
    }

    /// The prices in force at an instant. Most uses are of the newest, so the search goes backward.
    @inline(__always)
    private static func step(
        at instant: Int64, of resource: MeteredResource, _ steps: [PriceTimelines.Step], slice index: Int
    ) throws(PricingError) -> PriceTimelines.Step {
        var stepIndex = resource.steps.upperBound - 1
        while steps[stepIndex].effectiveFrom > instant {
            stepIndex -= 1
            guard stepIndex >= resource.steps.lowerBound else {
                throw .notYetSold(slice: index, at: Timestamp(milliseconds: instant))
            }
        }
        return steps[stepIndex]
    }

    @inline(__always)
    private mutating func append(
        slice index: Int, _ partStart: Int64, _ partEnd: Int64, _ step: PriceTimelines.Step, _ gross: Int64
    ) throws(PricingError) {
        guard slice.count < Self.limit else { throw .tooManyParts(limit: Self.limit) }
        slice.append(UInt32(truncatingIfNeeded: index))
        start.append(partStart)
        end.append(partEnd)
        price.append(priceIndex(AppliedPrice(version: step.version, hourly: step.hourly)))
        grossMicros.append(gross)
    }

    /// A batch knows a dozen prices at most, so a scan beats hashing.
    @inline(__always)
    private mutating func priceIndex(_ applied: AppliedPrice) -> UInt32 {
        for index in prices.indices where prices[index] == applied { return UInt32(truncatingIfNeeded: index) }
        prices.append(applied)
        return UInt32(truncatingIfNeeded: prices.count - 1)
    }
}
