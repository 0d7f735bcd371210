import BillingAPI
import BillingCore
import BillingTestKit
import Storage
import Testing

@testable import Ordering

@Suite("The schema of ordering") struct MigrationTests {
    @Test("Coupons granted before coupons could start do so, and groups that were released are known to be gone")
    func startsAndGoneGroups() async throws {
        let database = try TestDatabase.make(migrations: Array(OrderingService.migrations.prefix(5)))
        let account = try AccountID("acct-1")
        let (coupons, hasGroups) = try await database.write { transaction in
            try transaction.execute(
                "INSERT INTO account VALUES (?, ?, 'old', 0, 0, 0, 10, 1, NULL, NULL, 0, NULL)", accountKey(account))
            for (id, remaining, minimum, effective, methods) in [
                ("later", 5, 0, 20, ""), ("metered", 5, 0, 21, "2"), ("both", 5, 0, 22, "1,2"), ("used", 0, 0, 20, ""),
                ("minimum", 5, 1, 20, ""), ("orders", 5, 0, 20, "1"), ("at-once", 5, 0, 10, ""),
            ] {
                try transaction.execute(
                    "INSERT INTO coupon VALUES (?, ?, ?, '', 5, ?, ?, ?, 99, '', ?, 10)",
                    accountKey(account) + [
                        .text("cpn-\(id)"), .integer(remaining), .integer(minimum), .integer(effective), .text(methods),
                    ])
            }
            for group in ["ag-1", "ag-2"] {
                try transaction.execute(
                    """
                    INSERT INTO bill_source
                        (partition, account, number, kind, source_id, group_id, specification, region, instances,
                        created_at, months, order_id, refund_id)
                    VALUES (?, ?, ?, 2, ?, ?, '', '', 1, 0, 0, '', '')
                    """, accountKey(account) + [.integer(group == "ag-1" ? 1 : 2), .text(group), .text(group)])
            }
            try transaction.execute(
                "INSERT INTO notice VALUES (?, ?, 1, 5, 5, 0, 'ag-1', NULL)", accountKey(account))
            for statement in OrderingService.migrations[5].sql.split(separator: ";\n") {
                try transaction.execute(String(statement))
            }
            let coupons = try transaction.startingCoupons(through: Timestamp(milliseconds: 99), limit: 10)
            var hasGroups = [try transaction.hasGroupsToRelease(account)]
            try transaction.noteReleased("ag-2", of: account)
            hasGroups.append(try transaction.hasGroupsToRelease(account))
            return (coupons.map(\.id.text), hasGroups)
        }
        #expect(coupons == ["cpn-later", "cpn-metered", "cpn-both"])
        #expect(hasGroups == [true, false])
    }
}
