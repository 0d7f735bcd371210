package import BillingCore
package import Storage

/// The accounts that a cut is about.
package struct CutScope: Hashable, Sendable {
    package let partitions: Range<Int>
    /// Only this account; `nil`: all of the partitions.
    package let account: AccountID?
    /// Accounts that it passes by.
    package var except: Set<AccountID> = []

    package init(partitions: Range<Int>, account: AccountID?) {
        self.partitions = partitions
        self.account = account
    }

    /// - Parameter table: the alias of `account_progress` with its dot, where a query has one.
    fileprivate func condition(on table: String = "") -> String {
        var condition = "\(table)partition >= ? AND \(table)partition < ?"
        if account != nil { condition += " AND \(table)account = ?" }
        if !except.isEmpty {
            let places = Array(repeating: "?", count: except.count).joined(separator: ", ")
            condition += " AND \(table)account NOT IN (\(places))"
        }
        return condition
    }

    fileprivate var arguments: [SQLValue] {
        let range: [SQLValue] = [.integer(partitions.lowerBound), .integer(partitions.upperBound)]
        return range + (account.map { [.text($0.text)] } ?? []) + except.map { .text($0.text) }
    }
}

/// The accounts that are cut together at one top of the hour.
package struct CutBatch: Hashable, Sendable {
    package struct Account: Hashable, Sendable {
        package let account: AccountID
        package let segments: [AccruingSegment]
        package let plan: CutPlan
    }

    package let hour: Timestamp
    package let accounts: [Account]
    /// Whether no other account of the scope is due at this hour.
    package let isComplete: Bool

    /// The same for some of its accounts.
    package func only(_ accounts: [Account]) -> CutBatch {
        CutBatch(hour: hour, accounts: accounts, isComplete: isComplete)
    }
}

