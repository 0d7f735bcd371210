import BillingCore
import Foundation

@testable import Pricing

/// The repository's own files, found from this one.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }
}

/// The price list as shipped.
func shippedPrices() throws -> PriceList {
    try PriceList(PriceCatalog.versions(in: Repository.text("deploy/catalog.yaml")))
}

struct UnreadableInstant: Error {
    let text: String
}

/// An instant of the billing time zone, "2026-04-10 15:20".
func at(_ text: String) throws -> Timestamp {
    guard let instant = Timestamp(text) else { throw UnreadableInstant(text: text) }
    return instant
}

/// A version that sells "one" in region "here" at this price, and has these factors for 1, 2, 3, 6 and 12 months.
func version(
    _ number: UInt32, from: Timestamp, hourlyNanos: Int64, monthly: String = "10",
    factors: [UInt32] = [1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000], items: [ValueAddedItem] = [],
    unconditionalRefundDays: UInt32 = 0
) throws -> PriceListVersion {
    let price = InstancePrice(monthly: try UnitPrice(monthly), hourly: UnitPrice(nanos: hourlyNanos))
    return PriceListVersion(
        version: number, effectiveFrom: from, billingUnits: [BillingUnitRule(unit: .fourHours, createdBefore: nil)],
        termDiscounts: zip(TermDiscount.durations, factors).map { TermDiscount(months: $0, factorMillionths: $1) },
        regions: [Region(id: "here", name: "Here", regionClass: .mainland)],
        specifications: [
            Specification(
                name: "one", edition: "One", vcpus: 1, memoryGiB: 1, diskGiB: 1, mainland: price, international: price)
        ], valueAddedItems: items, unconditionalRefundDays: unconditionalRefundDays)
}

/// SplitMix64: the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}
