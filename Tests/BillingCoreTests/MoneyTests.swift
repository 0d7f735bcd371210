import BillingCore
import Testing

@Suite("Money") struct MoneyTests {
    @Test(
        "Texts with at most 6 decimals are read exactly",
        arguments: [
            ("0", 0), ("12", 12_000_000), ("12.5", 12_500_000), ("0.000001", 1), ("-3.10", -3_100_000),
            ("1000000000", 1_000_000_000_000_000),
        ] as [(String, Int64)])
    func parsing(text: String, micros: Int64) throws {
        #expect(try Money(text).micros == micros)
    }

    @Test(
        "Any other text is refused and named",
        arguments: [
            ("", MoneyError.malformed("")), (".5", .malformed(".5")), ("5.", .malformed("5.")),
            ("1,000", .malformed("1,000")), ("1e3", .malformed("1e3")), ("--1", .malformed("--1")),
            ("0.0000001", .tooManyDecimals("0.0000001", allowed: 6)),
            ("1234567890123456789", .tooLarge("1234567890123456789")),
            ("1000000000.000001", .tooLarge("1000000000.000001")),
        ] as [(String, MoneyError)])
    func refusals(text: String, error: MoneyError) {
        #expect(throws: error) { try Money(text) }
    }

    @Test(
        "Rounding is named: floor, ceiling, and half away from zero",
        arguments: [
            (Rounding.floor, 99_057_000, 99_050_000), (.ceiling, 99_057_000, 99_060_000),
            (.halfUp, 99_057_000, 99_060_000), (.halfUp, 99_054_999, 99_050_000), (.halfUp, 99_055_000, 99_060_000),
            (.halfUp, -99_055_000, -99_060_000), (.floor, -1, -10_000), (.ceiling, -1, 0),
        ] as [(Rounding, Int64, Int64)])
    func cents(rounding: Rounding, micros: Int64, expected: Int64) {
        #expect(Money(micros: micros).roundedToCent(rounding).micros == expected)
    }

    @Test("Amounts print with 6 decimals for programs and at least 2 for people")
    func printing() {
        #expect("\(Money(micros: -12_500_000))" == "-12.500000")
        #expect(Money(micros: 11_044).shortDescription == "0.011044")
        #expect(Money(micros: 12_500_000).shortDescription == "12.50")
        #expect("\(UnitPrice(nanos: 45_700_000))" == "0.0457")
    }

    @Test("A sum that does not fit is an error, not a trap")
    func overflow() {
        #expect(throws: MoneyError.overflow) { try Money(micros: .max).adding(Money(micros: 1)) }
    }
}
