import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Ordering

@Suite("Month close") struct MonthCloseTests {
    @Test(
        "What a month cost is rounded down to the cent, and nothing is given back of whole cents (domain 2.9)",
        arguments: [
            ("1.0968", "0.0068"), ("0.472400", "0.0024"), ("0.009999", "0.009999"), ("0.01", "0"), ("0", "0"),
            ("0.010001", "0.000001"), ("999999999.999999", "0.009999"),
        ])
    func fraction(_ net: String, _ expected: String) throws {
        #expect(MonthClose(month: at("2026-03-01"), net: try Money(net)).fraction == (try Money(expected)))
    }

    @Test(
        "The line falls on the last millisecond of the month in UTC+8 and is named for the month",
        arguments: [
            ("2026-03-01", "2026-03-31T15:59:59.999Z", "2026-03-31", "round-down-2026-03-01"),
            ("2024-02-01", "2024-02-29T15:59:59.999Z", "2024-02-29", "round-down-2024-02-01"),
            ("2026-02-01", "2026-02-28T15:59:59.999Z", "2026-02-28", "round-down-2026-02-01"),
            ("2025-12-01", "2025-12-31T15:59:59.999Z", "2025-12-31", "round-down-2025-12-01"),
        ])
    func place(_ month: String, _ lineAt: String, _ day: String, _ id: String) throws {
        let close = MonthClose(month: at(month), net: .zero)
        #expect(close.lineAt == at(lineAt))
        #expect(BillingCalendar.date(of: close.lineAt).description == day)
        let source = BillSource.roundDown(close)
        #expect(source.id == id && source.isRoundDown && source.resourceID.isEmpty)
        #expect(source.kind == .payAsYouGoBill && source.billingItem == "round-down discount")
    }

    /// An account that is open since before `end`, with the lines of two hours: the last one of a month, and the first
    /// one of the next.
    private func overMonth(_ shop: Shop, end: Timestamp, balance: String = "10") async throws -> String {
        let account = try await shop.account(balance, at: end.adding(hours: -24))
        var usage = Usage(cutAt: end)
        try usage.add(account, "ag-1", from: end.adding(hours: -1), to: end, "0.4724")
        _ = try await shop.post(usage)
        _ = try await shop.post(.hour(account, endingAt: end.adding(hours: 1), "0.1111"))
        return account
    }

    @Test(
        "A month ends at midnight in UTC+8: an hour before belongs to it, the hour from there to the next",
        arguments: [
            ("2026-04-01 00:00", "2026-03-31", "2026-04-01"), ("2026-03-31T16:00:00Z", "2026-03-31", "2026-04-01"),
            ("2024-03-01", "2024-02-29", "2024-03-01"), ("2026-03-01", "2026-02-28", "2026-03-01"),
            ("2026-01-01", "2025-12-31", "2026-01-01"),
        ])
    func edges(_ end: String, _ last: String, _ first: String) async throws {
        let (shop, end) = (try Shop(), at(end))
        let account = try await overMonth(shop, end: end)
        let lines = try await shop.wholeBill(
            account, OrderV1.ListBillRequest(period: .details), at: end.adding(hours: 1))
        #expect(lines.map(\.billingPeriod) == [last, last, first])
        #expect(lines.map(\.roundDownLine) == [false, true, false])
        let close = lines[1]
        #expect(close.usageStart == end.milliseconds - 1 && close.usageEnd == end.milliseconds - 1)
        #expect(close.roundDownMicros == 2400 && close.grossMicros == 0 && close.payableMicros == -2400)
        #expect(close.paidMicros == -2400 && close.outstandingMicros == 0 && close.status == .paid)
        // Posted at the first cut of the next month, which is the one at its first instant.
        #expect(close.postedAt == end.milliseconds)
        #expect(try await shop.show(account).balanceMicros == 10_000_000 - 470_000 - 111_100)
        #expect(try await shop.nextDue(after: end).monthCloseAt == BillingCalendar.monthEnd(of: end).milliseconds)
        #expect(try await shop.breaches() == [:])
    }

    @Test("The line is explained by what its month cost, and is final when its month is")
    func explained() async throws {
        let shop = try Shop()
        let end = at("2026-04-01")
        let account = try await overMonth(shop, end: end)
        let id = try await shop.lines(account)[1].lineID
        for (now, isFinal) in [("2026-04-03 11:59:59.999", false), ("2026-04-03 12:00", true)] {
            let details = try await shop.service.getLine(
                OrderV1.GetLineRequest(lineID: id),
                shop.call(OrderV1.Bills.getLine.descriptor, account, at: at(now)))
            #expect(details.monthNetMicros == 472_400)
            #expect(details.line?.final == isFinal)
        }
        let months = try await shop.wholeBill(account, OrderV1.ListBillRequest(period: .month))
        #expect(months.map(\.payableMicros) == [470_000, 111_100])
    }

