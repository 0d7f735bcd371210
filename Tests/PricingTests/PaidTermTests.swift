import BillingCore
import Testing

@testable import Pricing

@Suite("Consumed part of a paid term") struct PaidTermTests {
    private static let full = TermDiscount.durations.map { TermDiscount(months: $0, factorMillionths: 1_000_000) }
    private static let rising = zip(
        TermDiscount.durations, [1_000_000, 950_000, 900_000, 850_000, 800_000] as [UInt32]
    )
    .map { TermDiscount(months: $0, factorMillionths: $1) }

    @Test(
        "Days are blocks of 24 hours from the start, a part counts whole; at least 1, at most the term",
        arguments: [
            ("2026-04-10 15:19:59", 0, "0.00"), ("2026-04-10 15:20", 1, "0.32"), ("2026-04-11 15:20", 1, "0.32"),
            ("2026-04-11 15:20:00.001", 2, "0.64"), ("2026-04-21 15:20", 11, "3.51"), ("2026-05-10 15:20", 30, "9.59"),
            ("2026-05-11 00:00", 31, "9.91"), ("2027-01-01 00:00", 31, "9.91"),
        ] as [(String, Int64, String)])
    func days(instant: String, used: Int64, amount: String) throws {
        let term = try PaidTerm(
            listNanos: 9_905_700_000, start: at("2026-04-10 15:20"), end: at("2026-05-11 00:00"))
        let consumed = try term.consumed(at: at(instant), discounts: Self.full)
        #expect(consumed.termDays == 31)
        #expect(consumed.usedDays == used)
        #expect(consumed.consumed.shortDescription == amount)
    }

    @Test(
        "The discount is that of the longest duration that is over by domain 5.2, else none",
        arguments: [
            ("2026-01-31 12:00", 1_000_000), ("2026-02-28 23:59:59", 1_000_000), ("2026-03-01 00:00", 1_000_000),
            ("2026-03-31 23:59:59", 1_000_000), ("2026-04-01 00:00", 950_000), ("2026-05-01 00:00", 900_000),
            ("2026-07-31 23:59:59", 900_000), ("2026-08-01 00:00", 850_000), ("2027-01-31 23:59:59", 850_000),
            ("2027-02-01 00:00", 800_000),
        ] as [(String, UInt32)])
    func discount(instant: String, factor: UInt32) throws {
        let term = try PaidTerm(
            listNanos: 120_000_000_000, start: at("2026-01-31 10:00"), end: at("2027-02-01 00:00"))
        #expect(try term.consumed(at: at(instant), discounts: Self.rising).factorMillionths == factor)
    }

    @Test("It is rounded half up to the cent in one division")
    func rounding() throws {
        let start = try at("2026-01-01 00:00")
        let term = try PaidTerm(
            listNanos: 10_000_000, start: start, end: start.adding(milliseconds: 2 * .millisecondsPerDay))
        #expect(term.consumed(at: start, discounts: Self.full).consumed.shortDescription == "0.01")
        let less = try PaidTerm(
            listNanos: 9_999_999, start: start, end: start.adding(milliseconds: 2 * .millisecondsPerDay))
        #expect(less.consumed(at: start, discounts: Self.full).consumed.shortDescription == "0.00")
    }

    @Test("A term without length and a negative price are refused")
    func refusals() throws {
        let start = try at("2026-01-01 00:00")
        #expect(throws: PricingError.emptyTerm(start: start, end: start)) {
            try PaidTerm(listNanos: 1, start: start, end: start)
        }
        #expect(throws: PricingError.negativeListPrice(-1)) {
            try PaidTerm(listNanos: -1, start: start, end: start.adding(milliseconds: 1))
        }
    }
}
