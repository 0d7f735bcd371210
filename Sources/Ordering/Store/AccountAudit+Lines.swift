import BillingCore
import Storage

// What bill lines, coupons and closed months say of themselves and of the journal.

extension AccountAudit {
    /// B1 and B3: what a line owes follows from what it was posted with and what was allocated to it since.
    mutating func checkLines() throws {
        var allocated: [LineKey: Int64] = [:]
        try transaction.forEachRow(
            """
            SELECT start_at, source, SUM(amount) FROM allocation WHERE partition = ? AND account = ?
            GROUP BY start_at, source
            """, key
        ) { row in
            allocated[LineKey(start: row.instant(0), source: row.integer(1))] = row.integer(2)
            return true
        }
        var owed: [LineKey: Int64] = [:]
        try transaction.forEachOutstandingLine(of: account.id) { line in
            owed[LineKey(start: line.start, source: line.source)] = line.outstanding.micros
            return true
        }
        var outstanding: Int64 = 0
        try transaction.forEachRow(
            """
            SELECT start_at, source, gross, discount, round_down, coupon, paid FROM bill_line
            WHERE partition = ? AND account = ?
            """, key
        ) { row in
            let line = LineKey(start: row.instant(0), source: row.integer(1))
            let payable = row.integer(2) - row.integer(3) - row.integer(4) - row.integer(5)
            let left = payable - row.integer(6) - (allocated.removeValue(forKey: line) ?? 0)
            let noted = owed.removeValue(forKey: line) ?? 0
            rows += 1
            checked(.lineIdentity, 1)
            // A line owes between nothing and all of it; a refund's owes nothing.
            if left != noted || left < 0 || left > max(payable, 0) {
                breach(
                    .lineIdentity,
                    "line \(line.start)/\(line.source) of \(payable) has \(left) left to pay, \(noted) is noted")
            }
            outstanding += left
            return true
        }
        for line in allocated.keys { breach(.lineIdentity, "a payment of line \(line), which is not there") }
        for line in owed.keys { breach(.lineIdentity, "a debt of line \(line), which is not there") }
        checked(.outstandingLines, 1)
        if outstanding != account.outstanding.micros {
            breach(.outstandingLines, "lines owe \(outstanding), the account \(account.outstanding.micros)")
        }
        if (outstanding > 0) != account.isOverdue {
            breach(.outstandingLines, "lines owe \(outstanding), and the account is overdue: \(account.isOverdue)")
        }
    }

    /// B2: every transaction that earned, or was paid by the customer, is the sum of its lines; and every settlement the
    /// sum of its allocations.
    mutating func checkPostings() throws {
        struct Sums {
            /// Before coupons, which are ours to pay.
            var payable: Int64 = 0
            var owed: Int64 = 0
            var allocated: Int64 = 0
        }
        var sums: [Int64: Sums] = [:]
        try transaction.forEachRow(
            """
            SELECT sequence, SUM(gross - discount - round_down),
                SUM(gross - discount - round_down - coupon - paid)
            FROM bill_line WHERE partition = ? AND account = ? GROUP BY sequence
            """, key
        ) { row in
            sums[row.integer(0), default: Sums()].payable = row.integer(1)
            sums[row.integer(0), default: Sums()].owed = row.integer(2)
            return true
        }
        try transaction.forEachRow(
            "SELECT sequence, SUM(amount) FROM allocation WHERE partition = ? AND account = ? GROUP BY sequence", key
        ) { row in
            sums[row.integer(0), default: Sums()].allocated = row.integer(1)
            return true
        }
        // Lines of zero have no transaction.
        if let zero = sums.removeValue(forKey: 0), zero.payable != 0 || zero.owed != 0 {
            breach(.linesAreLedger, "lines without a transaction sum to \(zero.payable)")
        }
        try transaction.forEachRow(
            """
            SELECT sequence, SUM(CASE WHEN ledger_account = 3 THEN amount ELSE 0 END),
                SUM(CASE WHEN ledger_account = 2 THEN amount ELSE 0 END)
            FROM ledger_entry WHERE partition = ? AND account = ? GROUP BY sequence
            """, key
        ) { row in
            let found = sums.removeValue(forKey: row.integer(0)) ?? Sums()
            checked(.linesAreLedger, 1)
            if found.payable != row.integer(1) || found.allocated - found.owed != row.integer(2) {
                breach(
                    .linesAreLedger,
                    "transaction \(row.integer(0)) earned \(row.integer(1)) and settled \(row.integer(2)); its lines "
                        + "sum to \(found.payable) and \(found.allocated - found.owed)")
            }
            return true
        }
        for sequence in sums.keys { breach(.linesAreLedger, "lines of transaction \(sequence), which is not there") }
    }

