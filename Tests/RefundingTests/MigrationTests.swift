import BillingCore
import BillingTestKit
import Storage
import Testing

@testable import Refunding

@Suite("Refunds of the first release") struct RefundMigrationTests {
    @Test("They keep their amounts and learn the way each order was paid")
    func backfill() async throws {
        let database = try TestDatabase.make(migrations: Array(RefundingService.migrations.prefix(1)))
        let account = try AccountID("acct-1")
        let refunds: [Refund] = try await database.write { transaction in
            let partition = Partition.of(account.text)
            for (id, toBalance, online) in [("1", 25_500_000, 0), ("2", 0, 25_500_000)] {
                try transaction.execute(
                    "INSERT INTO refund VALUES (?, ?, ?, ?, 3, 1776842400000, ?, ?, 0)",
                    [
                        .integer(partition), .text(account.text), .text("ref-\(id)"), .text("ag-\(id)"),
                        .integer(toBalance), .integer(online),
                    ])
                try transaction.execute(
                    "INSERT INTO refund_order VALUES (?, ?, ?, ?, 0, 41600000, 16100000, 25500000, 12, 31)",
                    [.integer(partition), .text(account.text), .text("ref-\(id)"), .text("ord-\(id)")])
            }
            for migration in RefundingService.migrations.dropFirst() {
                for statement in migration.sql.split(separator: ";\n") { try transaction.execute(String(statement)) }
            }
            return try RefundStore(transaction: transaction, account: account).refunds(
                ofGroup: "", after: .start, limit: 10)
        }
        #expect(refunds.map { $0.orders[0].paid.balance.shortDescription } == ["41.60", "0.00"])
        #expect(refunds.map { $0.orders[0].paid.online.shortDescription } == ["0.00", "41.60"])
        var invariant = RefundInvariant()
        invariant.check(refunds)
        #expect(invariant.checked == 2)
        #expect(invariant.breaches.isEmpty)
    }
}