/// The hourly cut's view of all accounts, from within one unit of work.
package struct CutStore {
    let transaction: any Transaction

    package init(_ transaction: any Transaction) { self.transaction = transaction }

    /// Plans the earliest cut of the scope that is due at or before `through`, and moves the accounts' clocks to it: from
    /// here on nothing can happen to them before that hour, so what is about to be posted stays true.
    /// - Parameter slices: where to stop adding accounts; one account is always whole.
    /// - Returns: `nil` when nothing is due.
    package func plan(_ scope: CutScope, through: Timestamp, slices limit: Int) throws -> CutBatch? {
        let earliest = try transaction.all(
            "SELECT MIN(due_at) FROM account_progress WHERE due_at <= ? AND locks = 0 AND \(scope.condition())",
            [.at(through)] + scope.arguments
        ) { $0.optionalTimestamp(0) }
        guard let hour = earliest.first ?? nil else { return nil }
        let due = try segments(due: hour, scope)
        var accounts: [CutBatch.Account] = []
        var slices = 0
        for (account, segments) in due {
            if slices >= limit { break }
            let plan = CutPlan(segments, hourEnding: hour)
            slices += plan.slices.count
            accounts.append(CutBatch.Account(account: account, segments: segments, plan: plan))
        }
        try transaction.execute(
            """
            UPDATE account_progress SET last_at = ?
            WHERE due_at = ? AND locks = 0 AND last_at < ? AND \(scope.condition())
            """, [.at(hour), .at(hour), .at(hour)] + scope.arguments)
        return CutBatch(hour: hour, accounts: accounts, isComplete: accounts.count == due.count)
    }

    private func segments(
        due hour: Timestamp, _ scope: CutScope
    ) throws -> [(account: AccountID, segments: [AccruingSegment])] {
        var due: [(account: AccountID, segments: [AccruingSegment])] = []
        try transaction.forEachRow(
            """
            SELECT p.account, \(AccountStore.accrualColumns)
            FROM account_progress p
            LEFT JOIN accrual a ON a.partition = p.partition AND a.account = p.account
            WHERE p.due_at = ? AND p.locks = 0 AND \(scope.condition(on: "p."))
            ORDER BY p.partition, p.account
            """, [.at(hour)] + scope.arguments
        ) { row in
            let name = row.text(0)
            if due.last?.account.text != name { due.append((try AccountID(name), [])) }
            if !row.isNull(1) { due[due.count - 1].segments.append(try AccruingSegment(row, from: 1)) }
            return true
        }
        return due
    }

    /// Moves the cursors of a batch that was posted, and stops the accounts that it found overdue. An account that
    /// another cut has moved already is left alone.
    /// - Parameter overdue: the accounts that owe money after the cut.
    /// - Returns: how many accounts it moved.
    package func commit(_ batch: CutBatch, overdue: Set<AccountID> = []) throws -> Int {
        let next = batch.hour.adding(milliseconds: .millisecondsPerHour)
        var moved = 0
        for account in batch.accounts {
            let key: [SQLValue] = [.integer(Partition.of(account.account.text)), .text(account.account.text)]
            for index in account.plan.finished {
                let segment = account.segments[index]
                try transaction.execute(
                    """
                    DELETE FROM accrual
                    WHERE partition = ? AND account = ? AND group_id = ? AND anchor = ? AND ends_at <= ?
                    """, key + [.text(segment.thing.id), .at(segment.anchor), .at(batch.hour)])
            }
            if overdue.contains(account.account) {
                moved += try AccountStore(transaction, account.account).stop(cutAt: batch.hour) ? 1 : 0
                continue
            }
            var due = account.plan.nextDue
            // Something may have begun since the plan was made; it is due in the next hour at the earliest.
            if due != next { due = try remainingDue(key, cutThrough: batch.hour) }
            moved += try transaction.execute(
                """
                UPDATE account_progress SET cut_through = ?, due_at = ?
                WHERE partition = ? AND account = ? AND due_at = ? AND locks = 0
                """, [.at(batch.hour), .at(due)] + key + [.at(batch.hour)])
        }
        return moved
    }

    private func remainingDue(_ key: [SQLValue], cutThrough hour: Timestamp) throws -> Timestamp? {
        let anchors = try transaction.all(
            "SELECT MIN(anchor) FROM accrual WHERE partition = ? AND account = ?", key
        ) { $0.optionalTimestamp(0) }
        return (anchors.first ?? nil).map { CutPlan.due(cutThrough: hour, anchor: $0) }
    }

    /// Accounts of the scope that are due at or before `through` and wait for a saga.
    package func waiting(_ scope: CutScope, through: Timestamp) throws -> Int {
        try transaction.all(
            "SELECT COUNT(*) FROM account_progress WHERE locks > 0 AND due_at <= ? AND \(scope.condition())",
            [.at(through)] + scope.arguments
        ) { $0.int(0) }.first ?? 0
    }

    /// The accounts that are not cut through `hour` yet, the longest due first.
    package func uncut(through hour: Timestamp, limit: Int) throws -> [AccountID] {
        try transaction.all(
            """
            SELECT account FROM account_progress WHERE due_at <= ? ORDER BY due_at, partition, account LIMIT ?
            """, .at(hour), .integer(limit)
        ) { try AccountID($0.text(0)) }
    }

    /// The earliest instant after `after` at which a cut is due; what is late already is due at the next top of the hour.
    package func nextCut(after: Timestamp) throws -> Timestamp? {
        try next("SELECT MIN(due_at) FROM account_progress WHERE due_at", after)
    }

    /// The earliest instant after `after` at which a term ends; what is late already is due at the next top of the hour.
    package func nextExpiry(after: Timestamp) throws -> Timestamp? {
        try next(
            "SELECT MIN(term_end) FROM instance_group WHERE status = 2 AND term_end IS NOT NULL AND term_end", after)
    }

    func next(_ query: String, _ after: Timestamp) throws -> Timestamp? {
        let late = try transaction.first("\(query) <= ?", .at(after)) { $0.optionalTimestamp(0) }
        let coming = try transaction.first("\(query) > ?", .at(after)) { $0.optionalTimestamp(0) }
        var candidates = [coming ?? nil].compactMap(\.self)
        if (late ?? nil) != nil {
            candidates.append(BillingCalendar.hour(of: after).adding(milliseconds: .millisecondsPerHour))
        }
        return candidates.min()
    }

    package struct Status: Hashable, Sendable {
        package let due: Int
        package let oldestCursor: Timestamp?
        package let waiting: Int
    }

    /// - Parameter instant: what is due later does not count.
    package func status(at instant: Timestamp) throws -> Status {
        let due = try transaction.first(
            "SELECT COUNT(*) FROM account_progress WHERE due_at <= ?", .at(instant)
        ) { $0.int(0) }
        let oldest = try transaction.first(
            "SELECT MIN(cut_through) FROM account_progress WHERE due_at IS NOT NULL"
        ) { $0.optionalTimestamp(0) }
        let waiting = try transaction.first(
            "SELECT COUNT(*) FROM account_progress WHERE locks > 0"
        ) { $0.int(0) }
        return Status(due: due ?? 0, oldestCursor: oldest ?? nil, waiting: waiting ?? 0)
    }

    /// The active groups that no saga holds and whose terms are over at `through`, earliest first.
    package func endedTerms(through: Timestamp, limit: Int) throws -> [(account: AccountID, group: GroupID)] {
        try transaction.all(
            """
            SELECT account, group_id FROM instance_group
            WHERE status = 2 AND term_end IS NOT NULL AND term_end <= ? AND locked_by IS NULL
            ORDER BY term_end, partition, account, group_id LIMIT ?
            """, .at(through), .integer(limit)
        ) { (try AccountID($0.text(0)), try GroupID($0.text(1))) }
    }
}