    /// B4: what is left of each coupon is what was granted less what it paid, and the journal says what coupons paid.
    mutating func checkCoupons() throws {
        var used: [String: Int64] = [:]
        var bySequence: [Int64: Int64] = [:]
        try transaction.forEachRow(
            "SELECT coupon_id, sequence, amount FROM coupon_use WHERE partition = ? AND account = ?", key
        ) { row in
            used[row.text(0), default: 0] += row.integer(2)
            bySequence[row.integer(1), default: 0] += row.integer(2)
            return true
        }
        let coupons = try transaction.all(
            "SELECT coupon_id, amount, remaining FROM coupon WHERE partition = ? AND account = ?", key
        ) { (id: $0.text(0), amount: $0.integer(1), remaining: $0.integer(2)) }
        checked(.coupons, Int64(coupons.count))
        for coupon in coupons {
            let spent = used.removeValue(forKey: coupon.id) ?? 0
            if coupon.amount - spent != coupon.remaining {
                breach(
                    .coupons, "coupon \(coupon.id) of \(coupon.amount) paid \(spent) and has \(coupon.remaining) left")
            }
        }
        try transaction.forEachRow(
            """
            SELECT sequence, amount FROM ledger_entry WHERE partition = ? AND account = ? AND ledger_account = 7
            """, key
        ) { row in
            let paid = bySequence.removeValue(forKey: row.integer(0)) ?? 0
            checked(.coupons, 1)
            if paid != -row.integer(1) {
                breach(.coupons, "transaction \(row.integer(0)) books \(-row.integer(1)) of coupons, \(paid) was used")
            }
            return true
        }
        for (sequence, paid) in bySequence where paid != 0 {
            breach(.coupons, "transaction \(sequence) books nothing of the \(paid) that coupons paid")
        }
    }

    /// B6: the coupon column of each line is what coupons paid of it when it was posted, or were given back with it; what
    /// a coupon paid of it later is allocated to it by the same transaction.
    mutating func checkCouponLines() throws {
        struct Use: Hashable {
            var line: LineKey
            var sequence: Int64
        }
        var used: [Use: Int64] = [:]
        try transaction.forEachRow(
            """
            SELECT start_at, source, sequence, SUM(amount) FROM coupon_use WHERE partition = ? AND account = ?
            GROUP BY start_at, source, sequence
            """, key
        ) { row in
            used[
                Use(line: LineKey(start: row.instant(0), source: row.integer(1)), sequence: row.integer(2))] =
                row.integer(3)
            return true
        }
        rows += Int64(used.count)
        checked(.couponLines, Int64(used.count))
        try transaction.forEachRow(
            """
            SELECT start_at, source, sequence, coupon FROM bill_line
            WHERE partition = ? AND account = ? AND coupon <> 0
            """, key
        ) { row in
            let line = LineKey(start: row.instant(0), source: row.integer(1))
            let paid = used.removeValue(forKey: Use(line: line, sequence: row.integer(2))) ?? 0
            if paid != row.integer(3) {
                breach(
                    .couponLines,
                    "line \(line.start)/\(line.source) names \(row.integer(3)) of coupons, \(paid) was used at its posting"
                )
            }
            return true
        }
        // What is left was used by later transactions, or at the posting of lines that name no coupon.
        for (use, paid) in used {
            let allocated = try transaction.all(
                """
                SELECT amount FROM allocation
                WHERE partition = ? AND account = ? AND start_at = ? AND source = ? AND sequence = ?
                """, key + [.instant(use.line.start), .integer(use.line.source), .integer(use.sequence)]
            ) { $0.integer(0) }.first
            if allocated != paid {
                breach(
                    .couponLines,
                    "transaction \(use.sequence) used \(paid) of coupons for line \(use.line.start)/\(use.line.source), "
                        + "to which it allocates \(allocated ?? 0)")
            }
        }
    }

    /// B5: every closed month gave back the fraction of a cent of what its lines had cost by then, net of what coupons had
    /// paid of them by then, in one line.
    mutating func checkMonths() throws {
        let closes = try transaction.all(
            "SELECT month, fraction FROM month_close WHERE partition = ? AND account = ? AND fraction > 0", key
        ) { (month: $0.instant(0), fraction: $0.integer(1)) }
        checked(.monthClose, Int64(closes.count))
        for close in closes {
            // A slice that a saga held back is posted after the close, and is no part of it; nor is what a coupon pays
            // after it.
            let place =
                key + [
                    .instant(close.month), .instant(BillingCalendar.monthEnd(of: close.month)),
                    .instant(BillingCalendar.monthEnd(of: close.month).adding(milliseconds: -1)),
                ]
            let byThen = """
                JOIN bill_source s ON s.partition = l.partition AND s.account = l.account AND s.number = l.source
                WHERE l.partition = ? AND l.account = ? AND l.start_at >= ? AND l.start_at < ? AND s.kind = 2
                    AND l.sequence <= (
                        SELECT MAX(r.sequence) FROM bill_line r WHERE r.partition = l.partition
                            AND r.account = l.account AND r.start_at = ? AND r.round_down > 0)
                """
            let lines =
                try transaction.all(
                    """
                    SELECT COALESCE(SUM(l.gross - l.discount), 0), COALESCE(SUM(l.round_down), 0) FROM bill_line l \(byThen)
                    """, place
                ) { (cost: $0.integer(0), roundDown: $0.integer(1)) }.first ?? (0, 0)
            let coupons =
                try transaction.all(
                    "SELECT COALESCE(SUM(l.amount), 0) FROM coupon_use l \(byThen)", place
                ) { $0.integer(0) }.first ?? 0
            let net = lines.cost - coupons
            guard net % Money.microsPerCent == close.fraction, lines.roundDown == close.fraction else {
                breach(
                    .monthClose,
                    "the month of \(close.month) gave back \(close.fraction) of \(net), rounded down by \(lines.roundDown)"
                )
                continue
            }
        }
    }
}
