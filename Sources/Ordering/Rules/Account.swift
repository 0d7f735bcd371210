import BillingCore

/// An account as its journal left it.
struct Account: Hashable, Sendable {
    let id: AccountID
    let name: String
    let openedAt: Timestamp
    /// Never negative (M3).
    private(set) var balance: Money
    /// What posted lines still owe.
    private(set) var outstanding: Money
    /// The latest instant at which anything happened to the account.
    private(set) var lastAt: Timestamp
    /// The number of the next ledger transaction; from 1.
    private(set) var nextSequence: Int64

    init(
        id: AccountID, name: String, openedAt: Timestamp, balance: Money = .zero, outstanding: Money = .zero,
        lastAt: Timestamp? = nil, nextSequence: Int64 = 1
    ) {
        self.id = id
        self.name = name
        self.openedAt = openedAt
        self.balance = balance
        self.outstanding = outstanding
        self.lastAt = lastAt ?? openedAt
        self.nextSequence = nextSequence
    }

    /// Opens an account.
    /// - Throws: `OrderError.accountNameMalformed`.
    static func opening(id: AccountID, name: String, at instant: Timestamp) throws(OrderError) -> Account {
        guard !name.isEmpty, name.count <= 100, !name.unicodeScalars.contains(where: isControl),
            name.contains(where: { !$0.isWhitespace })
        else { throw .accountNameMalformed(String(name.prefix(100))) }
        return Account(id: id, name: name, openedAt: instant)
    }

    /// Balance plus usable coupons, of which there are none yet (domain 3.1).
    var availableCredit: Money { balance }
    /// Domain 3.1: less credit than unsettled bills, which after a cut is the same as anything outstanding.
    var isOverdue: Bool { outstanding > .zero }

    /// - Throws: `OrderError.accountOverdue` while bills are outstanding (domain 4.2).
    func requireNotOverdue() throws(OrderError) {
        guard !isOverdue else { throw .accountOverdue(outstanding: outstanding) }
    }

    /// The instant at which a call stamped `instant` takes effect: never before the account's last one (design 2.2).
    /// - Throws: `AccountClockError` when it is more than 5 s earlier.
    mutating func takeEffect(at instant: Timestamp) throws(AccountClockError) -> Timestamp {
        var clock = AccountClock(lastAt: lastAt)
        lastAt = try clock.admit(instant)
        return lastAt
    }

    /// The same for what must not fail: cuts, and steps of sagas after the pivot, which carry their own instant.
    mutating func follow(_ instant: Timestamp) -> Timestamp {
        lastAt = max(lastAt, instant)
        return lastAt
    }

    /// Applies a transaction to the cached sums.
    /// - Returns: its sequence.
    /// - Throws: `LedgerError`, `MoneyError.overflow`; the account is unchanged then.
    mutating func post(_ transaction: LedgerTransaction) throws -> Int64 {
        let newBalance = try balance.adding(transaction.change(of: .balance))
        let newOutstanding = try outstanding.adding(-transaction.change(of: .receivable))
        guard newBalance >= .zero else { throw LedgerError.overdrawn(account: id.text, balance: newBalance) }
        guard newOutstanding >= .zero else {
            throw LedgerError.oversettled(account: id.text, outstanding: newOutstanding)
        }
        balance = newBalance
        outstanding = newOutstanding
        defer { nextSequence += 1 }
        return nextSequence
    }
}

/// Whether a scalar is a control character, which no text of ours holds.
func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.generalCategory == .control }

extension Money {
    /// An amount from a request.
    /// - Throws: `MoneyError` unless it is positive and at most `largestInput`.
    static func input(micros: Int64) throws(MoneyError) -> Money {
        let amount = Money(micros: micros)
        guard amount > .zero else { throw .notPositive(amount.description) }
        guard amount <= .largestInput else { throw .tooLarge(amount.description) }
        return amount
    }
}
