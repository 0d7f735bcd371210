package import BillingCore

/// Turns readings of the machine's wall clock into stamps that never go back, and stops when the wall clock and the
/// monotonic one disagree (design 2.2). All milliseconds.
package struct WallClockRule: Hashable, Sendable {
    /// From this drift on nothing is stamped.
    package static let largestDriftMilliseconds: Int64 = 2000

    private let offset: Int64
    private var last: Timestamp

    /// - Parameters: both readings, taken together when the process started.
    package init(wall: Timestamp, monotonicMilliseconds: Int64) {
        offset = wall.milliseconds - monotonicMilliseconds
        last = wall
    }

    /// - Throws: `ClockError.drift`; a later reading may be fine again.
    package mutating func stamp(wall: Timestamp, monotonicMilliseconds: Int64) throws(ClockError) -> Timestamp {
        let drift = wall.milliseconds - monotonicMilliseconds - offset
        guard drift.magnitude < WallClockRule.largestDriftMilliseconds.magnitude else {
            throw .drift(milliseconds: drift)
        }
        last = max(last, wall)
        return last
    }
}

/// What is wrong with the business clock, or with what was asked of it.
package enum ClockError: BillingError, Hashable {
    /// An operator sets the wall clock right or restarts the gateway; a retry before that fails the same way.
    case drift(milliseconds: Int64)
    case backwards(to: Timestamp, now: Timestamp)
    /// Only a manual clock is moved by hand.
    case real
    /// Due work fails, so no call can be stamped; the work is tried again all the time.
    case standing(at: Timestamp, problem: String)
    case outOfRange(Int64)
    case effectiveAtRefused(Timestamp)
    case effectiveAtAhead(Timestamp, now: Timestamp)
    /// The data belongs to a clock of the other mode.
    case otherMode(stored: ClockMode, asked: ClockMode)

    package var status: Status {
        switch self {
        case .drift, .standing: .unavailable
        case .backwards, .real, .otherMode: .failedPrecondition
        case .outOfRange, .effectiveAtRefused, .effectiveAtAhead: .invalidArgument
        }
    }

    package var reason: String {
        switch self {
        case .drift: "clock.drift"
        case .backwards: "clock.backwards"
        case .real: "clock.real"
        case .standing: "clock.standing"
        case .outOfRange: "clock.out_of_range"
        case .effectiveAtRefused, .effectiveAtAhead: "call.effective_at_refused"
        case .otherMode: "clock.other_mode"
        }
    }

    package var message: String {
        switch self {
        case .drift(let milliseconds):
            "The gateway's wall clock and its monotonic clock drifted apart by \(milliseconds) ms; it stamps no calls "
                + "until they agree. Set the wall clock right, or restart the gateway if it is right."
        case .backwards(let to, let now): "The clock shows \(now) and never goes back to \(to)."
        case .real: "This system runs on the real clock, which nobody moves."
        case .standing(let at, let problem):
            "The clock stands at \(at) since the work due there fails: \(problem) The same call may be sent again."
        case .outOfRange(let milliseconds):
            "\(milliseconds) ms is not an instant between \(Timestamp.earliest) and \(Timestamp.latest)."
        case .effectiveAtRefused(let at):
            "A client names no instant while the clock is real; this call named \(at). Leave effective_at out."
        case .effectiveAtAhead(let at, let now): "The call names \(at), which is after the clock's \(now)."
        case .otherMode(let stored, let asked):
            "This data was made with a \(stored.rawValue) clock and cannot go on with a \(asked.rawValue) one; use "
                + "another data directory or the same clock."
        }
    }

    package var field: String {
        switch self {
        case .backwards, .outOfRange: "to"
        case .effectiveAtRefused, .effectiveAtAhead: "effective_at"
        case .drift, .real, .standing, .otherMode: ""
        }
    }

    package var value: String {
        switch self {
        case .backwards(let to, _): to.description
        case .outOfRange(let milliseconds): String(milliseconds)
        case .effectiveAtRefused(let at), .effectiveAtAhead(let at, _): at.description
        case .drift(let milliseconds): String(milliseconds)
        case .real, .standing, .otherMode: ""
        }
    }
}

/// The raw values are stored.
package enum ClockMode: String, Hashable, Sendable, CaseIterable {
    case real
    case manual
}