    @Test("Coupons count before the rounding: it is the net that is rounded down")
    func netOfCoupons() async throws {
        let (shop, end) = (try Shop(), at("2026-04-01"))
        let account = try await shop.account("10", at: end.adding(hours: -24))
        let id = try await shop.grant(account, "0.2", at: end.adding(hours: -24))
        _ = try await shop.post(.hour(account, endingAt: end, "0.4799"))
        #expect(try await shop.lines(account).map(\.roundDownMicros) == [0, 9900])
        #expect(try await shop.show(account).balanceMicros == 10_000_000 - 270_000)
        #expect(try await shop.left(account) == [id: "0.00"])
        #expect(try await shop.breaches() == [:])
    }

    /// What coupons pay later of an hour that costs 0.0457, before and after the close of its month, and what comes back.
    struct LaterCoupons: Sendable {
        var before: [String] = []
        var after: [String] = []
        let net: Int64
        let fraction: Int64
    }

    @Test(
        "What a coupon pays of a line later is as little cash as what it pays at once, up to the close",
        arguments: [
            LaterCoupons(net: 45_700, fraction: 5700), LaterCoupons(before: ["1"], net: 0, fraction: 0),
            LaterCoupons(before: ["0.03"], net: 15_700, fraction: 5700),
            LaterCoupons(before: ["0.0357"], net: 10_000, fraction: 0),
            LaterCoupons(before: ["0.02", "0.02"], net: 5700, fraction: 5700),
            LaterCoupons(before: ["0.0356"], after: ["1"], net: 10_100, fraction: 100),
        ])
    func netOfLaterCoupons(_ row: LaterCoupons) async throws {
        let (shop, end) = (try Shop(), at("2026-04-01"))
        let account = try await shop.account(at: end.adding(hours: -24))
        _ = try await shop.post(.hour(account, endingAt: end.adding(hours: -3), "0.0457"))
        for coupon in row.before { try await shop.grant(account, coupon, at: end.adding(hours: -2)) }
        _ = try await shop.closeMonths(through: end)
        for coupon in row.after { try await shop.grant(account, coupon, at: end.adding(hours: 1)) }
        let lines = try await shop.lines(account)
        let close = lines.first { $0.roundDownLine }
        #expect((close?.roundDownMicros ?? 0) == row.fraction)
        if let close {
            let details = try await shop.service.getLine(
                OrderV1.GetLineRequest(lineID: close.lineID),
                shop.call(OrderV1.Bills.getLine.descriptor, account, at: nil))
            #expect(details.monthNetMicros == row.net)
        }
        #expect(try await shop.breaches() == [:])
    }

    @Test("An account without use in the next month is closed when that is due, once; whole cents have no line")
    func due() async throws {
        let (shop, end) = (try Shop(), at("2026-04-01"))
        var accounts: [String] = []
        for gross in ["0.4724", "0.47"] {
            let account = try await shop.account("10", at: end.adding(hours: -24))
            _ = try await shop.post(.hour(account, endingAt: end.adding(hours: -1), gross))
            accounts.append(account)
        }
        let untouched = try await shop.account("10", at: end.adding(hours: -24))
        #expect(try await shop.nextDue(after: end.adding(hours: -2)).monthCloseAt == end.milliseconds)
        #expect(try await shop.closeMonths(through: end.adding(milliseconds: -1)).accounts == 0)
        #expect(try await shop.closeMonths(through: end) == OrderV1.CloseMonthsReply(accounts: 2))
        #expect(try await shop.closeMonths(through: end) == OrderV1.CloseMonthsReply())
        #expect(try await shop.nextDue(after: end.adding(hours: -2)).monthCloseAt == 0)
        #expect(try await shop.lines(accounts[0]).map(\.roundDownLine) == [false, true])
        #expect(try await shop.lastEntries(accounts[0]) == ["BALANCE 0.002400", "REVENUE -0.002400"])
        #expect(try await shop.statement(accounts[0]).last?.cause == .roundDown)
        #expect(try await shop.statement(accounts[0]).last?.at == end.milliseconds)
        #expect(try await shop.lines(accounts[1]).map(\.roundDownLine) == [false])
        #expect(try await shop.lines(untouched).isEmpty)
        #expect(try await shop.breaches() == [:])
    }

