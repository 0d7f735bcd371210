import BillingCore
import Storage

/// The columns that every key starts with.
func accountKey(_ account: String) -> [SQLValue] { [.integer(Partition.of(account)), .text(account)] }
func accountKey(_ account: AccountID) -> [SQLValue] { accountKey(account.text) }

extension SQLValue {
    static func instant(_ instant: Timestamp) -> SQLValue { .integer(instant.milliseconds) }
    static func instant(_ instant: Timestamp?) -> SQLValue { .integer(instant?.milliseconds) }
    static func money(_ amount: Money) -> SQLValue { .integer(amount.micros) }
}

extension Row {
    func instant(_ column: Int) -> Timestamp { Timestamp(milliseconds: integer(column)) }
    func optionalInstant(_ column: Int) -> Timestamp? {
        optionalInteger(column).map { Timestamp(milliseconds: $0) }
    }
    func money(_ column: Int) -> Money { Money(micros: integer(column)) }
}

/// A stored number that no case has: the data was written by another program, or damaged.
struct StoredValueError: Error, CustomStringConvertible {
    let column: String
    let value: Int64

    var description: String { "column \(column) holds \(value), which means nothing to this program" }
}

extension RawRepresentable where RawValue == Int {
    /// - Throws: `StoredValueError`.
    init(stored value: Int64, _ column: String) throws {
        guard let exact = Int(exactly: value), let known = Self(rawValue: exact) else {
            throw StoredValueError(column: column, value: value)
        }
        self = known
    }
}

extension Transaction {
    private static var accountColumns: String {
        "account, name, opened_at, balance, outstanding, last_at, next_sequence"
    }

    /// - Throws: `OrderError.accountNotFound`.
    func account(_ id: AccountID) throws -> Account {
        let found = try all(
            "SELECT \(Self.accountColumns) FROM account WHERE partition = ? AND account = ?", accountKey(id),
            map: readAccount
        ).first
        guard let found else { throw OrderError.accountNotFound(id.text) }
        return found
    }

    /// Accounts of partitions `[from, to)` in the order of their keys.
    /// - Parameter after: an account of partition `from`, past which to start; empty: at its first one.
    func accounts(partitions: Range<Int>, after: String, limit: Int) throws -> [Account] {
        try all(
            """
            SELECT \(Self.accountColumns) FROM account
            WHERE (partition, account) > (?, ?) AND partition < ? ORDER BY partition, account LIMIT ?
            """,
            .integer(partitions.lowerBound), .text(after), .integer(partitions.upperBound), .integer(limit),
            map: readAccount)
    }

    private func readAccount(_ row: any Row) throws -> Account {
        Account(
            id: try AccountID(row.text(0)), name: row.text(1), openedAt: row.instant(2), balance: row.money(3),
            outstanding: row.money(4), lastAt: row.instant(5), nextSequence: row.integer(6))
    }

    func insert(_ account: Account) throws {
        try execute(
            """
            INSERT INTO account
                (partition, account, name, opened_at, balance, outstanding, last_at, next_sequence)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            accountKey(account.id) + [
                .text(account.name), .instant(account.openedAt), .money(account.balance), .money(account.outstanding),
                .instant(account.lastAt), .integer(account.nextSequence),
            ])
    }

    /// Keeps what an operation changed of the account.
    func update(_ account: Account) throws {
        try execute(
            """
            UPDATE account SET balance = ?, outstanding = ?, last_at = ?, next_sequence = ?
            WHERE partition = ? AND account = ?
            """,
            [
                .money(account.balance), .money(account.outstanding), .instant(account.lastAt),
                .integer(account.nextSequence),
            ] + accountKey(account.id))
    }

    /// Writes a transaction into the account's journal. The account itself is kept by `update`.
    /// - Returns: its sequence.
    @discardableResult
    func post(_ transaction: LedgerTransaction, to account: inout Account) throws -> Int64 {
        let sequence = try account.post(transaction)
        let key = accountKey(account.id)
        try execute(
            """
            INSERT INTO ledger_transaction
                (partition, account, sequence, at, cause, reference, balance_after, outstanding_after)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            key + [
                .integer(sequence), .instant(account.lastAt), .integer(transaction.cause.rawValue),
                .text(transaction.reference), .money(account.balance), .money(account.outstanding),
            ])
        for entry in transaction.entries {
            try execute(
                """
                INSERT INTO ledger_entry (partition, account, sequence, ledger_account, amount)
                VALUES (?, ?, ?, ?, ?)
                """, key + [.integer(sequence), .integer(entry.account.rawValue), .money(entry.amount)])
        }
        return sequence
    }

    /// Brings money into the balance, from where it pays what is outstanding, oldest first (domain 3.4).
    /// - Parameter transaction: makes the ledger transaction, given how much is settled.
    /// - Returns: how much was settled.
    func credit(
        _ amount: Money, to account: inout Account, _ transaction: (_ settled: Money) throws -> LedgerTransaction
    ) throws -> Money {
        var settlement = Settlement(funds: try account.balance.adding(amount))
        var paid: [(line: OutstandingLine, amount: Money)] = []
        if account.isOverdue {
            try forEachOutstandingLine(of: account.id) { line in
                guard settlement.funds > .zero else { return false }
                paid.append((line, try settlement.settle(line.outstanding)))
                return true
            }
        }
        let sequence = try post(try transaction(settlement.paid), to: &account)
        for (line, amount) in paid { try allocate(amount, to: line, of: account.id, sequence: sequence) }
        return settlement.paid
    }
}
