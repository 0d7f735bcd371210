import BillingCore
import Testing

@testable import Pricing

/// Domain 11, word by word, where it touches prices. Which slices there are is metering's business; what they cost is ours.
@Suite("Worked examples of domain 11") struct WorkedExampleTests {
    private let prices: PriceList

    init() throws { prices = try shippedPrices() }

    private func amounts(
        _ instances: UInt32, _ specification: String, _ region: String, anchor: String, _ cuts: [String]
    ) throws -> [String] {
        let instants = try cuts.map { try at($0).milliseconds }
        let resource = try prices.resource(
            specification: specification, region: region, instances: instances, anchor: at(anchor).milliseconds)
        let slices = SliceColumns(
            resource: [UInt32](repeating: 0, count: cuts.count - 1), start: Array(instants.dropLast()),
            end: Array(instants.dropFirst()))
        return try prices.rate(slices, of: [resource]).grossMicros.map { Money(micros: $0).description }
    }

    private func total(
        _ instances: UInt32, _ specification: String, _ region: String, months: UInt32, at placed: String = "2026-04-10"
    ) throws -> String {
        let quote = try prices.inForce(at: at(placed)).quote(
            specification: specification, region: region, instances: instances, months: months, at: at(placed))
        return try #require(quote.subscription).order.total.shortDescription
    }

