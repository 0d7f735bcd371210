import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Testing

@testable import Pricing

@Suite("Explanations") struct ExplanationTests {
    private let service: PricingService

    init() async throws {
        service = try await PricingService.start(
            database: TestDatabase.make(migrations: PricingService.migrations),
            catalog: Repository.text("deploy/catalog.yaml"))
    }

    private func explain(_ request: PricingV1.ExplainRequest) throws -> Response<PricingV1.ExplainReply> {
        try service.explain(
            request,
            CallContext(
                method: PricingV1.Prices.explain.descriptor, caller: .local, account: "", key: nil,
                effectiveAt: at("2026-04-10 15:20"), epoch: 0, traceID: 0, deadline: .after(milliseconds: 1000)))
    }

    @Test("A slice of a group is shown as A(end) - A(start)")
    func group() throws {
        // The last slice of example 2.
        let reply = try explain(
            .init(
                slice: .init(
                    resource: .init(
                        specification: "acp.basic.small", region: "cn-hangzhou", instances: 1,
                        anchor: at("2026-04-10 08:45:30").milliseconds), billingUnit: .fourHours,
                    start: at("2026-04-10 12:00").milliseconds, end: at("2026-04-10 12:45:30").milliseconds,
                    priceListVersion: 1)))
        #expect(reply.amountMicros == 34_656)
        #expect(reply.listPriceNanos == 45_700_000)
        #expect(reply.steps[3] == "At the end of the slice, after 4 h 0 min 0 s: A = 0.182800.")
        #expect(reply.steps[4] == "At its start, after 3 h 14 min 30 s: A = 0.148144.")
        #expect(reply.steps[5] == "The slice of 0 h 45 min 30 s costs 0.182800 - 0.148144 = 0.034656 USD.")
    }

    /// A price that changes at 10:30 and stays at 11:30; of two versions that take effect at 12:30 the last counts, which
    /// leaves it once more.
    private func changing() throws -> PriceList {
        try PriceList([
            version(1, from: at("2020-01-01"), hourlyNanos: 1_000_000_000),
            version(2, from: at("2026-04-10 10:30"), hourlyNanos: 333_333_333),
            version(3, from: at("2026-04-10 11:30"), hourlyNanos: 333_333_333),
            version(4, from: at("2026-04-10 12:30"), hourlyNanos: 5),
            version(5, from: at("2026-04-10 12:30"), hourlyNanos: 333_333_333),
        ])
    }

    @Test(
        "Time is counted from the anchor or from the last change of the price, whichever is later, and the steps say so",
        arguments: [
            ("09:00", "10:00", "10:30", 1, "Time is counted from 2026-04-10 09:00:00, in units of 4 hours."),
            (
                "09:00", "11:00", "11:30", 2,
                "Time is counted from 2026-04-10 10:30:00, when price list 2 took effect, which changed the price."
            ),
            (
                "09:00", "11:45", "12:00", 3,
                "Time is counted from 2026-04-10 10:30:00, when price list 2 took effect, which changed the price. "
                    + "Price list 3 left the price as it was."
            ),
            (
                "10:50", "13:00", "14:00", 5,
                "Time is counted from 2026-04-10 10:50:00, in units of 4 hours. Price list 5 left the price as it was."
            ),
            ("11:45", "12:00", "12:30", 3, "Time is counted from 2026-04-10 11:45:00, in units of 4 hours."),
        ] as [(String, String, String, UInt32, String)])
    func groupAfterChange(anchor: String, start: String, end: String, version: UInt32, begin: String) throws {
        let prices = try changing()
        let anchor = try at("2026-04-10 \(anchor)")
        let slice = try Period(at("2026-04-10 \(start)"), at("2026-04-10 \(end)"))
        let resource = try prices.resource(
            specification: "one", region: "here", instances: 1, anchor: anchor.milliseconds)
        let rated = try prices.rate(
            SliceColumns(resource: [0], start: [slice.start.milliseconds], end: [slice.end.milliseconds]),
            of: [resource])
        #expect(rated.prices.map(\.version) == [version])
        let explained = try prices.explainGroup(
            specification: "one", region: "here", instances: 1, anchor: anchor, unit: .fourHours, slice: slice,
            version: version)
        #expect(explained.steps[1] == begin)
        #expect(rated.grossMicros == [explained.amount.micros])
    }

    @Test(
        "The price is that of the version, specification and region, whatever is stored",
        arguments: [
            ("acp.basic.small", "cn-hangzhou", 45_700_000), ("acp.basic.small", "cn-hongkong", 70_900_000),
            ("acp.perf.large", "cn-beijing", 152_400_000),
        ] as [(String, String, Int64)])
    func listPrice(specification: String, region: String, nanos: Int64) throws {
        let start = try at("2026-04-10 12:00").milliseconds
        let slice = PricingV1.RatedSlice(
            resource: .init(specification: specification, region: region, instances: 1, anchor: start),
            billingUnit: .fourHours, start: start, end: start + .millisecondsPerHour, priceListVersion: 1)
        let reply = try explain(.init(slice: slice))
        #expect(reply.listPriceNanos == nanos && reply.amountMicros == nanos / 1000)
        let price = UnitPrice(nanos: nanos)
        #expect(reply.steps[0] == "Price list 1: one phone costs \(price) USD an hour; the group has 1 phone.")
    }

