/// Time of one account never goes back (design 2.2).
package struct AccountClock: Hashable, Sendable {
    /// How much earlier than the account's last instant another one may be, to be moved up to it.
    package static let toleranceMilliseconds: Int64 = 5000

    /// The latest instant at which anything happened to the account; `nil` before the first.
    package private(set) var lastAt: Timestamp?

    package init(lastAt: Timestamp?) { self.lastAt = lastAt }

    /// The instant at which something stamped `instant` takes effect: not before the account's last one.
    /// - Throws: when it would have to be moved up by more than the tolerance.
    package mutating func admit(_ instant: Timestamp) throws(AccountClockError) -> Timestamp {
        let effective = max(instant, lastAt ?? instant)
        guard effective - instant <= Self.toleranceMilliseconds else {
            throw .wentBack(instant, last: effective)
        }
        lastAt = effective
        return effective
    }

    /// Takes note of an instant that was fixed elsewhere: a cut, or a step after a saga's pivot.
    package mutating func note(_ instant: Timestamp) { lastAt = max(instant, lastAt ?? instant) }
}

package enum AccountClockError: BillingError, Hashable {
    case wentBack(Timestamp, last: Timestamp)

    /// Not final: the same operation stamped later may well succeed.
    package var status: Status { .aborted }
    package var reason: String { "call.time_went_back" }
    package var message: String {
        switch self {
        case .wentBack(let instant, let last):
            "The call is stamped \(instant), but the account has come to \(last); the gateways' clocks disagree."
        }
    }
    package var value: String {
        switch self {
        case .wentBack(let instant, _): instant.description
        }
    }
}
