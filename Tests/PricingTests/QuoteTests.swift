import BillingCore
import Testing

@testable import Pricing

@Suite("Quotes") struct QuoteTests {
    private func quote(
        _ specification: String, _ region: String, _ instances: UInt32, months: UInt32,
        at instant: String = "2026-04-10"
    ) throws -> Quote {
        try shippedPrices().inForce(at: at(instant)).quote(
            specification: specification, region: region, instances: instances, months: months, at: at(instant))
    }

    @Test(
        "The unit is pinned by the instant of creation",
        arguments: [
            ("2020-01-01 00:00", BillingUnit.second), ("2025-05-05 23:59:59.999", .second),
            ("2025-05-06 00:00", .fourHours), ("2026-04-10 12:00", .fourHours),
        ])
    func unit(instant: String, unit: BillingUnit) throws {
        #expect(try quote("acp.std.small", "cn-hangzhou", 1, months: 0, at: instant).billingUnit == unit)
    }

    @Test("Pay-as-you-go is told by the hour and by the unit, for all instances")
    func payAsYouGo() throws {
        let quote = try quote("acp.std.small", "cn-hongkong", 5, months: 0)
        #expect(quote.hour.description == "0.449000")
        #expect(quote.unit.description == "1.796000")
        #expect(quote.subscription == nil)
        #expect(quote.region.regionClass == .international)
    }

    @Test("A subscription is told with its term and with pay-as-you-go for the same time")
    func subscription() throws {
        let quote = try #require(
            try quote("acp.basic.small", "cn-hangzhou", 10, months: 1, at: "2020-11-20 15:20").subscription)
        #expect(quote.order.total.shortDescription == "99.06")
        #expect(quote.order.gross == quote.order.total)
        #expect(quote.order.discount == .zero)
        #expect(quote.term == Period(try at("2020-11-20 15:20"), try at("2020-12-21 00:00")))
        // 30 days, 8 hours and 40 minutes at 0.457 an hour: 333.000666...
        #expect(quote.payAsYouGo.description == "333.000666")
        #expect(quote.breakEvenHours == 217)
    }

    @Test("A discount is taken once from the whole list price")
    func discount() throws {
        let version = try version(
            1, from: at("2020-01-01"), hourlyNanos: 1_000_000, monthly: "9.9057",
            factors: [1_000_000, 950_000, 900_000, 850_000, 800_000])
        let quote = try version.quote(
            specification: "one", region: "here", instances: 10, months: 12, at: at("2026-01-31"))
        let order = try #require(quote.subscription).order
        #expect(order.listNanos == 1_188_684_000_000)
        #expect(order.gross.shortDescription == "1188.68")
        #expect(order.total.shortDescription == "950.95")
        #expect(order.discount.shortDescription == "237.73")
    }

    @Test("A free hour never breaks even")
    func free() throws {
        let version = try version(1, from: at("2020-01-01"), hourlyNanos: 0)
        let quote = try version.quote(
            specification: "one", region: "here", instances: 1, months: 1, at: at("2026-01-01"))
        #expect(try #require(quote.subscription).breakEvenHours == nil)
    }

    @Test(
        "What is not sold is refused with the value and what there is",
        arguments: [
            (
                "acp.huge", "cn-hangzhou", 1, 1, "price.unknown_specification", "specification", "acp.huge",
                "acp.std.large"
            ),
            ("acp.std.small", "cn-mars", 1, 1, "price.unknown_region", "region", "cn-mars", "cn-shenzhen"),
            ("acp.std.small", "cn-hangzhou", 0, 1, "group.instance_count", "instances", "0", "1 to 100"),
            ("acp.std.small", "cn-hangzhou", 101, 1, "group.instance_count", "instances", "101", "1 to 100"),
            ("acp.std.small", "cn-hangzhou", 1, 4, "price.unknown_duration", "months", "4", "1, 2, 3, 6, 12"),
        ] as [(String, String, UInt32, UInt32, String, String, String, String)])
    func refusals(
        specification: String, region: String, instances: UInt32, months: UInt32, reason: String, field: String,
        value: String, listed: String
    ) throws {
        let error = #expect(throws: PricingError.self) {
            try quote(specification, region, instances, months: months)
        }
        #expect(error?.reason == reason)
        #expect(error?.status == .invalidArgument)
        #expect(error?.field == field)
        #expect(error?.value == value)
        #expect(error?.message.contains(value) == true)
        #expect(error?.message.contains(listed) == true)
    }

    @Test("One and a hundred instances are sold")
    func counts() throws {
        #expect(try quote("acp.std.small", "cn-hangzhou", 1, months: 1).instances == 1)
        #expect(try quote("acp.std.small", "cn-hangzhou", 100, months: 1).instances == 100)
    }

    @Test("Before the first version nothing is sold")
    func tooEarly() throws {
        let first = try at("2020-01-01")
        #expect(throws: PricingError.noneInForce(try at("2019-12-31 23:59:59.999"), first: first)) {
            try quote("acp.std.small", "cn-hangzhou", 1, months: 1, at: "2019-12-31 23:59:59.999")
        }
    }
}
