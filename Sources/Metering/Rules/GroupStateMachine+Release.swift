import BillingCore

/// How a group's use stops, goes on and ends.
extension GroupStateMachine {
    mutating func released(_ at: Timestamp) throws(GroupError) -> TimelineChange? {
        if let due = state.releaseAt, due <= at { return try releasedWhenDue(due) }
        switch state {
        case .overdue(let unit, let anchor, let since):
            guard since <= at else { throw .beforeBeginning(group, at) }
            state = .released(Release(.payAsYouGo(unit, anchor: anchor), at: at, .owner, stoppedAt: since))
            return nil
        case .expired(let subscription, let lock):
            guard lock == nil else { throw .locked(group) }
            guard subscription.current.end <= at else { throw .beforeBeginning(group, at) }
            state = .released(Release(.subscription(subscription), at: at, .owner))
            return nil
        case .creating, .active, .released: break
        }
        let (billing, lock) = try active()
        guard case .payAsYouGo(let unit, let anchor) = billing else { throw .notPayAsYouGo(group) }
        guard lock == nil else { throw .locked(group) }
        guard let anchor, anchor <= at else { throw .beforeBeginning(group, at) }
        state = .released(Release(billing, at: at, .owner))
        return .end(at: unit.end(anchor: anchor, released: at))
    }

    /// The group goes exactly when its 15 days are over, however late that is found.
    mutating func releaseDue(
        _ status: GroupStatus, _ since: Timestamp, _ now: Timestamp
    ) throws(GroupError) -> TimelineChange? {
        guard state.status == status, let due = state.releaseAt, due <= now,
            due == BillingCalendar.releaseAt(since: since)
        else { throw .notDue(group, status, since: since) }
        return try releasedWhenDue(due)
    }

    /// - Parameter due: the end of the 15 days of an overdue or expired group.
    private mutating func releasedWhenDue(_ due: Timestamp) throws(GroupError) -> TimelineChange? {
        guard state.lock == nil else { throw .locked(group) }
        let overdueSince: Timestamp? = if case .overdue(_, _, let since) = state { since } else { nil }
        let cause: ReleaseCause = overdueSince == nil ? .expired : .overdue
        state = .released(Release(state.billing, at: due, cause, stoppedAt: overdueSince))
        return nil
    }

    /// Use stops at the hour of the cut. What began while the cut was under way is not used at all; the tail of a
    /// released group ends there too (domain 2.7).
    mutating func foundOverdue(_ hour: Timestamp) throws(GroupError) -> TimelineChange? {
        switch state {
        case .active(.payAsYouGo(let unit, let anchor?), let lock):
            guard lock == nil else { throw .locked(group) }
            state = .overdue(unit, anchor: anchor, since: hour)
            return .end(at: max(anchor, hour))
        case .released(var release):
            guard case .payAsYouGo(let unit, let anchor?) = release.billing, release.stoppedAt == nil,
                unit.end(anchor: anchor, released: release.at) > hour
            else { return nil }
            release.stoppedAt = hour
            state = .released(release)
            return .end(at: max(anchor, hour))
        case .creating, .active, .overdue, .expired: return nil
        }
    }

    /// A new unit starts at the recovery; what was left of the old one is waived (domain 4.3). A recovery after the 15
    /// days comes too late: the group is released where they ended, whether that was done by then or not (domain 4.4).
    mutating func resumed(_ at: Timestamp, _ beforeReleases: Bool) throws(GroupError) -> TimelineChange? {
        guard case .overdue(let unit, let anchor, let since) = state else { return nil }
        guard since <= at else { throw .beforeBeginning(group, at) }
        let due = BillingCalendar.releaseAt(since: since)
        guard at < due || beforeReleases && at == due else { return try releasedWhenDue(due) }
        // A group that was created while the cut was under way may be later than a recovery at its hour.
        let start = max(at, anchor)
        state = .active(.payAsYouGo(unit, anchor: start), lock: nil)
        return .begin(.payAsYouGo(unit, from: start))
    }
}
