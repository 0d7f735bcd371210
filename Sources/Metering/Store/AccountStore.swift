package import BillingCore
package import Storage

/// What is kept of one account, from within one unit of work.
package struct AccountStore {
    let transaction: any Transaction
    let account: AccountID
    /// What every key starts with.
    let key: [SQLValue]

    package init(_ transaction: any Transaction, _ account: AccountID) {
        self.transaction = transaction
        self.account = account
        key = [.integer(Partition.of(account.text)), .text(account.text)]
    }

    /// How far the account has come; from nothing if it was never here.
    package func progress() throws -> AccountProgress {
        try transaction.all(
            """
            SELECT last_at, cut_through, due_at, locks, overdue_at FROM account_progress
            WHERE partition = ? AND account = ?
            """, key
        ) { row in
            AccountProgress(
                clock: AccountClock(lastAt: row.timestamp(0)), cutThrough: row.optionalTimestamp(1),
                dueAt: row.optionalTimestamp(2), locks: row.int(3), overdueAt: row.optionalTimestamp(4))
        }.first ?? AccountProgress()
    }

    /// - Precondition: something happened to the account, so its clock stands somewhere.
    package func save(_ progress: AccountProgress) throws {
        guard let lastAt = progress.clock.lastAt else { preconditionFailure("keeping the progress of nothing") }
        try transaction.execute(
            """
            INSERT INTO account_progress (partition, account, last_at, cut_through, due_at, locks, overdue_at)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (partition, account) DO UPDATE SET
                last_at = excluded.last_at, cut_through = excluded.cut_through, due_at = excluded.due_at,
                locks = excluded.locks, overdue_at = excluded.overdue_at
            """,
            key + [
                .at(lastAt), .at(progress.cutThrough), .at(progress.dueAt), .integer(progress.locks),
                .at(progress.overdueAt),
            ])
    }

    /// - Throws: `GroupError.notFound` for a group that is not this account's.
    package func group(_ id: GroupID) throws -> InstanceGroup {
        guard let group = try find(id) else { throw GroupError.notFound(id) }
        return group
    }

    package func find(_ id: GroupID) throws -> InstanceGroup? {
        try groups(where: "group_id = ?", [.text(id.text)]).first
    }

    /// The account's groups for which `condition` holds, in the order of their ids unless `order` says otherwise.
    func groups(
        where condition: String, _ arguments: [SQLValue] = [], order: String = "ORDER BY group_id"
    ) throws -> [InstanceGroup] {
        try transaction.all(
            """
            SELECT \(GroupRow.columns) FROM instance_group WHERE partition = ? AND account = ? AND \(condition) \(order)
            """, key + arguments
        ) { try GroupRow.group($0, account, pending: pendingRenewals) }
    }

    private func pendingRenewals(of id: GroupID) throws -> [Term] {
        try transaction.all(
            """
            SELECT order_id, starts_at, ends_at, months FROM pending_renewal
            WHERE partition = ? AND account = ? AND group_id = ? ORDER BY starts_at
            """, key + [.text(id.text)]
        ) { row in
            Term(
                order: try OrderID(row.text(0)), period: Period(row.timestamp(1), row.timestamp(2)), months: row.int(3))
        }
    }

    /// Keeps a new group.
    /// - Throws: `GroupError.alreadyExists`.
    package func insert(_ group: InstanceGroup) throws {
        guard try find(group.id) == nil else { throw GroupError.alreadyExists(group.id) }
        try transaction.execute(
            GroupRow.insertion,
            GroupRow.changing(group) + key + [
                .text(group.id.text), .text(group.specification), .text(group.region), .text(group.network),
                .integer(group.instances), .at(group.requestedAt),
            ])
    }

    /// Keeps what can change about a group.
    package func update(_ group: InstanceGroup) throws {
        try transaction.execute(GroupRow.replacement, GroupRow.changing(group) + key + [.text(group.id.text)])
    }

    /// Keeps the group's pending renewals, after an event that can change them.
    package func updatePending(_ group: InstanceGroup) throws {
        let id = key + [.text(group.id.text)]
        try transaction.execute(
            "DELETE FROM pending_renewal WHERE partition = ? AND account = ? AND group_id = ?", id)
        guard case .subscription(let subscription) = group.state.billing else { return }
        for term in subscription.pending {
            try transaction.execute(
                """
                INSERT INTO pending_renewal (partition, account, group_id, starts_at, ends_at, order_id, months)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """, id + [.at(term.start), .at(term.end), .text(term.order.text), .integer(term.months)])
        }
    }

    /// Keeps what an event did to a group's timeline, and when the account is due because of it.
    package func apply(
        _ change: TimelineChange?, to group: InstanceGroup, _ progress: inout AccountProgress
    ) throws {
        switch change {
        case .begin(let segment): try begin(segment, of: group, &progress)
        case .end(let instant): try end(group, at: instant)
        case .succeed(let segment):
            try end(group, at: segment.start)
            try begin(segment, of: group, &progress)
        case nil: break
        }
    }

    private func begin(_ segment: Segment, of group: InstanceGroup, _ progress: inout AccountProgress) throws {
        let unit: BillingUnit?
        let order: OrderID?
        switch segment.billing {
        case .payAsYouGo(let pinned): (unit, order) = (pinned, nil)
        case .subscription(let paid): (unit, order) = (nil, paid)
        }
        let id = key + [.text(group.id.text)]
        let number = try transaction.all(
            "SELECT COUNT(*) FROM segment WHERE partition = ? AND account = ? AND group_id = ?", id
        ) { $0.int(0) }
        try transaction.execute(
            """
            INSERT INTO segment (partition, account, group_id, number, method, starts_at, ends_at, unit, order_id)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            id + [
                .integer((number.first ?? 0) + 1), .integer(segment.method.rawValue), .at(segment.start),
                .at(segment.end), .integer(unit?.rawValue), .text(order?.text),
            ])
        guard let unit else { return }
        try transaction.execute(
            """
            INSERT INTO accrual
                (partition, account, group_id, anchor, ends_at, created_at, unit, specification, region, instances)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            id + [
                .at(segment.start), .at(segment.end), .at(group.createdAt ?? segment.start), .integer(unit.rawValue),
                .text(group.specification), .text(group.region), .integer(group.instances),
            ])
        progress.accrues(from: segment.start)
    }

    /// Ends the last segment of a group. What of it is not billed yet is cut in its own time.
    private func end(_ group: InstanceGroup, at instant: Timestamp) throws {
        let id = key + [.text(group.id.text)]
        try transaction.execute(
            """
            UPDATE segment SET ends_at = ?
            WHERE partition = ? AND account = ? AND group_id = ? AND number = (
                SELECT MAX(number) FROM segment WHERE partition = ? AND account = ? AND group_id = ?)
            """, [.at(instant)] + id + id)
        try transaction.execute(
            "UPDATE accrual SET ends_at = ? WHERE partition = ? AND account = ? AND group_id = ? AND ends_at IS NULL",
            [.at(instant)] + id)
    }
}
