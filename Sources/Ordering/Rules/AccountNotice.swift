import BillingCore

/// Something that happened to an account that its owner should know (domain 4.6). The raw values are stored.
struct AccountNotice: Hashable, Sendable {
    enum Kind: Int, CaseIterable, Hashable, Sendable {
        case lowBalance = 1
        case overdue = 2
        case reminder = 3
        case releaseWarning = 4
        case released = 5
        case recovered = 6
    }

    var at: Timestamp
    var kind: Kind
    /// What is outstanding; for a low balance, the available credit.
    var amount: Money
    /// Of a release; empty otherwise.
    var groupID = ""
    /// When groups are released if nothing is paid; `nil` where that is not the matter.
    var releaseAt: Timestamp?
}

/// What an overdue account is told and when (domain 4.6): a reminder every 24 hours, and with the fourteenth the warning
/// that its groups are released a day later, if it has any left.
enum OverdueSchedule {
    private static let reminders: Int64 = 14

    /// The first reminder after `instant`; `nil` after the last one.
    static func next(after instant: Timestamp, overdueAt: Timestamp) -> Timestamp? {
        let days = max(0, (instant - overdueAt) / Int64.millisecondsPerDay) + 1
        guard days <= reminders else { return nil }
        return overdueAt.adding(milliseconds: days * .millisecondsPerDay)
    }

    /// What is recorded at the reminder of `instant`.
    static func notices(
        at instant: Timestamp, overdueAt: Timestamp, outstanding: Money, hasGroups: () throws -> Bool
    ) rethrows -> [AccountNotice] {
        let releaseAt = BillingCalendar.releaseAt(since: overdueAt)
        let reminder = AccountNotice(at: instant, kind: .reminder, amount: outstanding, releaseAt: releaseAt)
        guard instant - overdueAt == reminders * .millisecondsPerDay, try hasGroups() else { return [reminder] }
        return [
            reminder, AccountNotice(at: instant, kind: .releaseWarning, amount: outstanding, releaseAt: releaseAt),
        ]
    }
}
