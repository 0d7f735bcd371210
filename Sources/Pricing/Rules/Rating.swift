import BillingCore

/// Something whose use is metered, with its prices found. Holds no object, so that copying it costs nothing.
struct MeteredResource: Sendable {
    /// Its steps in the price list's timelines.
    fileprivate let steps: Range<Int>
    fileprivate let instances: UInt32
    /// Where accrual starts, in milliseconds (domain 2.2).
    fileprivate let anchor: Int64
}

extension PriceList {
    /// - Throws: `PricingError` for a specification, region or count that is not sold, or an anchor outside our time.
    func resource(
        specification: String, region: String, instances: UInt32, anchor: Int64
    ) throws(PricingError) -> MeteredResource {
        try InstanceCount.check(instances)
        let anchor = try Timestamp(checked: anchor, field: "anchor").milliseconds
        return MeteredResource(
            steps: try timeline(specification: specification, region: region), instances: instances, anchor: anchor)
    }

    /// The amounts of slices by domain 2.5. A price change inside a slice splits it, and accrual starts anew there.
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
            try rated.append(slice: index, of: resource, start, end, steps)
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
            // Most uses are of the newest prices, so the search goes backward.
            var stepIndex = resource.steps.upperBound - 1
            while steps[stepIndex].effectiveFrom > partStart {
                stepIndex -= 1
                guard stepIndex >= resource.steps.lowerBound else {
                    throw .notYetSold(slice: index, at: Timestamp(milliseconds: partStart))
                }
            }
            guard slice.count < Self.limit else { throw .tooManyParts(limit: Self.limit) }
            let step = steps[stepIndex]
            let partEnd = min(sliceEnd, step.changesAt)
            let anchor = max(resource.anchor, step.unchangedSince)
            let accrual = Accrual(hourly: step.hourly, instances: resource.instances)
            slice.append(UInt32(truncatingIfNeeded: index))
            start.append(partStart)
            end.append(partEnd)
            price.append(priceIndex(AppliedPrice(version: step.version, hourly: step.hourly)))
            grossMicros.append(
                accrual.micros(afterMilliseconds: partEnd - anchor)
                    - accrual.micros(afterMilliseconds: partStart - anchor))
            partStart = partEnd
        } while partStart < sliceEnd
    }

    /// A batch knows a dozen prices at most, so a scan beats hashing.
    @inline(__always)
    private mutating func priceIndex(_ applied: AppliedPrice) -> UInt32 {
        for index in prices.indices where prices[index] == applied { return UInt32(truncatingIfNeeded: index) }
        prices.append(applied)
        return UInt32(truncatingIfNeeded: prices.count - 1)
    }
}
