import BillingCore
import Testing

@testable import Ordering

@Suite("Settlement") struct SettlementTests {
    @Test(
        "Lines are paid in order while there is money, the last one in part",
        arguments: [
            ("1.00", ["0.4724", "0.4724", "0.4724"], ["0.4724", "0.4724", "0.0552"], "0.4172", "0.0000"),
            ("0", ["0.4724"], ["0"], "0.4724", "0"),
            ("1.00", ["0.25", "0", "0.25"], ["0.25", "0", "0.25"], "0", "0.50"),
            ("1.00", [], [], "0", "1.00"),
            ("0.000001", ["0.000002", "0.000001"], ["0.000001", "0"], "0.000002", "0"),
        ])
    func settling(_ funds: String, _ lines: [String], _ paid: [String], _ outstanding: String, _ left: String) throws {
        var settlement = Settlement(funds: try Money(funds))
        let shares = try lines.map { try settlement.settle(Money($0)).paid }
        let expected = try paid.map { try Money($0) }
        #expect(shares == expected)
        #expect(settlement.outstanding == (try Money(outstanding)))
        #expect(settlement.funds == (try Money(left)))
        #expect(settlement.funds + settlement.paid == (try Money(funds)))
    }

    @Test("Debts that cannot be added up are refused")
    func overflow() throws {
        var settlement = Settlement(funds: .zero)
        try settlement.settle(Money(micros: .max))
        #expect(throws: MoneyError.overflow) { try settlement.settle(Money(micros: 1)) }
    }

    @Test(
        "payable = gross - discount = paid + outstanding on every line, and a refund is paid whole",
        arguments: [
            ("1", "0", "1", "0"), ("1", "0", "0", "1"), ("1", "0.25", "0.5", "0.25"), ("0", "0", "0", "0"),
            ("-1", "0", "-1", "0"), ("1", "0", "1.01", nil), ("1", "0", "-0.01", nil), ("1", "0.5", "0.6", nil),
            ("-1", "0", "0", nil), ("-1", "0", "-2", nil),
        ] as [(String, String, String, String?)])
    func identity(_ gross: String, _ discount: String, _ paid: String, _ outstanding: String?) throws {
        let (gross, discount, paid) = (try Money(gross), try Money(discount), try Money(paid))
        guard let outstanding else {
            let error = #expect(throws: LedgerError.self) {
                try BillAmounts.line(gross: gross, discount: discount, paid: paid)
            }
            #expect(error?.reason == "ledger.line_broken")
            return
        }
        let amounts = try BillAmounts.line(gross: gross, discount: discount, paid: paid)
        #expect(amounts.payable == gross - discount)
        #expect(amounts.paid == paid)
        #expect(amounts.outstanding == (try Money(outstanding)))
    }

    @Test("Contiguous lines merge; a gap and an overlap both show")
    func coverage() {
        func period(_ start: Int64, _ end: Int64) -> Period {
            Period(opening.adding(hours: start), opening.adding(hours: end))
        }
        var runs: [CoverageRun] = []
        for line in [period(0, 1), period(1, 2), period(3, 4), period(3, 5), period(5, 6)] { runs.append(line) }
        #expect(
            runs == [
                CoverageRun(period: period(0, 2), lines: 2), CoverageRun(period: period(3, 4), lines: 1),
                CoverageRun(period: period(3, 6), lines: 2),
            ])
    }
}

@Suite("Statistical periods") struct StatisticalPeriodTests {
    @Test(
        "A line belongs to the day and month of its start in the billing time zone",
        arguments: [
            ("2026-03-31T15:59:59.999Z", "2026-03-31", "2026-03"), ("2026-03-31T16:00:00Z", "2026-04-01", "2026-04"),
            ("2026-12-31T16:00:00Z", "2027-01-01", "2027-01"), ("2024-02-28T20:00:00Z", "2024-02-29", "2024-02"),
        ])
    func periods(_ instant: String, _ day: String, _ month: String) {
        let instant = at(instant)
        #expect(StatisticalPeriod.day.text(StatisticalPeriod.day.number(of: instant)) == day)
        #expect(StatisticalPeriod.month.text(StatisticalPeriod.month.number(of: instant)) == month)
        #expect(StatisticalPeriod.total.text(StatisticalPeriod.total.number(of: instant)) == "")
    }
}
