import BillingCore
import Testing

@testable import Pricing

@Suite("Value-added items") struct ValueAddedItemTests {
    /// Rates one slice of an item of the shipped price list.
    private func gross(
        _ item: String, in region: String = "cn-hangzhou", quantity: Int64 = 1, _ start: String, _ end: String,
        prices: PriceList? = nil
    ) throws -> Int64 {
        let prices = try prices ?? shippedPrices()
        let rated = try prices.rate(
            SliceColumns(resource: [0], start: [at(start).milliseconds], end: [at(end).milliseconds]),
            of: [prices.resource(item: item, region: region, quantity: quantity)])
        #expect(rated.slice == [0])
        #expect(rated.start == [try at(start).milliseconds])
        #expect(rated.end == [try at(end).milliseconds])
        return rated.grossMicros[0]
    }

    @Test("A NAT gateway costs 0.034 in the mainland and 0.043 elsewhere for every clock hour touched")
    func natGateway() throws {
        // 09:10 to 10:50 is 2 hours (domain 1).
        let hours = try [("09:10", "10:00"), ("10:00", "10:50")].map {
            try gross("nat-gateway", "2026-04-10 \($0.0)", "2026-04-10 \($0.1)")
        }
        #expect(hours == [34_000, 34_000])
        #expect(
            try gross("nat-gateway", in: "cn-hongkong", "2026-04-10 09:59:59.999", "2026-04-10 10:00") == 43_000)
    }

    @Test("Shared bandwidth costs by the Mbps, an address by the piece")
    func quantities() throws {
        #expect(try gross("shared-bandwidth", quantity: 20, "2026-04-10 09:10", "2026-04-10 09:20") == 240_000)
        #expect(try gross("eip", "2026-04-10 09:10", "2026-04-10 09:20") == 5_000)
    }

    @Test(
        "Streaming is in the price list and costs nothing, however much it is",
        arguments: ["cn-hangzhou", "cn-hongkong"])
    func streaming(region: String) throws {
        #expect(try gross("streaming", in: region, "2026-04-10 09:10", "2026-04-10 09:20") == 0)
        #expect(
            try gross("streaming", in: region, quantity: 1_000_000_000, "2026-04-10 09:10", "2026-04-10 10:00") == 0)
    }

    @Test(
        "A GiB-month is divided by the hours of that calendar month, floored to the micro-USD",
        arguments: [
            ("2026-02-28", 672), ("2024-02-29", 696), ("2026-04-30", 720), ("2026-12-31", 744), ("2100-02-28", 672),
        ])
    func storage(day: String, hours: Int64) throws {
        for hour in ["00:00", "23:00"] {
            #expect(
                try gross("oss", quantity: 1000, "\(day) \(hour)", "\(day) \(hour.dropLast(2))30")
                    == 17_300_000 / hours)
        }
        #expect(try gross("oss", quantity: 0, "\(day) 10:00", "\(day) 11:00") == 0)
    }

    @Test("The month of an hour changes at midnight UTC+8")
    func storageAtMidnight() throws {
        // Both lie in January in UTC.
        #expect(try gross("oss", quantity: 1000, "2026-01-31 23:00", "2026-01-31 23:30") == 17_300_000 / 744)
        #expect(try gross("oss", quantity: 1000, "2026-02-01 00:00", "2026-02-01 00:30") == 17_300_000 / 672)
    }

    @Test("A clock hour keeps the price of its first instant of use; a price change never splits it")
    func priceChange() throws {
        let item = { (nanos: Int64) in
            ValueAddedItem(
                id: "nat-gateway", name: "NAT", unit: .hour, mainland: UnitPrice(nanos: nanos),
                international: UnitPrice(nanos: nanos), isExample: false)
        }
        let prices = try PriceList([
            version(1, from: at("2020-01-01"), hourlyNanos: 1, items: [item(10_000_000)]),
            version(2, from: at("2026-04-10 09:30"), hourlyNanos: 1, items: [item(20_000_000)]),
        ])
        let rate = { (start: String, end: String) in
            try gross("nat-gateway", in: "here", "2026-04-10 \(start)", "2026-04-10 \(end)", prices: prices)
        }
        #expect(try rate("09:00", "10:00") == 10_000)
        #expect(try rate("09:29:59.999", "10:00") == 10_000)
        #expect(try rate("09:30", "10:00") == 20_000)
        #expect(try rate("10:00", "10:01") == 20_000)
    }

    @Test("What is not sold, and a slice of more than one clock hour, are refused")
    func refusals() throws {
        let prices = try shippedPrices()
        let valid = ["nat-gateway", "eip", "shared-bandwidth", "oss", "streaming"]
        #expect(throws: PricingError.unknownItem("vpn", valid: valid)) {
            try prices.resource(item: "vpn", region: "cn-hangzhou", quantity: 1)
        }
        #expect(throws: PricingError.self) { try prices.resource(item: "eip", region: "mars", quantity: 1) }
        for quantity in [-1, 1_000_000_001] as [Int64] {
            #expect(throws: PricingError.quantity(quantity)) {
                try prices.resource(item: "oss", region: "cn-hangzhou", quantity: quantity)
            }
        }
        let (start, end) = (try at("2026-04-10 09:30"), try at("2026-04-10 10:00:00.001"))
        #expect(throws: PricingError.severalHours(0, start: start.milliseconds, end: end.milliseconds)) {
            try gross("eip", "2026-04-10 09:30", "2026-04-10 10:00:00.001")
        }
        #expect(throws: PricingError.notYetSold(slice: 0, at: try at("2019-12-31 23:30"))) {
            try gross("eip", "2019-12-31 23:30", "2019-12-31 23:40")
        }
    }

    @Test("The largest quantity at the highest price fits an amount")
    func bounds() throws {
        let hour = PriceUnit.megabitHour.micros(
            InstancePrice.highestHourly, quantity: Quantity.valid.upperBound, inHourOf: try at("2026-04-10"))
        #expect(hour == 1_000_000_000_000_000_000)
    }
}
