import BillingCore
import Storage

extension Transaction {
    /// Records notices in their order.
    func record(_ notices: [AccountNotice], of account: AccountID) throws {
        guard !notices.isEmpty else { return }
        let key = accountKey(account)
        var sequence =
            try all(
                """
                SELECT sequence FROM notice WHERE partition = ? AND account = ? ORDER BY sequence DESC LIMIT 1
                """, key
            ) { $0.integer(0) }.first ?? 0
        for notice in notices {
            sequence += 1
            try execute(
                """
                INSERT INTO notice (partition, account, sequence, at, kind, amount, group_id, release_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
                key + [
                    .integer(sequence), .instant(notice.at), .integer(notice.kind.rawValue), .money(notice.amount),
                    .text(notice.groupID), .instant(notice.releaseAt),
                ])
        }
    }

    /// Whether the cut at `instant` found the account overdue, whatever came of that since.
    func wasFoundOverdue(_ account: AccountID, at instant: Timestamp) throws -> Bool {
        try !all(
            "SELECT 1 FROM notice WHERE partition = ? AND account = ? AND kind = ? AND at = ? LIMIT 1",
            accountKey(account) + [.integer(AccountNotice.Kind.overdue.rawValue), .instant(instant)]
        ) { $0.integer(0) }.isEmpty
    }

    /// The notices of an account after number `sequence`, in order.
    func notices(
        of account: AccountID, after sequence: Int64, limit: Int
    ) throws -> [(sequence: Int64, notice: AccountNotice)] {
        try all(
            """
            SELECT sequence, at, kind, amount, group_id, release_at FROM notice
            WHERE partition = ? AND account = ? AND sequence > ? ORDER BY sequence LIMIT ?
            """, accountKey(account) + [.integer(sequence), .integer(limit)]
        ) { row in
            (
                row.integer(0),
                AccountNotice(
                    at: row.instant(1), kind: try AccountNotice.Kind(stored: row.integer(2), "kind"),
                    amount: row.money(3), groupID: row.text(4), releaseAt: row.optionalInstant(5))
            )
        }
    }
}
