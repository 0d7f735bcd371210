import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Ordering

@Suite("Adjustments") struct AdjustmentTests {
    private static let most = Money.largestInput.micros

    @Test(
        "An adjustment moves something, at most what a request may name, and says why (domain 9.4)",
        arguments: [
            (1, "x", 1), (-1, "x", 1), (most, "x", most), (-most, "x", most),
            (5, String(repeating: "é", count: 200), 5),
            (0, "x", nil), (most + 1, "x", nil), (-most - 1, "x", nil), (.max, "x", nil), (.min, "x", nil),
            (5, "", nil), (5, String(repeating: "é", count: 201), nil), (5, "a\nb", nil), (5, "a\u{0}", nil),
        ] as [(Int64, String, Int64?)])
    func size(_ micros: Int64, _ reason: String, _ expected: Int64?) throws {
        guard let expected else {
            let error = #expect(throws: OrderError.self) {
                try Adjustment.size(of: Money(micros: micros), reason: reason)
            }
            #expect(error?.reason == "adjustment.malformed" && error?.status == .invalidArgument)
            #expect(error?.field == (micros == 5 ? "reason" : "amount_micros"))
            return
        }
        #expect(try Adjustment.size(of: Money(micros: micros), reason: reason) == Money(micros: expected))
    }

    @Test("A charge is taken from the balance and is a line of now, of no resource and no billing method")
    func charge() async throws {
        let shop = try Shop()
        let account = try await shop.account("10")
        let later = opening.adding(hours: 1)
        let reply = try await shop.adjust(account, "2.5", "A phone was broken.", at: later)
        #expect(reply.effectiveAt == later && reply.settledMicros == 0 && !reply.recovered)
        #expect(reply.account?.balanceMicros == 7_500_000)
        #expect(try await shop.lastEntries(account) == ["BALANCE -2.500000", "REVENUE 2.500000"])
        let posted = try #require(try await shop.statement(account).last)
        #expect(posted.cause == .adjustment && posted.reference == reply.adjustmentID)
        #expect(reply.adjustmentID.hasPrefix("adj-"))
        let line = try #require(try await shop.lines(account, [.adjustment]).first)
        #expect(line.lineID == reply.lineID && line.reason == "A phone was broken.")
        #expect(line.grossMicros == 2_500_000 && line.payableMicros == 2_500_000 && line.paidMicros == 2_500_000)
        #expect(line.status == .paid && line.billingItem == "adjustment" && line.resourceID == "")
        #expect(line.usageStart == later.milliseconds && line.usageEnd == later.milliseconds)
        #expect(try await shop.paidBy(account, line: line.lineID) == ["balance 2.50"])
        #expect(try await shop.breaches() == [:])
    }

    @Test(
        "A credit pays what is outstanding, oldest first; what is left lands in the balance",
        arguments: [
            ("-0.20", "0.20", ["0.20", "0.00"], "0.00"), ("-0.4724", "0.4724", ["0.4724", "0.00"], "0.00"),
            ("-0.50", "0.50", ["0.4724", "0.0276"], "0.00"), ("-0.9448", "0.9448", ["0.4724", "0.4724"], "0.00"),
            ("-1.00", "0.9448", ["0.4724", "0.4724"], "0.0552"),
        ])
    func credit(_ amount: String, _ settled: String, _ paid: [String], _ balance: String) async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let cut = opening.adding(hours: 1)
        for group in ["ag-1", "ag-2"] { _ = try await shop.post(.hour(account, group, endingAt: cut)) }
        let reply = try await shop.adjust(account, amount, at: cut)
        func text(_ micros: Int64?) -> String { Money(micros: micros ?? 0).shortDescription }
        #expect(text(reply.settledMicros) == settled)
        #expect(text(reply.account?.balanceMicros) == balance)
        #expect(reply.account?.outstandingMicros == 944_800 - reply.settledMicros)
        #expect(reply.recovered == (reply.settledMicros == 944_800))
        #expect(reply.account?.overdue == !reply.recovered)
        let lines = try await shop.lines(account)
        #expect(lines.prefix(2).map { text($0.paidMicros) } == paid)
        #expect(lines.last?.itemKind == .adjustment)
        #expect(lines.last?.payableMicros == (try Money(amount).micros))
        #expect(lines.last?.paidMicros == lines.last?.payableMicros && lines.last?.outstandingMicros == 0)
        #expect(try await shop.breaches() == [:])
    }

    @Test(
        "A charge of more than the balance is refused, also on an overdue account and with a coupon in hand",
        arguments: [
            ("10", false, "10.000001", "account.insufficient_balance"), ("10", false, "10", ""),
            ("0", false, "0.000001", "account.insufficient_balance"),
            ("0", true, "0.000001", "account.insufficient_balance"),
        ])
    func tooLarge(_ balance: String, _ isOverdue: Bool, _ amount: String, _ expected: String) async throws {
        let shop = try Shop()
        let account = try await shop.account(balance)
        // A coupon does not pay a correction.
        try await shop.grant(account, "100") { $0.billingMethods = [.subscription] }
        if isOverdue { _ = try await shop.post(.hour(account, endingAt: opening.adding(hours: 1))) }
        let before = try await shop.show(account)
        do {
            _ = try await shop.adjust(account, amount, at: opening.adding(hours: 1))
            #expect(expected.isEmpty)
            #expect(try await shop.show(account).balanceMicros == 0)
        } catch let error as OrderError {
            #expect(error.reason == expected && error.status == .failedPrecondition)
            #expect(error.value == (try Money(amount).description))
            #expect(try await shop.show(account) == before)
            #expect(try await shop.lines(account, [.adjustment]).isEmpty)
        }
    }

    @Test("The same key adjusts once; another amount under it is refused, and so is an account that is not there")
    func once() async throws {
        let shop = try Shop()
        let account = try await shop.account("10")
        let key = "key-0123456789abcdef"
        let first = try await shop.adjust(account, "-1", key: key)
        let second = try await shop.adjust(account, "-1", at: opening.adding(hours: 1), key: key)
        #expect(!first.isReplay && second.isReplay && second.message == first.message)
        #expect(await reason { try await shop.adjust(account, "-2", key: key) } == "call.key_reused")
        #expect(await reason { try await shop.adjust("acct-0000000000000000", "-1") } == "account.not_found")
        #expect(await reason { try await shop.adjust(account, "0") } == "adjustment.malformed")
        #expect(
            await reason { try await shop.adjust(account, "-1", at: opening.adding(hours: -1)) }
                == "call.time_went_back")
        #expect(try await shop.show(account).balanceMicros == 11_000_000)
        #expect(try await shop.lines(account).count == 1)
    }

    @Test("Two corrections of one instant are two lines, and a month that is final stays as it was")
    func finalMonth() async throws {
        let shop = try Shop()
        let account = try await shop.account("10")
        _ = try await shop.post(.hour(account, endingAt: at("2026-03-31 23:00"), "1"))
        func months() async throws -> [String: Int64] {
            let rows = try await shop.wholeBill(account, OrderV1.ListBillRequest(period: .month))
            return Dictionary(uniqueKeysWithValues: rows.map { ($0.billingPeriod, $0.payableMicros) })
        }
        let now = at("2026-04-03 12:00")
        _ = try await shop.adjust(account, "-0.5", "Too much was charged in March.", at: now)
        _ = try await shop.adjust(account, "-0.25", "And again.", at: now)
        #expect(try await months() == ["2026-03": 1_000_000, "2026-04": -750_000])
        #expect(
            try await shop.lines(account, [.adjustment]).map(\.reason).sorted() == [
                "And again.", "Too much was charged in March.",
            ])
        #expect(try await shop.lines(account, [.adjustment]).map(\.billingPeriod) == ["2026-04-03", "2026-04-03"])
        // It is no use: the fraction of the next month does not count it.
        _ = try await shop.post(.hour(account, endingAt: at("2026-04-30 12:00"), "0.0199"))
        _ = try await shop.closeMonths(through: at("2026-05-01"))
        #expect(try await shop.lines(account).map(\.roundDownMicros).reduce(0, +) == 9900)
        #expect(try await shop.breaches() == [:])
    }
}