    @Test("What the version does not sell is not explained")
    func notSold() throws {
        let start = try at("2026-04-10 12:00").milliseconds
        for (resource, reason) in [
            (PricingV1.RatedResource(specification: "acp.tiny", region: "cn-hangzhou"), "price.unknown_specification"),
            (.init(specification: "acp.basic.small", region: "moon-1"), "price.unknown_region"),
            (.init(region: "moon-1", item: "eip"), "price.unknown_region"),
            (.init(region: "cn-hangzhou", item: "pear"), "price.unknown_item"),
        ] {
            var resource = resource
            (resource.instances, resource.anchor, resource.quantity) = (1, start, 1)
            let slice = PricingV1.RatedSlice(resource: resource, start: start, end: start + 1, priceListVersion: 1)
            let error = #expect(throws: PricingError.self) { try explain(.init(slice: slice)) }
            #expect(error?.reason == reason)
        }
    }

    @Test("A slice that names a version before its time, one that never was in force, or none at all is refused")
    func wrongVersion() throws {
        let prices = try changing()
        let slice = try Period(at("2026-04-10 10:00"), at("2026-04-10 11:00"))
        for (version, error) in [
            (2, .notYetSold(slice: 0, at: slice.start)), (4, .notYetSold(slice: 0, at: try at("2026-04-10 12:30"))),
            (6, .unknownVersion(6, newest: 5)),
        ] as [(UInt32, PricingError)] {
            #expect(throws: error) {
                try prices.explainGroup(
                    specification: "one", region: "here", instances: 1, anchor: slice.start, unit: .fourHours,
                    slice: slice, version: version)
            }
        }
    }

    @Test("An order with a term discount is shown with both roundings")
    func discountedOrder() throws {
        let prices = try PriceList([
            version(
                1, from: at("2020-01-01"), hourlyNanos: 1, monthly: "9.9057",
                factors: [1_000_000, 1_000_000, 950_000, 900_000, 850_000])
        ])
        let explained = try prices.explainOrder(
            specification: "one", region: "here", instances: 1, months: 12, version: 1)
        // 118.8684 and 101.03814.
        #expect(explained.amount.shortDescription == "118.87")
        #expect(explained.discount.shortDescription == "17.83")
        #expect(
            explained.steps.last
                == "With the discount for 12 months: 118.8684 x 0.85, rounded half up to the cent = 101.04 USD, "
                + "17.83 USD less.")
        #expect(
            try prices.explainOrder(specification: "one", region: "here", instances: 1, months: 2, version: 1).steps
                .last == "There is no discount for 2 months.")
    }

    @Test("A clock hour of a value-added item is shown with the hours of its month")
    func item() throws {
        let reply = try explain(
            .init(
                slice: .init(
                    resource: .init(region: "cn-hangzhou", item: "oss", quantity: 1000), billingUnit: .clockHour,
                    start: at("2026-02-10 12:10").milliseconds, end: at("2026-02-10 13:00").milliseconds,
                    priceListVersion: 1)))
        #expect(reply.amountMicros == 25_744)
        #expect(reply.listPriceNanos == 17_300_000)
        #expect(reply.steps.last == "0.0173 x 1000 / 672, floored to 0.000001 USD = 0.025744 USD.")
    }

    @Test("An order is shown with its product and its one rounding")
    func order() throws {
        let reply = try explain(
            .init(
                order: .init(
                    specification: "acp.basic.small", region: "cn-hangzhou", instances: 10, months: 1,
                    priceListVersion: 1)))
        #expect(reply.amountMicros == 99_060_000)
        #expect(reply.discountMicros == 0)
        #expect(reply.listPriceNanos == 9_905_700_000)
        #expect(reply.steps[1] == "9.9057 x 10 phones x 1 month = 99.0570 USD.")
    }

    @Test("What was consumed is shown with its days, factor and rounding")
    func consumed() throws {
        // Example 9, at 15:20:01.
        let reply = try explain(
            .init(
                consumed: .init(
                    term: .init(
                        priceListVersion: 1, listNanos: 41_603_700_000, termStart: at("2026-04-10 15:20").milliseconds,
                        termEnd: at("2026-05-11 00:00").milliseconds),
                    at: at("2026-04-22 15:20:01").milliseconds)))
        #expect(reply.amountMicros == 17_450_000)
        #expect(reply.listPriceNanos == 0)
        #expect(
            reply.steps.last == "41.6037 / 31 x 13 x 1.00, rounded half up to the cent = 17.45 USD.")
    }

    @Test("A request that names nothing, or several things, is refused")
    func refusals() throws {
        #expect(throws: PricingError.nothingToExplain) { try explain(.init()) }
        #expect(throws: PricingError.nothingToExplain) { try explain(.init(consumed: .init(), order: .init())) }
        #expect(throws: PricingError.nothingToExplain) { try explain(.init(consumed: .init())) }
    }
}