    @Test("The month of an account that is not cut to its end is closed by that cut, over all that was used")
    func heldBack() async throws {
        let (shop, end) = (try Shop(), at("2026-04-01"))
        var accounts: [String] = []
        for _ in 0..<130 {
            let account = try await shop.account("10", at: end.adding(hours: -24))
            _ = try await shop.post(.hour(account, endingAt: end.adding(hours: -1), "0.4724"))
            accounts.append(account)
        }
        let held = Array(accounts.prefix(129))
        #expect(try await shop.closeMonths(through: end, uncut: held) == OrderV1.CloseMonthsReply(accounts: 1))
        // It stays due, hour after hour, until it is done.
        #expect(try await shop.nextDue(after: end.adding(hours: 5)).monthCloseAt == end.adding(hours: 6).milliseconds)
        _ = try await shop.post(.hour(held[0], endingAt: end, "0.0099"))
        #expect(try await shop.lines(held[0]).map(\.roundDownMicros) == [0, 0, 2300])
        #expect(try await shop.show(held[0]).balanceMicros == 10_000_000 - 480_000)
        // Of the others nothing was left to cut after all.
        #expect(try await shop.closeMonths(through: end.adding(hours: 6)) == OrderV1.CloseMonthsReply(accounts: 128))
        #expect(try await shop.lines(held[1]).map(\.roundDownMicros) == [0, 2400])
        #expect(try await shop.nextDue(after: end.adding(hours: 6)).monthCloseAt == 0)
        #expect(try await shop.breaches() == [:])
    }

    @Test("A slice that comes after the close of its month costs what it costs, and is rounded by nobody")
    func late() async throws {
        let (shop, end) = (try Shop(), at("2026-04-01"))
        let account = try await overMonth(shop, end: end)
        var held = Usage(cutAt: end.adding(hours: 2))
        try held.add(account, "ag-2", from: end.adding(hours: -1), to: end, "0.0099")
        try held.add(account, "ag-2", from: end.adding(hours: 1), to: end.adding(hours: 2), "0.0099")
        _ = try await shop.post(held)
        _ = try await shop.closeMonths(through: end.adding(hours: 3))
        let lines = try await shop.lines(account)
        #expect(lines.map(\.roundDownMicros).sorted() == [0, 0, 0, 0, 2400])
        // The line is explained by what it was made of, which the late slice is no part of.
        let roundDown = try #require(lines.first { $0.roundDownMicros == 2400 })
        let details = try await shop.service.getLine(
            OrderV1.GetLineRequest(lineID: roundDown.lineID),
            shop.call(OrderV1.Bills.getLine.descriptor, account, at: end.adding(hours: 3)))
        #expect(details.monthNetMicros == 472_400)
        #expect(try await shop.show(account).balanceMicros == 10_000_000 - 470_000 - 111_100 - 19_800)
        // The month that goes on is closed at its own end.
        #expect(try await shop.nextDue(after: end).monthCloseAt == at("2026-05-01").milliseconds)
        _ = try await shop.closeMonths(through: at("2026-05-01"))
        #expect(try await shop.lines(account).map(\.roundDownMicros).reduce(0, +) == 2400 + 1000)
        #expect(try await shop.breaches() == [:])
    }

    @Test("The fraction pays what is outstanding first, the oldest line, and the rest lands in the balance")
    func settles() async throws {
        let (shop, end) = (try Shop(), at("2026-04-01"))
        let account = try await shop.account("0.4700", at: end.adding(hours: -24))
        // 0.4710: 0.001 is outstanding in the cut that closes the month, so that the account is never found overdue.
        let reply = try await shop.post(.hour(account, endingAt: end, "0.4710"))
        #expect(reply == OrderV1.PostUsageReply(posted: 1))
        let shown = try await shop.show(account)
        #expect(!shown.overdue && shown.outstandingMicros == 0 && shown.balanceMicros == 0)
        #expect(try await shop.lastEntries(account) == ["RECEIVABLE 0.001000", "REVENUE -0.001000"])

        // 0.4759 of 0.4700 once more, but with 0.002 in hand: 0.0059 come back, 0.0039 of them pay.
        let second = try await shop.account("0.4720", at: end.adding(hours: -24))
        _ = try await shop.post(.hour(second, endingAt: end, "0.4759"))
        #expect(
            try await shop.lastEntries(second) == ["BALANCE 0.002000", "RECEIVABLE 0.003900", "REVENUE -0.005900"])
        #expect(try await shop.lines(second).map(\.paidMicros) == [475_900, -5900])
        #expect(try await shop.breaches() == [:])
    }
}
