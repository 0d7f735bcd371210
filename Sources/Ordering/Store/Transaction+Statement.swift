import BillingCore
import Storage

/// A line of a statement: a posted transaction with the sums after it.
struct PostedTransaction: Sendable {
    var sequence: Int64
    var at: Timestamp
    var cause: LedgerCause
    var reference: String
    var balanceAfter: Money
    var outstandingAfter: Money
    var entries: [LedgerEntry]
}

extension Transaction {
    /// The journal from the transaction after `sequence` on.
    func statement(of account: AccountID, after sequence: Int64, limit: Int) throws -> [PostedTransaction] {
        var posted = try all(
            """
            SELECT sequence, at, cause, reference, balance_after, outstanding_after FROM ledger_transaction
            WHERE partition = ? AND account = ? AND sequence > ? ORDER BY sequence LIMIT ?
            """, accountKey(account) + [.integer(sequence), .integer(limit)]
        ) { row in
            PostedTransaction(
                sequence: row.integer(0), at: row.instant(1), cause: try LedgerCause(stored: row.integer(2), "cause"),
                reference: row.text(3), balanceAfter: row.money(4), outstandingAfter: row.money(5), entries: [])
        }
        for index in posted.indices {
            posted[index].entries = try all(
                """
                SELECT ledger_account, amount FROM ledger_entry
                WHERE partition = ? AND account = ? AND sequence = ? ORDER BY ledger_account
                """, accountKey(account) + [.integer(posted[index].sequence)]
            ) { row in
                LedgerEntry(
                    account: try LedgerAccount(stored: row.integer(0), "ledger_account"), amount: row.money(1))
            }
        }
        return posted
    }
}
