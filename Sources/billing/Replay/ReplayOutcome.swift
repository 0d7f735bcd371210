import BillingAPI
import BillingCore

/// What a replay did.
struct ReplayOutcome: Sendable {
    /// The system's ids of the plan's accounts and rows.
    var accountIDs: [String]
    var groupIDs: [String]
    /// Bill lines that the moving clock cut, as it told.
    var linesCut: Int64 = 0
    var elapsed = Duration.zero

    func text(_ plan: ReplayPlan, _ totals: ReplayTotals) -> String {
        let failed = plan.rows.count { $0.createdAt == nil }
        return """
            \(Readable.count(plan.rows.count, "group")) in \(Readable.count(plan.accounts.count, "account")), \
            \(Readable.count(failed)) of which never came up; \(Readable.count(totals.groupsCharged)) groups charged
            gross \(totals.gross) USD in \(Readable.count(totals.lines, "bill line"))
            \(Readable.count(plan.instants.count, "instant")) in \(Readable.elapsed(elapsed)): \
            \(Readable.count(perSecond(plan.rows.count))) groups/s, \(Readable.count(perSecond(totals.lines))) lines/s

            """
    }

    /// The same for programs.
    func fields(_ plan: ReplayPlan, _ totals: ReplayTotals, breaches: Int64) -> JSONLine.Fields {
        [
            ("groups", .integer(Int64(plan.rows.count))), ("groups_charged", .integer(Int64(totals.groupsCharged))),
            ("accounts", .integer(Int64(plan.accounts.count))), ("instants", .integer(Int64(plan.instants.count))),
            ("lines", .integer(totals.lines)), ("gross_micros", .integer(totals.gross.micros)),
            ("elapsed_milliseconds", .integer(milliseconds)),
            ("groups_per_second", .integer(perSecond(plan.rows.count))),
            ("lines_per_second", .integer(perSecond(totals.lines))), ("audit_breaches", .integer(breaches)),
        ]
    }

    private var milliseconds: Int64 {
        elapsed.components.seconds * 1000 + elapsed.components.attoseconds / 1_000_000_000_000_000
    }

    private func perSecond(_ count: some BinaryInteger) -> Int64 { Int64(count) * 1000 / max(1, milliseconds) }
}
