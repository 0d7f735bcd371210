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
    /// The cut that found the account overdue; `nil` unless bills are outstanding (domain 4.1).
    private(set) var overdueAt: Timestamp?
    /// When the next reminder is due; `nil` unless overdue.
    private(set) var noticeDueAt: Timestamp?
    /// Whether the last cut found that the available credit lasts less than a day (domain 4.6).
    private(set) var isLow: Bool
    /// When the month ends whose pay-as-you-go lines are not rounded down yet; `nil` when there is none.
    var closeAt: Timestamp?

    init(
        id: AccountID, name: String, openedAt: Timestamp, balance: Money = .zero, outstanding: Money = .zero,
        lastAt: Timestamp? = nil, nextSequence: Int64 = 1, overdueAt: Timestamp? = nil, noticeDueAt: Timestamp? = nil,
        isLow: Bool = false, closeAt: Timestamp? = nil
    ) {
        self.id = id
        self.name = name
        self.openedAt = openedAt
        self.balance = balance
        self.outstanding = outstanding
        self.lastAt = lastAt ?? openedAt
        self.nextSequence = nextSequence
        self.overdueAt = overdueAt
        self.noticeDueAt = noticeDueAt
        self.isLow = isLow
        self.closeAt = closeAt
    }

    /// Opens an account.
    /// - Throws: `OrderError.accountNameMalformed`.
    static func opening(id: AccountID, name: String, at instant: Timestamp) throws(OrderError) -> Account {
        guard !name.isEmpty, name.count <= 100, !name.unicodeScalars.contains(where: isControl),
            name.contains(where: { !$0.isWhitespace })
        else { throw .accountNameMalformed(String(name.prefix(100))) }
        return Account(id: id, name: name, openedAt: instant)
    }

    /// Domain 3.1: less credit than unsettled bills, which after a cut is the same as anything outstanding.
    var isOverdue: Bool { overdueAt != nil }

    /// The test for overdue at the end of a cut (domain 2.8, 4.1).
    /// - Returns: what its owner is told; `nil` when nothing is outstanding or the account was overdue before.
    mutating func findOverdue(at cut: Timestamp) -> AccountNotice? {
        guard outstanding > .zero, overdueAt == nil else { return nil }
        overdueAt = cut
        noticeDueAt = OverdueSchedule.next(after: cut, overdueAt: cut)
        return AccountNotice(
            at: cut, kind: .overdue, amount: outstanding, releaseAt: BillingCalendar.releaseAt(since: cut))
    }

    /// Ends being overdue at the instant at which nothing is outstanding any more (domain 4.3).
    /// - Returns: what its owner is told; `nil` when the account is not overdue or still owes something.
    mutating func recover(at instant: Timestamp) -> AccountNotice? {
        guard overdueAt != nil, outstanding == .zero else { return nil }
        overdueAt = nil
        noticeDueAt = nil
        return AccountNotice(at: instant, kind: .recovered, amount: .zero)
    }

    /// Notes at a cut whether the available credit lasts a day of what is burnt (domain 4.6).
    /// - Returns: what its owner is told, once for each time that it falls below.
    mutating func noteCredit(_ available: Money, burnPerHourNanos: Int128, at cut: Timestamp) -> AccountNotice? {
        let wasLow = isLow
        isLow = Int128(available.micros) * 1000 < burnPerHourNanos * 24
        return isLow && !wasLow ? AccountNotice(at: cut, kind: .lowBalance, amount: available) : nil
    }

    /// The reminders that are due up to `instant`, each at its own.
    /// - Parameter hasGroups: whether a group is left that would be released.
    mutating func takeReminders(
        through instant: Timestamp, hasGroups: () throws -> Bool
    ) rethrows -> [AccountNotice] {
        var notices: [AccountNotice] = []
        while let overdueAt, let due = noticeDueAt, due <= instant {
            notices += try OverdueSchedule.notices(
                at: due, overdueAt: overdueAt, outstanding: outstanding, hasGroups: hasGroups)
            noticeDueAt = OverdueSchedule.next(after: due, overdueAt: overdueAt)
        }
        return notices
    }

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
