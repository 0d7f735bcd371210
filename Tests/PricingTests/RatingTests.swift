import BillingCore
import Testing

@testable import Pricing

@Suite("Rating a batch") struct RatingTests {
    private static let hour: Int64 = .millisecondsPerHour
    private static let origin: Int64 = 1_577_808_000_000

    private func rate(_ slices: SliceColumns) throws -> RatedColumns {
        let prices = try PriceList([
            version(1, from: Timestamp(milliseconds: Self.origin), hourlyNanos: 1_000_000_000),
            version(2, from: Timestamp(milliseconds: Self.origin + 10 * Self.hour), hourlyNanos: 2_000_000_000),
        ])
        return try prices.rate(
            slices,
            of: [
                prices.resource(specification: "one", region: "here", instances: 1, anchor: Self.origin),
                prices.resource(specification: "one", region: "here", instances: 2, anchor: Self.origin + Self.hour),
            ])
    }

    @Test("Parts come in the order of the slices, with the price that held at their start")
    func order() throws {
        let (origin, hour) = (Self.origin, Self.hour)
        let rated = try rate(
            SliceColumns(
                resource: [1, 0, 1], start: [origin + 10 * hour, origin + 9 * hour, origin + hour],
                end: [origin + 11 * hour, origin + 12 * hour, origin + 2 * hour]))
        #expect(rated.slice == [0, 1, 1, 2])
        #expect(rated.start == [origin + 10 * hour, origin + 9 * hour, origin + 10 * hour, origin + hour])
        #expect(rated.end == [origin + 11 * hour, origin + 10 * hour, origin + 12 * hour, origin + 2 * hour])
        #expect(rated.price.map { rated.prices[Int($0)].version } == [2, 1, 2, 1])
        #expect(rated.prices.count == 2)
        #expect(rated.grossMicros == [4_000_000, 1_000_000, 4_000_000, 2_000_000])
    }

    @Test("A batch without slices has no parts")
    func empty() throws {
        #expect(try rate(SliceColumns(resource: [], start: [], end: [])).slice.isEmpty)
    }

    @Test(
        "A bad slice is refused by name",
        arguments: [
            (
                SliceColumns(resource: [0], start: [origin, origin], end: [origin + 1]),
                .columns(resource: 1, start: 2, end: 1)
            ),
            (
                SliceColumns(resource: [0, 2], start: [origin, origin], end: [origin + 1, origin + 1]),
                .resourceIndex(2, slice: 1, resources: 2)
            ),
            (
                SliceColumns(resource: [0], start: [origin + 1], end: [origin + 1]),
                .emptySlice(0, start: origin + 1, end: origin + 1)
            ),
            (
                SliceColumns(resource: [0], start: [origin + 2], end: [origin + 1]),
                .emptySlice(0, start: origin + 2, end: origin + 1)
            ),
            (
                SliceColumns(resource: [1], start: [origin + hour - 1], end: [origin + hour]),
                .sliceBeforeAnchor(0, start: origin + hour - 1, anchor: origin + hour)
            ),
            (SliceColumns(resource: [0], start: [origin], end: [Int64.max]), .instant(.max, field: "end[0]")),
        ] as [(SliceColumns, PricingError)])
    func refusals(slices: SliceColumns, error: PricingError) {
        #expect(throws: error) { try rate(slices) }
    }

    @Test("What was not sold yet has no price")
    func notYetSold() throws {
        let prices = try PriceList([version(1, from: Timestamp(milliseconds: Self.origin), hourlyNanos: 1)])
        let early = try prices.resource(specification: "one", region: "here", instances: 1, anchor: 0)
        #expect(throws: PricingError.notYetSold(slice: 0, at: Timestamp(milliseconds: 5))) {
            try prices.rate(SliceColumns(resource: [0], start: [5], end: [9]), of: [early])
        }
    }

    @Test("A batch that price changes make too long for a reply is refused whole")
    func tooMany() throws {
        let count = RatedColumns.limit / 2 + 1
        #expect(throws: PricingError.tooManyParts(limit: RatedColumns.limit)) {
            try rate(
                SliceColumns(
                    resource: .init(repeating: 0, count: count),
                    start: .init(repeating: Self.origin + 9 * Self.hour, count: count),
                    end: .init(repeating: Self.origin + 11 * Self.hour, count: count)))
        }
    }
}
