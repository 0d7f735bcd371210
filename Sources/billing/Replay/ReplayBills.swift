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
            var lines: [OrderV1.BillLine] = []
            for year in plan.years {
                lines += try await session.all(limit: nil) { cursor, limit in
                    let request = OrderV1.ListBillRequest(
                        start: year.start.milliseconds, end: year.end.milliseconds, groupBy: .group, period: .month,
                        cursor: cursor, limit: limit)
                    let reply = try await session.bills.listBill(request, session.reading(account))
                    return (reply.lines, reply.nextCursor)
                }
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

extension ReplayPlan {
    /// The calendar years that hold the use of its groups: a list of bills reaches over 18 months at most.
    fileprivate var years: [Period] {
        guard let first = instants.first else { preconditionFailure("a replay plan without instants") }
        func begin(_ year: Int) -> Timestamp {
            guard let day = CivilDate(year: year, month: 1, day: 1) else {
                preconditionFailure("year \(year) has no first day")
            }
            return BillingCalendar.midnight(day)
        }
        let years = BillingCalendar.date(of: first.at).year...BillingCalendar.date(of: end).year
        return years.map { Period(begin($0), begin($0 + 1)) }
    }
}
