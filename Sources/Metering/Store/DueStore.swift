package import BillingCore
import Storage

/// What is due of single groups: their releases and the attempts of auto-renewal.
extension CutStore {
    package enum Due: Hashable, Sendable {
        case release
        case autoRenewal

        /// The instants of the table's groups; a name of ours, never of a caller.
        fileprivate var column: String {
            switch self {
            case .release: "release_at"
            case .autoRenewal: "attempt_at"
            }
        }
    }

    /// The groups that no saga holds and that are due at or before `through`, earliest first.
    package func dueGroups(
        _ due: Due, through: Timestamp, limit: Int
    ) throws -> [(group: InstanceGroup, at: Timestamp)] {
        let found = try transaction.all(
            """
            SELECT account, group_id, \(due.column) FROM instance_group
            WHERE \(due.column) IS NOT NULL AND \(due.column) <= ? AND locked_by IS NULL
            ORDER BY \(due.column), partition, account, group_id LIMIT ?
            """, .at(through), .integer(limit)
        ) { (account: try AccountID($0.text(0)), group: try GroupID($0.text(1)), at: $0.timestamp(2)) }
        return try found.map { (try AccountStore(transaction, $0.account).group($0.group), $0.at) }
    }

    /// The earliest instant after `after` at which a group is released that is overdue or expired; what is late already
    /// is due at the next top of the hour.
    package func nextRelease(after: Timestamp) throws -> Timestamp? {
        try next("SELECT MIN(release_at) FROM instance_group WHERE release_at IS NOT NULL AND release_at", after)
    }

    /// The earliest instant after `after` at which auto-renewal is attempted; what is late already is due at the next
    /// top of the hour.
    package func nextAttempt(after: Timestamp) throws -> Timestamp? {
        try next("SELECT MIN(attempt_at) FROM instance_group WHERE attempt_at IS NOT NULL AND attempt_at", after)
    }
}
