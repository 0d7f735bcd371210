import BillingCore
import Testing

@Suite("Billing calendar") struct CalendarTests {
    @Test(
        "A term ends at 00:00 of the day after the same day n months later, clamped to the month (domain 5.2)",
        arguments: [
            ("2020-11-20 15:20", 1, "2020-12-21 00:00"), ("2026-01-31", 1, "2026-03-01 00:00"),
            ("2028-01-31", 1, "2028-03-01 00:00"), ("2028-01-30", 1, "2028-03-01 00:00"),
            ("2026-04-10 15:20", 1, "2026-05-11"), ("2026-12-31 23:59:59.999", 2, "2027-03-01"),
            ("2024-02-29", 12, "2025-03-01"),
        ])
    func termEnds(start: String, months: Int, end: String) throws {
        let start = try #require(Timestamp(start))
        #expect(BillingCalendar.termEnd(start: start, months: months) == Timestamp(end))
    }

    @Test(
        "Renewals end by the nominal day of the first term, through short months, leap years and year ends (domain 5.3)",
        arguments: [
            ("2026-01-31 10:00", [1, 1, 1, 1], ["2026-03-01", "2026-04-01", "2026-05-01", "2026-06-01"]),
            ("2028-01-31 10:00", [1, 1], ["2028-03-01", "2028-04-01"]),
            ("2027-11-30 23:59:59.999", [3, 1], ["2028-03-01", "2028-03-31"]),
            ("2026-12-31", [2, 12], ["2027-03-01", "2028-03-01"]),
            ("2024-02-29 12:00", [12, 12, 12, 12], ["2025-03-01", "2026-03-01", "2027-03-01", "2028-03-01"]),
            ("2026-04-10 15:20", [1, 3], ["2026-05-11", "2026-08-11"]),
        ] as [(String, [Int], [String])])
    func renewals(_ start: String, months: [Int], ends: [String]) throws {
        let first = try #require(Timestamp(start))
        var chain = TermChain(start: first, months: months[0])
        #expect(chain.end == Timestamp(ends[0]))
        for (more, end) in zip(months, ends).dropFirst() {
            let paidThrough = chain.end
            let renewal = chain.renewal(
                months: more, paidAt: paidThrough.adding(milliseconds: -1), paidThrough: paidThrough)
            #expect(renewal.term.start == paidThrough)
            #expect(renewal.term.end == Timestamp(end))
            #expect(renewal.chain.end == renewal.term.end)
            chain = renewal.chain
        }
    }

    @Test("A renewal at the end of the terms or later starts at the payment, with a new nominal day")
    func renewalAfterExpiry() throws {
        let chain = TermChain(start: try #require(Timestamp("2026-01-31 10:00")), months: 1)
        for (paid, end) in [("2026-03-01 00:00", "2026-04-02"), ("2026-03-05 12:00", "2026-04-06")] {
            let at = try #require(Timestamp(paid))
            let renewal = chain.renewal(months: 1, paidAt: at, paidThrough: chain.end)
            #expect(renewal.term.start == at)
            #expect(renewal.term.end == Timestamp(end))
            #expect(renewal.chain == TermChain(start: at, months: 1))
        }
    }

    @Test("The nominal day is the day in UTC+8, not in UTC")
    func nominalDay() throws {
        let before = try #require(Timestamp("2026-01-30T15:59:59.999Z"))
        let after = try #require(Timestamp("2026-01-30T16:00:00Z"))
        #expect(TermChain(start: before, months: 2).end == Timestamp("2026-03-31"))
        #expect(TermChain(start: after, months: 2).end == Timestamp("2026-04-01"))
    }

    @Test("Days since the epoch and dates are inverse over a thousand years")
    func civilDates() {
        var date = CivilDate(daysSinceEpoch: -150_000)
        for days in Int64(-149_999)...220_000 {
            let next = CivilDate(daysSinceEpoch: days)
            #expect(next.daysSinceEpoch == days)
            #expect(date < next)
            date = next
        }
    }

    @Test("Days and months begin at midnight UTC+8")
    func boundaries() throws {
        let instant = try #require(Timestamp("2026-02-28T16:30:00Z"))
        #expect(BillingCalendar.day(of: instant).description == "2026-02-28T16:00:00Z")
        #expect(BillingCalendar.month(of: instant).description == "2026-02-28T16:00:00Z")
        #expect(BillingCalendar.hour(of: instant).description == "2026-02-28T16:00:00Z")
        #expect(BillingCalendar.hourAtOrAfter(instant).description == "2026-02-28T17:00:00Z")
        #expect(BillingCalendar.format(instant) == "2026-03-01 00:30:00")
    }

    @Test(
        "Instants are read in UTC, with an offset, or in the billing time zone",
        arguments: [
            ("2026-04-10T07:20:00Z", 1_775_805_600_000), ("2026-04-10T15:20:00.250+08:00", 1_775_805_600_250),
            ("2026-04-10 15:20", 1_775_805_600_000),
        ] as [(String, Int64)])
    func parsing(text: String, milliseconds: Int64) {
        #expect(Timestamp(text)?.milliseconds == milliseconds)
    }

    @Test(
        "Other texts are no instants",
        arguments: [
            "", "yesterday", "2026-02-30", "2026-04-10T24:00:00Z", "2026-04-10T07:60Z", "2026-04-10T07:20:00Q",
            "1969-12-31T23:59:59Z", "2026-04-10T07:20:00+08", "2026-4-1",
        ])
    func refusals(text: String) {
        #expect(Timestamp(text) == nil)
    }
}
