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

/// What money that came in did.
struct Credited: Hashable, Sendable {
    /// How much of it paid outstanding bills.
    var settled: Money
    /// Its ledger transaction; 0 when none was posted.
    var sequence: Int64
    /// Whether it ended the account's being overdue, so that metering has to be told.
    var recovered: Bool
}

extension Transaction {
    private static var accountColumns: String {
        """
        account, name, opened_at, balance, outstanding, last_at, next_sequence, overdue_at, notice_due_at, is_low, \
        close_at
        """
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
            outstanding: row.money(4), lastAt: row.instant(5), nextSequence: row.integer(6),
            overdueAt: row.optionalInstant(7), noticeDueAt: row.optionalInstant(8), isLow: row.integer(9) != 0,
            closeAt: row.optionalInstant(10))
    }

    /// Accounts whose next instant in `column` is not after `instant`, the earliest first.
    private func accounts(dueBy column: String, through instant: Timestamp, limit: Int) throws -> [Account] {
        try all(
            """
            SELECT \(Self.accountColumns) FROM account
            WHERE \(column) IS NOT NULL AND \(column) <= ? ORDER BY \(column), partition, account LIMIT ?
            """, .instant(instant), .integer(limit), map: readAccount)
    }

    /// Accounts that have a reminder due, the earliest first.
    func accountsToRemind(through instant: Timestamp, limit: Int) throws -> [Account] {
        try accounts(dueBy: "notice_due_at", through: instant, limit: limit)
    }

    /// Accounts with a month that is over and not rounded down, the earliest first, but for some.
    func accountsToClose(through instant: Timestamp, except: Set<String>, limit: Int) throws -> [Account] {
        let due = try accounts(dueBy: "close_at", through: instant, limit: limit + except.count)
        return Array(due.filter { !except.contains($0.id.text) }.prefix(limit))
    }

    /// The earliest instants after `instant` at which a month is to be closed or a recovery by a close to be acknowledged,
    /// and a reminder is due. A month or a recovery that is late already is due at the next top of the hour.
    func nextAccountDues(after instant: Timestamp) throws -> (close: Timestamp?, notice: Timestamp?) {
        func next(_ column: String, _ table: String, _ comparison: String) throws -> Timestamp? {
            try first(
                """
                SELECT \(column) FROM \(table) AND \(column) \(comparison) ? ORDER BY \(column) LIMIT 1
                """, .instant(instant)
            ) { $0.instant(0) }
        }
        let closes = [
            ("close_at", "account WHERE close_at IS NOT NULL"), ("closed_at", "month_close WHERE recovered = 1"),
        ]
        var candidates = try closes.compactMap { try next($0.0, $0.1, ">") }
        if try closes.contains(where: { try next($0.0, $0.1, "<=") != nil }) {
            candidates.append(BillingCalendar.hour(of: instant).adding(milliseconds: .millisecondsPerHour))
        }
        return (
            candidates.min(), try next("notice_due_at", "account WHERE notice_due_at IS NOT NULL", ">")
        )
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
            UPDATE account SET balance = ?, outstanding = ?, last_at = ?, next_sequence = ?, overdue_at = ?,
                notice_due_at = ?, is_low = ?, close_at = ?
            WHERE partition = ? AND account = ?
            """,
            [
                .money(account.balance), .money(account.outstanding), .instant(account.lastAt),
                .integer(account.nextSequence), .instant(account.overdueAt), .instant(account.noticeDueAt),
                .integer(account.isLow ? 1 : 0), .instant(account.closeAt),
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
    func credit(
        _ amount: Money, to account: inout Account, _ transaction: (_ settled: Money) throws -> LedgerTransaction
    ) throws -> Credited {
        var settlement = Settlement(funds: try account.balance.adding(amount))
        var paid: [(line: OutstandingLine, amount: Money)] = []
        if account.outstanding > .zero {
            try forEachOutstandingLine(of: account.id) { line in
                guard settlement.funds > .zero else { return false }
                paid.append((line, try settlement.settle(line.outstanding).paid))
                return true
            }
        }
        let sequence = try post(try transaction(settlement.paid), to: &account)
        for (line, amount) in paid { try allocate(amount, to: line, of: account.id, sequence: sequence) }
        return Credited(settled: settlement.paid, sequence: sequence, recovered: try recover(&account))
    }

    /// Ends the account's being overdue if nothing is outstanding any more, and records that.
    func recover(_ account: inout Account) throws -> Bool {
        guard let notice = account.recover(at: account.lastAt) else { return false }
        try record([notice], of: account.id)
        return true
    }
}
