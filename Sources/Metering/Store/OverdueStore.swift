package import BillingCore
import Storage

/// What follows for a whole account when it becomes overdue, and when it owes nothing any more.
extension AccountStore {
    /// Stops everything that is billed by use at the cut that found the account overdue (domain 4.1): active groups are
    /// overdue, tails of released ones end, and nothing accrues.
    /// - Returns: whether the account was still due at that cut; another one may have stopped it already.
    package func stop(cutAt hour: Timestamp) throws -> Bool {
        var progress = try progress()
        guard progress.dueAt == hour, progress.locks == 0 else { return false }
        progress.stop(at: hour)
        for var group in try groups(where: Self.accruing) {
            let change = try group.take(.foundOverdue(at: hour))
            try update(group)
            try apply(change, to: group, &progress)
        }
        try transaction.execute("DELETE FROM accrual WHERE partition = ? AND account = ?", key)
        try transaction.execute(
            "INSERT INTO overdue_interval (partition, account, starts_at) VALUES (?, ?, ?)", key + [.at(hour)])
        try stopResources(at: hour, &progress)
        try save(progress)
        return true
    }

    /// The account owes nothing from `instant` on: its overdue groups are active, each with a new unit anchored there
    /// (domain 4.3), except those whose 15 days were over, which are released (domain 4.4). Nothing happens to an account
    /// that is not overdue, or that became so later.
    /// - Throws: `AccountBusyError` while a cut is due by then.
    package func resume(at instant: Timestamp, beforeReleases: Bool) throws -> Resumption {
        var progress = try progress()
        var resumption = Resumption()
        guard try progress.recover(at: instant) else { return resumption }
        for var group in try groups(where: "status = \(GroupStatus.overdue.rawValue)") {
            let change = try group.take(.resumed(at: instant, beforeReleases: beforeReleases))
            try update(group)
            try apply(change, to: group, &progress)
            if case .released = group.state {
                resumption.released.append(group.id)
            } else {
                resumption.groups.append(group.id)
            }
        }
        try transaction.execute(
            "UPDATE overdue_interval SET ends_at = ? WHERE partition = ? AND account = ? AND ends_at IS NULL",
            [.at(instant)] + key)
        resumption.resources = try resumeResources(at: instant, &progress)
        try save(progress)
        return resumption
    }

    /// What a recovery did.
    package struct Resumption: Hashable, Sendable {
        /// Active again.
        package var groups: [GroupID] = []
        package var resources: [ResourceID] = []
        /// Too late for these.
        package var released: [GroupID] = []
    }

    /// The groups that are billed by use: active ones, and released ones whose last unit is still being cut.
    private static let accruing = """
        (status = \(GroupStatus.active.rawValue) AND method = \(BillingMethod.payAsYouGo.rawValue)
            OR status = \(GroupStatus.released.rawValue) AND EXISTS (
                SELECT 1 FROM accrual a WHERE a.partition = instance_group.partition
                    AND a.account = instance_group.account AND a.group_id = instance_group.group_id))
        """
}