    private func consumed(
        _ instances: UInt32, _ specification: String, months: UInt32, paid: String, at instant: String
    ) throws -> (days: Int64, of: Int64, amount: String) {
        let version = try prices.inForce(at: at(paid))
        let subscription = try #require(
            try version.quote(
                specification: specification, region: "cn-hangzhou", instances: instances, months: months, at: at(paid)
            ).subscription)
        let used = try PaidTerm(
            listNanos: subscription.order.listNanos, start: subscription.term.start, end: subscription.term.end
        ).consumed(at: at(instant), discounts: version.termDiscounts)
        return (used.usedDays, used.termDays, used.consumed.shortDescription)
    }

    @Test(
        "1: one unit of 1 instance, ML",
        arguments: [
            ("acp.basic.small", "0.182800"), ("acp.std.small", "0.231600"), ("acp.std.medium", "0.244000"),
            ("acp.std.large", "0.323200"), ("acp.perf.large", "0.609600"),
        ])
    func oneUnit(specification: String, amount: String) throws {
        let anchor = "2026-04-10 08:45:30"
        #expect(
            try amounts(1, specification, "cn-hangzhou", anchor: anchor, [anchor, "2026-04-10 12:45:30"]) == [amount])
    }

    @Test("2: 1 x basic.small ML created 08:45:30, released 10:20:30, cut hour by hour to its unit's end")
    func slices() throws {
        let cuts = ["08:45:30", "09:00", "10:00", "11:00", "12:00", "12:45:30"].map { "2026-04-10 \($0)" }
        let rated = try amounts(1, "acp.basic.small", "cn-hangzhou", anchor: cuts[0], cuts)
        #expect(rated == ["0.011044", "0.045700", "0.045700", "0.045700", "0.034656"])
        #expect(try rated.map { try Money($0) }.reduce(.zero, +).description == "0.182800")
    }

    /// Example 2 with another version of the price list from an instant on.
    private func unit(withVersionFrom start: String, changing text: String, to changed: String) throws -> [String] {
        let shipped = prices.newest.document
        let document = shipped.replacing("version: 1", with: "version: 2")
            .replacing("'\(prices.newest.effectiveFrom)'", with: "'\(start)'").replacing(text, with: changed)
        #expect(document.contains(changed))
        let list = try PriceList([prices.newest, PriceCatalog.version(in: document)])
        let cuts = ["08:45:30", "09:00", "10:00", "11:00", "12:00", "12:45:30"].map { "2026-04-10 \($0)" }
        let instants = try cuts.map { try at($0).milliseconds }
        let rated = try list.rate(
            SliceColumns(
                resource: [0, 0, 0, 0, 0], start: Array(instants.dropLast()), end: Array(instants.dropFirst())),
            of: [
                list.resource(
                    specification: "acp.basic.small", region: "cn-hangzhou", instances: 1, anchor: instants[0])
            ])
        return zip(rated.grossMicros, rated.price).map { gross, price in
            "\(rated.prices[Int(price)].version): \(Money(micros: gross))"
        }
    }

    @Test("2.5: A goes on at a version that leaves the group's price as it is, and starts anew at one that changes it")
    func versions() throws {
        // The EIP alone, or this specification elsewhere: the unit costs 0.182800, though its lines name two versions.
        for (old, new) in [("ML: '0.0050'", "ML: '0.0060'"), ("INT: '0.0709'", "INT: '0.0800'")] {
            #expect(
                try unit(withVersionFrom: "2026-04-10 10:00", changing: old, to: new)
                    == ["1: 0.011044", "1: 0.045700", "2: 0.045700", "2: 0.045700", "2: 0.034656"])
            // At no full hour it splits a slice as well.
            #expect(
                try unit(withVersionFrom: "2026-04-10 10:20", changing: old, to: new)
                    == ["1: 0.011044", "1: 0.045700", "1: 0.015233", "2: 0.030467", "2: 0.045700", "2: 0.034656"])
        }
        // 45,600 an hour from 10:00 on: 45,600 + 45,600 + floor(34,580).
        #expect(
            try unit(withVersionFrom: "2026-04-10 10:00", changing: "ML: '0.0457'", to: "ML: '0.0456'")
                == ["1: 0.011044", "1: 0.045700", "2: 0.045600", "2: 0.045600", "2: 0.034580"])
    }

    @Test("3: 1 x std.medium ML, one unit and two")
    func unitBoundary() throws {
        let cuts = ["2026-04-10 09:00", "2026-04-10 13:00", "2026-04-10 17:00"]
        #expect(
            try amounts(1, "acp.std.medium", "cn-beijing", anchor: cuts[0], [cuts[0], cuts[1]]) == ["0.244000"])
        #expect(
            try amounts(1, "acp.std.medium", "cn-beijing", anchor: cuts[0], [cuts[0], cuts[2]]) == ["0.488000"])
    }

    @Test("4: 5 x std.small INT, 3 units")
    func threeUnits() throws {
        let cuts = ["2026-04-10 09:10", "2026-04-10 21:10"]
        #expect(try amounts(5, "acp.std.small", "cn-hongkong", anchor: cuts[0], cuts) == ["5.388000"])
    }

    @Test("5: an hour of 2 x perf.large INT")
    func overdueHours() throws {
        let cuts = ["2026-03-10 09:00", "2026-03-10 10:00", "2026-03-10 11:00", "2026-03-10 12:00"]
        #expect(
            try amounts(2, "acp.perf.large", "ap-southeast-1", anchor: cuts[0], cuts)
                == ["0.472400", "0.472400", "0.472400"])
    }

    @Test(
        "7 and 8: orders, rounded half up to the cent once",
        arguments: [
            (1, "acp.basic.small", "cn-hangzhou", 1, "9.91"), (1, "acp.std.small", "cn-hangzhou", 1, "13.87"),
            (1, "acp.std.medium", "cn-hangzhou", 1, "14.93"), (1, "acp.std.large", "cn-hangzhou", 1, "21.34"),
            (1, "acp.perf.large", "cn-hangzhou", 1, "36.42"), (10, "acp.basic.small", "cn-hangzhou", 1, "99.06"),
            (1, "acp.perf.large", "cn-hongkong", 12, "677.46"),
        ] as [(UInt32, String, String, UInt32, String)])
    func orders(instances: UInt32, specification: String, region: String, months: UInt32, expected: String) throws {
        #expect(try total(instances, specification, region, months: months) == expected)
    }

    @Test("9: 3 x std.small ML, 41.60 paid 04-10 15:20, unsubscribed 04-22 15:20:00 and one second later")
    func consumedByTheDay() throws {
        #expect(try total(3, "acp.std.small", "cn-hangzhou", months: 1) == "41.60")
        let paid = "2026-04-10 15:20"
        #expect(
            try consumed(3, "acp.std.small", months: 1, paid: paid, at: "2026-04-22 15:20:00") == (12, 31, "16.10"))
        #expect(
            try consumed(3, "acp.std.small", months: 1, paid: paid, at: "2026-04-22 15:20:01") == (13, 31, "17.45"))
    }

    @Test("10: 1 x std.large INT, 04-10 15:20 to 04-20 12:00")
    func consumedOfCouponOrder() throws {
        #expect(try total(1, "acp.std.large", "cn-hongkong", months: 1) == "33.07")
        let term = try PaidTerm(
            listNanos: 33_069_700_000, start: at("2026-04-10 15:20"), end: at("2026-05-11 00:00"))
        let used = try term.consumed(
            at: at("2026-04-20 12:00"), discounts: prices.inForce(at: at("2026-04-10")).termDiscounts)
        #expect(used.usedDays == 10)
        #expect(used.consumed.shortDescription == "10.67")
    }

    @Test("11, first part: 5 x basic.small ML, 49.53 paid 04-10 15:20, unsubscribed 05-01 00:00")
    func consumedBeforeRenewal() throws {
        #expect(try total(5, "acp.basic.small", "cn-hangzhou", months: 1) == "49.53")
        let used = try consumed(5, "acp.basic.small", months: 1, paid: "2026-04-10 15:20", at: "2026-05-01 00:00")
        #expect(used == (21, 31, "33.55"))
        #expect(try (Money("49.53") - Money(used.amount)).shortDescription == "15.98")
        #expect(try total(5, "acp.basic.small", "cn-hangzhou", months: 3, at: "2026-04-25") == "148.59")
    }

    @Test("12: 4 x std.large ML from 09:10:00, switched for 3 months at 14:30:00")
    func switching() throws {
        let cuts = ["09:10", "10:00", "11:00", "12:00", "13:00", "14:00", "14:30"].map { "2026-04-10 \($0)" }
        let rated = try amounts(4, "acp.std.large", "cn-shenzhen", anchor: cuts[0], cuts)
        #expect(try rated.map { try Money($0) }.reduce(.zero, +).description == "1.723733")
        #expect(try total(4, "acp.std.large", "cn-shenzhen", months: 3) == "256.02")
    }

    @Test("14: a group created 2025-05-05 23:59:59 is billed by the second; 30 minutes of 1 x basic.small ML")
    func legacySecond() throws {
        let created = try at("2025-05-05 23:59:59")
        #expect(try prices.inForce(at: created).billingUnit(ofGroupCreatedAt: created) == .second)
        #expect(
            try amounts(
                1, "acp.basic.small", "cn-hangzhou", anchor: "2025-05-05 23:59:59",
                ["2025-05-05 23:59:59", "2025-05-06 00:00", "2025-05-06 00:29:59"]
            ) == ["0.000012", "0.022838"])
        #expect(
            try amounts(
                1, "acp.basic.small", "cn-hangzhou", anchor: "2025-05-05 23:59:59",
                ["2025-05-05 23:59:59", "2025-05-06 00:29:59"]) == ["0.022850"])
    }
}
