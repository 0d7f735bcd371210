package import BillingCore

/// How far an account has come: the latest thing that happened to it, and the hour through which it is cut.
package struct AccountProgress: Hashable, Sendable {
    package private(set) var clock: AccountClock
    /// A top of the hour: all use before it is billed. `nil` before the account's first use.
    package private(set) var cutThrough: Timestamp?
    /// The top of the hour at which a cut is due; `nil` while nothing is left to bill.
    package private(set) var dueAt: Timestamp?
    /// Groups that sagas hold. The account is not cut while there are any, since one of them may be about to fix an
    /// instant that is already over.
    package private(set) var locks: Int
    /// The cut that found the account overdue; `nil` while it owes nothing. An overdue account is billed for nothing by
    /// use, so it has no cuts (domain 2.7).
    package private(set) var overdueAt: Timestamp?

    package init(
        clock: AccountClock = AccountClock(lastAt: nil), cutThrough: Timestamp? = nil, dueAt: Timestamp? = nil,
        locks: Int = 0, overdueAt: Timestamp? = nil
    ) {
        self.clock = clock
        self.cutThrough = cutThrough
        self.dueAt = dueAt
        self.locks = locks
        self.overdueAt = overdueAt
    }

    /// The instant at which a call stamped `instant` takes effect.
    package mutating func admit(_ instant: Timestamp) throws(AccountClockError) -> Timestamp {
        try clock.admit(instant)
    }

    /// The instant at which what is due at `instant` takes effect. The clock may come late with that, however much has
    /// happened to the account since.
    package mutating func follow(_ instant: Timestamp) -> Timestamp {
        clock.note(instant)
        return clock.lastAt ?? instant
    }

    /// Takes note of an instant that a saga's earlier step fixed.
    package mutating func note(_ instant: Timestamp) { clock.note(instant) }

    /// A group starts to be billed. What was not billed before stays due as it was.
    package mutating func accrues(from anchor: Timestamp) {
        // An idle account's cursor stands where its last use ended; nothing accrued in between.
        let cursor = dueAt == nil ? BillingCalendar.hour(of: anchor) : cutThrough ?? BillingCalendar.hour(of: anchor)
        cutThrough = max(cursor, cutThrough ?? cursor)
        let due = CutPlan.due(cutThrough: cursor, anchor: anchor)
        dueAt = min(due, dueAt ?? due)
    }

    /// A saga takes a group. From here on the account waits, so a cut must not be on its way: it could bill beyond the
    /// instant that the saga is about to fix.
    /// - Parameter instant: the one that the account has come to; of what is due and late, the one at which it was due.
    /// - Throws: while a cut is due by then; try again when it is done.
    package mutating func lock(at instant: Timestamp) throws(AccountBusyError) {
        if locks == 0 { try requireCut(through: instant) }
        locks += 1
    }

    package mutating func unlock() {
        precondition(locks > 0, "an account is unlocked more often than it was locked")
        locks -= 1
    }

    /// The cut at `hour` found the account overdue: what is billed by use stops there.
    package mutating func stop(at hour: Timestamp) {
        note(hour)
        cutThrough = hour
        dueAt = nil
        overdueAt = hour
    }

    /// The account owes nothing from `instant` on. What is billed by use accrues again by `accrues(from:)`.
    /// - Returns: whether it was overdue. One that was found overdue after `instant` stays so: the recovery is an old
    ///   one.
    /// - Throws: while a cut is due by then: order may have recovered from what that cut found, so it comes first.
    package mutating func recover(at instant: Timestamp) throws(AccountBusyError) -> Bool {
        guard let since = overdueAt else {
            try requireCut(through: instant)
            return false
        }
        guard since <= instant else { return false }
        note(instant)
        overdueAt = nil
        return true
    }

    private func requireCut(through instant: Timestamp) throws(AccountBusyError) {
        if let dueAt, dueAt <= instant { throw .cutDue(dueAt) }
    }

    /// What costs money by use cannot be begun on an overdue account (domain 4.2).
    package func requireNotOverdue() throws(AccountOverdueError) {
        if let overdueAt { throw .overdue(since: overdueAt) }
    }
}

/// Why an account cannot buy anything just now.
package enum AccountOverdueError: BillingError, Hashable {
    case overdue(since: Timestamp)

    package var status: Status { .failedPrecondition }
    package var reason: String { "account.overdue" }
    package var message: String {
        switch self {
        case .overdue(let since): "The account is overdue since \(since). Top up what is outstanding first."
        }
    }
}

/// Why an account cannot be changed just now.
package enum AccountBusyError: BillingError, Hashable {
    case cutDue(Timestamp)

    package var status: Status { .unavailable }
    package var reason: String { "account.cut_due" }
    package var message: String {
        switch self {
        case .cutDue(let hour): "The account is about to be cut at \(hour); the same call succeeds when that is done."
        }
    }
    package var value: String {
        switch self {
        case .cutDue(let hour): hour.description
        }
    }
}
