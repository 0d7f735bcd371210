import BillingCore
import Testing

@testable import Pricing

@Suite("Accrual") struct AccrualPropertyTests {
    /// Seeds are arguments, so that a failure names its own.
    private static let seeds = Array(UInt64(1)...40)

    @Test("However a life is cut, its slices add up to the whole, and a whole unit is exact", arguments: seeds)
    func telescopes(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let hourly = UnitPrice(nanos: .random(in: 0...1_000_000_000_000, using: &random))
            let instances = UInt32.random(in: 1...100, using: &random)
            let anchor = Int64.random(in: 1_577_808_000_000...4_000_000_000_000, using: &random)
            let units = Int64.random(in: 1...3000, using: &random)
            let end = anchor + units * BillingUnit.fourHours.milliseconds
            let prices = try PriceList([
                try version(1, from: Timestamp(milliseconds: 1_577_808_000_000), hourlyNanos: hourly.nanos)
            ])
            let cuts = (0..<Int.random(in: 0...20, using: &random)).map { _ in
                Int64.random(in: anchor + 1..<end, using: &random)
            }
            let instants = ([anchor, end] + Set(cuts)).sorted()
            let rated = try prices.rate(
                SliceColumns(
                    resource: [UInt32](repeating: 0, count: instants.count - 1), start: Array(instants.dropLast()),
                    end: Array(instants.dropFirst())),
                of: [try prices.resource(specification: "one", region: "here", instances: instances, anchor: anchor)])
            let exact = Int128(units) * 4 * Int128(hourly.nanos) * Int128(instances) / 1000
            #expect(rated.grossMicros.reduce(0, +) == Int64(exact))
            #expect(rated.grossMicros.allSatisfy { $0 >= 0 })
        }
    }

    @Test("Slices across price changes cost what a rational calculation says", arguments: seeds)
    func agreesWithRationals(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let origin: Int64 = 1_577_808_000_000
        for _ in 0..<50 {
            var changes: [(from: Int64, nanos: Int64)] = []
            for number in 0..<Int64.random(in: 1...5, using: &random) {
                let from = origin + number * 40_000_000 + .random(in: 0..<40_000_000, using: &random)
                // Now and then a version leaves the price as it is; it splits slices all the same.
                let nanos = Bool.random(using: &random) ? changes.last?.nanos : nil
                changes.append((from, nanos ?? .random(in: 0...500_000_000, using: &random)))
            }
            let prices = try PriceList(
                changes.enumerated().map { index, change in
                    try version(
                        UInt32(index + 1), from: Timestamp(milliseconds: change.from), hourlyNanos: change.nanos)
                })
            let anchor = changes[0].from + .random(in: 0..<100_000_000, using: &random)
            let start = anchor + .random(in: 0..<50_000_000, using: &random)
            let end = start + .random(in: 1..<100_000_000, using: &random)
            let instances = UInt32.random(in: 1...100, using: &random)

            let rated = try prices.rate(
                SliceColumns(resource: [0], start: [start], end: [end]),
                of: [try prices.resource(specification: "one", region: "here", instances: instances, anchor: anchor)])
            let expected = Rational.parts(changes, instances: Int128(instances), anchor: anchor, start, end)
            #expect(rated.start == expected.map(\.start))
            #expect(rated.end == expected.map(\.end))
            #expect(rated.grossMicros == expected.map(\.micros))
            #expect(rated.price.map { rated.prices[Int($0)].hourly.nanos } == expected.map(\.nanos))
            let versions = rated.start.map { instant in UInt32(changes.count { $0.from <= instant }) }
            #expect(rated.price.map { rated.prices[Int($0)].version } == versions)
        }
    }

    @Test("Versions that leave the price as it is split slices and take nothing of a whole unit", arguments: seeds)
    func telescopesOverVersions(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let origin: Int64 = 1_577_808_000_000
        for _ in 0..<20 {
            let nanos = Int64.random(in: 0...500_000_000, using: &random)
            let instances = UInt32.random(in: 1...100, using: &random)
            let anchor = origin + .random(in: 1..<40_000_000, using: &random)
            let units = Int64.random(in: 1...50, using: &random)
            let end = anchor + units * BillingUnit.fourHours.milliseconds
            let starts = (1...3).map { _ in Int64.random(in: anchor..<end, using: &random) }.sorted()
            let prices = try PriceList(
                ([origin] + starts).enumerated().map { index, from in
                    try version(UInt32(index + 1), from: Timestamp(milliseconds: from), hourlyNanos: nanos)
                })
            let rated = try prices.rate(
                SliceColumns(resource: [0], start: [anchor], end: [end]),
                of: [try prices.resource(specification: "one", region: "here", instances: instances, anchor: anchor)])
            #expect(rated.start == [anchor] + Set(starts).subtracting([anchor]).sorted())
            let exact = Int128(units) * 4 * Int128(nanos) * Int128(instances) / 1000
            #expect(rated.grossMicros.reduce(0, +) == Int64(exact))
        }
    }

    @Test("However a life is cut, its slices add up to the same between any two price changes", arguments: seeds)
    func telescopesAcrossChanges(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let origin: Int64 = 1_577_808_000_000
        for _ in 0..<5 {
            let changes = (0..<Int64.random(in: 2...6, using: &random)).map { number in
                origin + number * 40_000_000 + .random(in: 0..<40_000_000, using: &random)
            }
            let prices = try PriceList(
                changes.enumerated().map { index, from in
                    try version(
                        UInt32(index + 1), from: Timestamp(milliseconds: from),
                        hourlyNanos: .random(in: 0...500_000_000, using: &random))
                })
            let anchor = changes[0] + .random(in: 0..<40_000_000, using: &random)
            let end = anchor + .random(in: 100_000_000..<300_000_000, using: &random)
            let resource = try prices.resource(
                specification: "one", region: "here", instances: .random(in: 1...100, using: &random), anchor: anchor)
            let cuts = Set((0..<20).map { _ in Int64.random(in: anchor + 1..<end, using: &random) })
            let instants = ([anchor, end] + cuts).sorted()
            let whole = try prices.rate(SliceColumns(resource: [0], start: [anchor], end: [end]), of: [resource])
            let rated = try prices.rate(
                SliceColumns(
                    resource: [UInt32](repeating: 0, count: instants.count - 1), start: Array(instants.dropLast()),
                    end: Array(instants.dropFirst())), of: [resource])
            var sums: [UInt32: Int64] = [:]
            for (price, micros) in zip(rated.price, rated.grossMicros) {
                sums[rated.prices[Int(price)].version, default: 0] += micros
            }
            for (price, micros) in zip(whole.price, whole.grossMicros) {
                #expect(sums[whole.prices[Int(price)].version] == micros)
            }
            #expect(rated.end.dropLast().elementsEqual(rated.start.dropFirst()))
        }
    }

    @Test("The 128-bit path and the 64-bit path agree where they meet")
    func overflow() {
        let accrual = Accrual(hourly: UnitPrice(nanos: 1_000_000_000_000), instances: 100)
        for milliseconds in [Int64.max / 100_000_000_000_000 - 1, Int64.max / 100_000_000_000_000 + 1] {
            #expect(accrual.micros(afterMilliseconds: milliseconds) == milliseconds * 1_000_000 / 36)
        }
        #expect(accrual.micros(afterMilliseconds: Timestamp.latest.milliseconds) == 7_038_952_799_999_972_222)
    }
}

