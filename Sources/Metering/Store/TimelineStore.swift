package import BillingCore
package import Storage

/// A group with its timeline, and how far its account is cut.
package struct KeptTimeline: Hashable, Sendable {
    package let group: InstanceGroup
    package let timeline: Timeline

    /// What should be on bills by and by: the timeline, and the paid renewals that have not begun.
    package var billed: [Segment] {
        guard case .subscription(let subscription) = group.state.billing else { return timeline.segments }
        return timeline.segments + subscription.pending.map(Segment.subscription)
    }
}

/// What `billing audit` reads.
package struct TimelineStore {
    let transaction: any Transaction

    package init(_ transaction: any Transaction) { self.transaction = transaction }

    /// Accounts in the order of their keys, from `partitions.lowerBound` on, in that first partition after `account`.
    package func accounts(in partitions: Range<Int>, after account: String, limit: Int) throws -> [AccountID] {
        try transaction.all(
            """
            SELECT account FROM account_progress
            WHERE partition >= ? AND partition < ? AND (partition > ? OR account > ?)
            ORDER BY partition, account LIMIT ?
            """, .integer(partitions.lowerBound), .integer(partitions.upperBound), .integer(partitions.lowerBound),
            .text(account), .integer(limit)
        ) { try AccountID($0.text(0)) }
    }

    /// All groups of an account in the order of their ids.
    package func timelines(of account: AccountID) throws -> [KeptTimeline] {
        let key: [SQLValue] = [.integer(Partition.of(account.text)), .text(account.text)]
        var segments: [GroupID: [Segment]] = [:]
        try transaction.forEachRow(
            """
            SELECT group_id, starts_at, ends_at, unit, order_id FROM segment WHERE partition = ? AND account = ?
            ORDER BY group_id, number
            """, key
        ) { row in
            let id = try GroupID(row.text(0))
            segments[id, default: []].append(try segment(row, id))
            return true
        }
        return try AccountStore(transaction, account).groups(where: "TRUE").map { group in
            KeptTimeline(group: group, timeline: Timeline(segments[group.id] ?? []))
        }
    }

    private func segment(_ row: any Row, _ id: GroupID) throws -> Segment {
        let (start, end) = (row.timestamp(1), row.optionalTimestamp(2))
        if let order = row.optionalText(4) { return Segment(.subscription(try OrderID(order)), start: start, end: end) }
        guard let unit = BillingUnit(rawValue: row.integer(3)) else { throw GroupRowError.inconsistent(id) }
        return Segment(.payAsYouGo(unit), start: start, end: end)
    }

    /// When an account was overdue, in order.
    package func overdueIntervals(of account: AccountID) throws -> [OverdueInterval] {
        try transaction.all(
            "SELECT starts_at, ends_at FROM overdue_interval WHERE partition = ? AND account = ? ORDER BY starts_at",
            [.integer(Partition.of(account.text)), .text(account.text)]
        ) { OverdueInterval(start: $0.timestamp(0), end: $0.optionalTimestamp(1)) }
    }

    /// The groups of an account that still have something to bill, as the cut sees them.
    package func accruing(of account: AccountID) throws -> Set<GroupID> {
        let groups = try transaction.all(
            "SELECT group_id FROM accrual WHERE partition = ? AND account = ? AND quantity IS NULL",
            [.integer(Partition.of(account.text)), .text(account.text)]
        ) { try GroupID($0.text(0)) }
        return Set(groups)
    }
}
