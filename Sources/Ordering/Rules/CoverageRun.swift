import BillingCore

/// Contiguous lines of one group, merged: what the audit compares with the group's timeline.
struct CoverageRun: Hashable, Sendable {
    var period: Period
    var lines: Int64
}

extension [CoverageRun] {
    /// Takes the next line of a group, in order of start. A gap or an overlap starts a new run, so both show.
    mutating func append(_ line: Period) {
        if let last = indices.last, self[last].period.end == line.start {
            self[last].period = Period(self[last].period.start, line.end)
            self[last].lines += 1
        } else {
            append(CoverageRun(period: line, lines: 1))
        }
    }
}
