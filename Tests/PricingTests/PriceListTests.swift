import BillingCore
import BillingTestKit
import Storage
import Testing

@testable import Pricing

@Suite("Publishing versions") struct PriceListTests {
    private let first: PriceListVersion
    private let second: PriceListVersion

    init() throws {
        first = try version(1, from: at("2020-01-01"), hourlyNanos: 1)
        second = try version(2, from: at("2026-01-01"), hourlyNanos: 2)
    }

    private func publish(_ catalog: [PriceListVersion], in database: TestDatabase) async throws -> PriceList {
        try await database.write { try PriceListStore(transaction: $0).publish(catalog) }
    }

    @Test("The version in force is the last that took effect")
    func inForce() throws {
        let prices = try PriceList([first, second])
        #expect(try prices.inForce(at: at("2025-12-31 23:59:59.999")).version == 1)
        #expect(try prices.inForce(at: at("2026-01-01 00:00")).version == 2)
        #expect(throws: PricingError.unknownVersion(3, newest: 2)) { try prices.version(3) }
    }

    @Test("The catalog is published once; new versions follow, and those that left the file stay")
    func publication() async throws {
        let database = try TestDatabase.make(migrations: PricingService.migrations)
        #expect(try await publish([first], in: database).versions == [first])
        #expect(try await publish([first], in: database).versions == [first])
        #expect(try await publish([first, second], in: database).versions == [first, second])
        #expect(try await publish([second], in: database).versions == [first, second])
    }

    @Test("Published versions are never edited")
    func edited() async throws {
        let database = try TestDatabase.make(migrations: PricingService.migrations)
        _ = try await publish([first], in: database)
        let edited = try version(1, from: at("2020-01-01"), hourlyNanos: 3)
        let error = await #expect(throws: PriceListError.self) {
            try await publish([edited, second], in: database)
        }
        #expect(error == .edited(1, next: 3))
        #expect("\(try #require(error))".hasPrefix("Published versions are never edited: version 1"))
        #expect("\(try #require(error))".contains("give it a new version, 3"))
        #expect(try await publish([first], in: database).versions == [first])
    }

    @Test("A version replaces one that takes effect at the same instant")
    func replacement() async throws {
        let third = try version(3, from: second.effectiveFrom, hourlyNanos: 3)
        let database = try TestDatabase.make(migrations: PricingService.migrations)
        let prices = try await publish([first, second, third], in: database)
        #expect(try prices.inForce(at: second.effectiveFrom).version == 3)
        #expect(try prices.inForce(at: at("2025-12-31 23:59:59.999")).version == 1)
        let start = try at("2025-12-31 23:00").milliseconds
        let rated = try prices.rate(
            SliceColumns(resource: [0], start: [start], end: [start + 2 * .millisecondsPerHour]),
            of: [prices.resource(specification: "one", region: "here", instances: 1, anchor: start)])
        #expect(rated.price.map { rated.prices[Int($0)].version } == [1, 3])
    }

    @Test("A version that cannot follow the one before is refused")
    func sequence() async throws {
        let early = try version(2, from: at("2019-12-31 23:59:59.999"), hourlyNanos: 2)
        #expect(
            throws: PriceListError.tooEarly(
                2, effectiveFrom: early.effectiveFrom, earlier: 1, earlierFrom: first.effectiveFrom)
        ) { try PriceList([first, early]) }
        #expect(throws: PriceListError.notAfter(1, earlier: 1)) { try PriceList([first, first]) }
        #expect(throws: PriceListError.empty) { try PriceList([]) }

        let other = PriceListVersion(
            version: 2, effectiveFrom: second.effectiveFrom, billingUnits: second.billingUnits,
            termDiscounts: second.termDiscounts, regions: second.regions, specifications: [],
            valueAddedItems: [], unconditionalRefundDays: 0)
        #expect(throws: PriceListError.dropped("one", version: 2)) { try PriceList([first, other]) }

        let database = try TestDatabase.make(migrations: PricingService.migrations)
        _ = try await publish([second], in: database)
        await #expect(throws: PriceListError.notAfter(1, earlier: 2)) {
            try await publish([first, second], in: database)
        }
    }
}
