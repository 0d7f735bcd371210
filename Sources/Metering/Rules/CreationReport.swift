package import BillingCore

/// When a group counts as created.
package enum CreationReport {
    /// - Parameters:
    ///   - reported: when the phones came up, as their runner says; `nil`: now.
    ///   - floor: the account's last instant and the group's request; before it, time may be billed already.
    /// - Throws: `GroupError.reportAhead` after `now`; `.reportTooOld` before `floor` by more than clocks may differ.
    ///   Closer ones are moved up to it.
    package static func instant(
        _ reported: Timestamp?, notBefore floor: Timestamp, now: Timestamp
    ) throws(GroupError) -> Timestamp {
        guard let reported else { return now }
        guard reported <= now else { throw .reportAhead(reported, now: now) }
        guard floor - reported <= AccountClock.toleranceMilliseconds else {
            throw .reportTooOld(reported, notBefore: floor)
        }
        return max(reported, floor)
    }
}
