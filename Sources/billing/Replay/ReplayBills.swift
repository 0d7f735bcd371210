import BillingAPI
import BillingCore
import RPC

/// Asks what the groups of a replay were billed.
enum ReplayBills {
    /// Sums the bills of the replay's accounts over its own groups alone.
    static func fetch(
        _ session: Session, _ outcome: ReplayOutcome, _ plan: ReplayPlan, _ catalog: ReplayCatalog
    ) async throws -> ReplayTotals {
        let rows = outcome.groupIDs.enumerated().reduce(into: [String: Int]()) { rows, entry in
            rows[entry.element] = entry.offset
        }
        let progress = Progress(session.terminal)
        defer { progress.end() }
        var totals = ReplayTotals()
        for (index, account) in outcome.accountIDs.enumerated() {
            progress.update { "bills of \(index) of \(Readable.count(outcome.accountIDs.count, "account"))" }
            let lines = try await session.all(limit: nil) { cursor, limit in
                let reply = try await session.bills.listBill(
                    .init(groupBy: .group, period: .month, cursor: cursor, limit: limit), session.reading(account))
                return (reply.lines, reply.nextCursor)
            }
            for line in lines {
                let group = line.groupID.isEmpty ? line.grouping : line.groupID
                guard let row = rows[group] else { continue }
                let bought = plan.rows[row]
                let kind = ReplayTotals.Kind(
                    specification: bought.specification,
                    regionClass: catalog.regions[bought.region] ?? Readable.nothing)
                totals.add(
                    row: row, kind, month: line.billingPeriod, lines: line.lines, gross: Money(micros: line.grossMicros)
                )
            }
        }
        return totals
    }
}
