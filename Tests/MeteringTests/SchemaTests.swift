import BillingCore
import BillingTestKit
import Storage
import Testing

@testable import Metering

@Suite("The schema of metering") struct SchemaTests {
    @Test("Groups of the first release go on as subscriptions with as many months as their terms have")
    func upgrade() async throws {
        let directory = try TemporaryDirectory()
        let old = try SQLiteDatabase.open(
            directory: directory.path, migrations: Array(MeteringService.migrations.prefix(1)),
            options: SQLiteOptions())
        let partition = Partition.of("acct-one")
        let terms = [
            ("2026-01-31 10:00", "2026-03-01", 2), ("2026-04-10 00:00", "2026-05-11", 2),
            ("2025-12-31 23:59:59.999", "2026-07-01", 2), ("2024-02-29", "2025-03-01", 4),
        ]
        try await old.write { transaction in
            try transaction.execute(
                "INSERT INTO account_progress VALUES (?, 'acct-one', 0, NULL, NULL, 0)", [.integer(partition)])
            for (index, (start, end, status)) in terms.enumerated() {
                let key: [SQLValue] = [.integer(partition), .text("acct-one"), .text("ag-\(index)")]
                try transaction.execute(
                    """
                    INSERT INTO instance_group VALUES (?, ?, ?, '', 'acp.std.small', 'cn-hangzhou', 'default', 1, x'',
                        \(status), 1, 0, 0, NULL, NULL, NULL, NULL, NULL, 'ord-one', ?, ?, NULL)
                    """, key + [.at(instant(start)), .at(instant(end))])
                try transaction.execute(
                    "INSERT INTO segment VALUES (?, ?, ?, 1, 1, ?, ?, NULL, 'ord-one')",
                    key + [.at(instant(start)), .at(instant(end))])
            }
        }
        old.close()
        let database = try SQLiteDatabase.open(
            directory: directory.path, migrations: MeteringService.migrations, options: SQLiteOptions())
        defer { database.close() }
        let timelines = try await database.read { try TimelineStore($0).timelines(of: id("acct-one")) }
        #expect(timelines.map(\.timeline.segments.count) == [1, 1, 1, 1])
        let months = timelines.map { kept in
            if case .subscription(let subscription) = kept.group.state.billing { subscription.chain.months } else { 0 }
        }
        #expect(months == [1, 1, 6, 12])
        #expect(timelines.allSatisfy { $0.timeline.faults(of: $0.group.state, createdAt: nil).isEmpty })
        #expect(timelines.last?.group.state.releaseAt == instant("2025-03-16"))
        let due = try await database.read { try CutStore($0).nextRelease(after: instant("2025-03-01")) }
        #expect(due == instant("2025-03-16"))
    }
}