/// The rule of domain 2.5 once more, in fractions and without a thought for speed.
private struct Rational {
    let numerator: Int128
    let denominator: Int128

    init(_ numerator: Int128, _ denominator: Int128) {
        var (a, b) = (numerator, denominator)
        while b != 0 { (a, b) = (b, a % b) }
        self.numerator = a == 0 ? 0 : numerator / a
        self.denominator = a == 0 ? 1 : denominator / a
    }

    static func * (left: Rational, right: Rational) -> Rational {
        Rational(left.numerator * right.numerator, left.denominator * right.denominator)
    }

    var floor: Int64 { Int64(numerator / denominator) }

    static func parts(
        _ changes: [(from: Int64, nanos: Int64)], instances: Int128, anchor: Int64, _ start: Int64, _ end: Int64
    ) -> [(start: Int64, end: Int64, nanos: Int64, micros: Int64)] {
        let instants = ([start, end] + changes.map(\.from).filter { start < $0 && $0 < end }).sorted()
        return zip(instants, instants.dropFirst()).map { from, to in
            let held = changes.filter { $0.from <= from }.sorted { $0.from < $1.from }
            let price = held.last ?? changes[0]
            // Since when the price is what it is: a version that leaves it as it was changes nothing.
            let since = held.reversed().prefix { $0.nanos == price.nanos }.last ?? price
            let base = max(anchor, since.from)
            func accrued(_ instant: Int64) -> Int64 {
                let microsAnHour = Rational(Int128(price.nanos), 1_000_000_000) * Rational(1_000_000, 1)
                return (microsAnHour * Rational(instances, 1) * Rational(Int128(instant - base), 3_600_000)).floor
            }
            return (from, to, price.nanos, accrued(to) - accrued(from))
        }
    }
}
