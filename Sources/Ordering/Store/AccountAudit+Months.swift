import BillingCore
import Storage

extension AccountAudit {
    private struct Close {
        var fraction: Int64
        /// The last transaction before it.
        var sequence: Int64
    }

    private struct Month {
        var start: Timestamp
        var close: Close?
        /// Of what was posted by the close.
        var net: Int64 = 0
        var roundDown: Int64 = 0
        var roundDownLines = 0

        var end: Timestamp { BillingCalendar.monthEnd(of: start) }
    }

    /// B5: every closed month gave back the fraction of a cent of what its lines had cost by then, in one line; and each
    /// month with use is closed, or will be.
    mutating func checkMonths() throws {
        var closes: [Timestamp: Close] = [:]
        try transaction.forEachRow(
            "SELECT month, fraction, sequence FROM month_close WHERE partition = ? AND account = ?", key
        ) { row in
            closes[row.instant(0)] = Close(fraction: row.integer(1), sequence: row.integer(2))
            return true
        }
        var months: [Month] = []
        var lastUse = Timestamp.earliest
        var end = Timestamp.earliest
        try transaction.forEachRow(
            """
            SELECT l.start_at, l.gross - l.discount, l.round_down, l.sequence FROM bill_line l
            JOIN bill_source s ON s.partition = l.partition AND s.account = l.account AND s.number = l.source
            WHERE l.partition = ? AND l.account = ? AND s.kind = 2 ORDER BY l.start_at, l.source
            """, key
        ) { row in
            let start = row.instant(0)
            if months.isEmpty || start >= end {
                let month = BillingCalendar.month(of: start)
                months.append(Month(start: month, close: closes.removeValue(forKey: month)))
                end = BillingCalendar.monthEnd(of: start)
            }
            let index = months.count - 1
            if row.integer(2) != 0 {
                months[index].roundDown += row.integer(2)
                months[index].roundDownLines += 1
            } else {
                lastUse = start
            }
            // A slice that was posted after the close is no part of it.
            if row.integer(3) <= months[index].close?.sequence ?? .max { months[index].net += row.integer(1) }
            return true
        }
        // Nor is what a coupon paid after it.
        try transaction.forEachRow(
            """
            SELECT u.start_at, u.amount, u.sequence FROM coupon_use u
            JOIN bill_source s ON s.partition = u.partition AND s.account = u.account AND s.number = u.source
            WHERE u.partition = ? AND u.account = ? AND s.kind = 2
            """, key
        ) { row in
            let month = BillingCalendar.month(of: row.instant(0))
            for index in months.indices where months[index].start == month {
                if row.integer(2) <= months[index].close?.sequence ?? .max { months[index].net -= row.integer(1) }
            }
            return true
        }
        checked(.monthClose, Int64(months.count))
        for month in months { check(month, lastUse: lastUse) }
        for month in closes.keys.sorted() { breach(.monthClose, "the month of \(month) is closed and has no use") }
    }

    private mutating func check(_ month: Month, lastUse: Timestamp) {
        guard let close = month.close else {
            // The account notes the earliest month to close.
            if account.closeAt.map({ $0 > month.end }) ?? true {
                breach(.monthClose, "the month of \(month.start) has use, is not closed, and will not be")
            } else if lastUse >= month.end.adding(milliseconds: .millisecondsPerDay) {
                breach(.monthClose, "the month of \(month.start) is not closed, and the next is billed to \(lastUse)")
            }
            return
        }
        if month.net % Money.microsPerCent != close.fraction || month.roundDown != close.fraction
            || month.roundDownLines != (close.fraction > 0 ? 1 : 0)
        {
            breach(
                .monthClose,
                "the month of \(month.start) cost \(month.net), was closed with \(close.fraction), and "
                    + "\(month.roundDownLines) lines gave \(month.roundDown) back")
        }
    }
}
