import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Storage
import Testing

@testable import Ordering

@Suite("Audit of closed months") struct MonthAuditTests {
    private static let end = at("2026-04-01")

    /// An account with 0.4724 of use in March and 0.1111 in each of two days of April.
    private func overMonth(_ shop: Shop) async throws {
        let (account, end) = (try await shop.account("10", at: Self.end.adding(hours: -24)), Self.end)
        _ = try await shop.post(.hour(account, endingAt: end, "0.4724"))
        for hour in [1, 25] as [Int64] {
            _ = try await shop.post(.hour(account, endingAt: end.adding(hours: hour), "0.1111"))
        }
        #expect(try await shop.breaches() == [:])
    }

    @Test(
        "A month that was never closed, or not with what it cost, is found",
        arguments: [
            ["UPDATE month_close SET fraction = 0"], ["UPDATE month_close SET fraction = fraction + 1"],
            ["UPDATE month_close SET sequence = 0"], ["UPDATE month_close SET month = month - 2678400000"],
            // Closed for nobody, and not to be closed any more.
            ["DELETE FROM month_close"],
            // The next one lost its instant.
            ["UPDATE account SET close_at = NULL"],
            // Still to be closed, after the next month was billed for a day.
            ["DELETE FROM month_close", "UPDATE account SET close_at = \(MonthAuditTests.end.milliseconds)"],
        ])
    func planted(_ statements: [String]) async throws {
        let shop = try Shop()
        try await overMonth(shop)
        try await shop.plant(statements)
        let found = try await shop.breaches()
        #expect(found["B5"] ?? 0 > 0 && found.count == 1, "\(found)")
    }

    @Test("A month of whole cents is closed with nothing, and one of others is not")
    func wholeCents() async throws {
        let shop = try Shop()
        let account = try await shop.account("10", at: Self.end.adding(hours: -24))
        _ = try await shop.post(.hour(account, endingAt: Self.end, "0.47"))
        #expect(try await shop.lines(account).map(\.roundDownMicros) == [0])
        #expect(try await shop.breaches() == [:])
        // Use that a lock held back costs what it costs.
        var held = Usage(cutAt: Self.end)
        try held.add(account, "ag-2", from: Self.end.adding(hours: -1), to: Self.end, "0.0099")
        _ = try await shop.post(held)
        #expect(try await shop.breaches() == [:])
        try await shop.plant(["UPDATE month_close SET sequence = sequence + 1"])
        #expect(try await shop.breaches() == ["B5": 1])
    }

    @Test("A month that goes on, or ended this hour, is not closed yet and sound")
    func goesOn() async throws {
        let shop = try Shop()
        let account = try await shop.account("10", at: Self.end.adding(hours: -24))
        _ = try await shop.post(.hour(account, endingAt: Self.end.adding(hours: -1), "0.4724"))
        #expect(try await shop.breaches() == [:])
        _ = try await shop.topUp(account, "1", at: Self.end.adding(hours: 1))
        #expect(try await shop.breaches() == [:])
        try await shop.plant(["UPDATE account SET close_at = close_at + 1"])
        #expect(try await shop.breaches() == ["B5": 1])
    }

    @Test("A close of before the last release learns what it knew")
    func migrated() async throws {
        let shop = try Shop()
        try await overMonth(shop)
        let account = try await shop.account("10", at: Self.end.adding(hours: -24))
        _ = try await shop.post(.hour(account, endingAt: Self.end, "0.47"))
        _ = try await shop.post(.hour(account, endingAt: Self.end.adding(hours: 1), "0.0099"))
        func sequences() async throws -> [Int64] {
            try await shop.database.read { transaction in
                try transaction.all("SELECT sequence FROM month_close ORDER BY account") { $0.integer(0) }
            }
        }
        let before = try await sequences()
        #expect(before == [2, 2])
        try await shop.database.write { transaction in
            try transaction.execute("ALTER TABLE month_close DROP COLUMN sequence")
            for statement in OrderingService.migrations[4].sql.split(separator: ";\n") {
                try transaction.execute(String(statement))
            }
        }
        #expect(try await sequences() == before)
        #expect(try await shop.breaches() == [:])
    }
}
