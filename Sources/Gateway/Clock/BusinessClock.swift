package import BillingCore
package import RPC

/// The only clock of business (design 2.2): stamps calls, and does what is due between them.
package protocol BusinessClock: Sendable {
    /// The instant that a call would be stamped with.
    var now: Timestamp { get }

    /// The instant for a call that only reads: now, or an earlier one that the client names on a manual clock.
    /// - Throws: `ClockError`.
    func instant(for call: CallContext) throws -> Timestamp

    /// Runs a call that changes something, stamped. On a manual clock it waits until the clock stands, and the clock
    /// stands until it is over.
    /// - Throws: `ClockError`; what `body` throws.
    func stamped<Result: Sendable>(
        _ call: CallContext, _ body: @Sendable (Timestamp) async throws -> Result
    ) async throws -> Result

    /// Makes sure that an account is cut through the last full hour, so that what a call does to its money or timelines
    /// does not depend on when the cut reaches it (design 8).
    func cutBefore(_ call: CallContext, at instant: Timestamp) async throws

    /// A stamped call is about to make something due at an instant that is not one of those at which things become due
    /// anyway: the top of an hour, or whole days after something that was due.
    func expectDue(at instant: Timestamp)

    /// Moves a manual clock to `target` and waits for it, at most until `deadline`.
    /// - Throws: `ClockError`.
    func advance(to target: Timestamp, until deadline: Deadline) async throws -> ClockStatus

    /// Terms that ended and releases that were due by then have been seen to, but for what a saga held.
    var duesSeenThrough: Timestamp { get }

    var status: ClockStatus { get }

    /// Reads or sets up the clock that the data belongs to. Nothing is due before `begin`.
    /// - Throws: `ClockError.otherMode`; `StorageError`.
    func start() async throws

    /// Begins to do what is due.
    /// - Parameter sagas: runs those that due work needs; has taken up what a predecessor left.
    func begin(_ sagas: any DueSagas)

    func stop()
}

package struct ClockStatus: Hashable, Sendable {
    package var mode: ClockMode
    package var now: Timestamp
    /// Where a manual clock moves to; `now` when it stands.
    package var target: Timestamp
    /// The last stop of the movement at which work was begun.
    package var startedAt: Timestamp
    /// Bill lines cut since the movement began.
    package var lines: Int64
    /// Why the clock stands short of its target; empty when it does not.
    package var problem: String
}

/// The work that is due at an instant, done by its owners.
package protocol DueWork: Sendable {
    /// The earliest instants after `instant` at which something is due.
    func due(after instant: Timestamp) async throws -> DueInstants

    /// Does one kind of work; the sagas that it starts have ended or are parked. A repeat changes nothing.
    /// - Throws: what stops it for everybody; what fails for single accounts is in the result.
    func perform(_ work: DueStop.Work, at stop: DueStop, _ sagas: any DueSagas) async throws -> DueResult

    /// Cuts one account through a top of the hour.
    func cut(account: String, through hour: Timestamp) async throws
}

package struct DueResult: Hashable, Sendable {
    package var lines: Int64 = 0
    /// Accounts, or groups, that wait for a saga of somebody else.
    package var waiting: Int64 = 0
    /// Why it failed for single accounts, for a person. It is due for them still.
    package var failures: [String: String] = [:]

    package init(lines: Int64 = 0, waiting: Int64 = 0) {
        self.lines = lines
        self.waiting = waiting
    }

    package mutating func add(_ other: DueResult) {
        lines += other.lines
        waiting += other.waiting
        failures.merge(other.failures) { first, _ in first }
    }

    /// What failed, in a sentence or two; empty when nothing did.
    package var problem: String {
        guard let first = failures.min(by: { $0.key < $1.key }) else { return "" }
        let others = failures.count == 1 ? "" : " So does that of \(failures.count - 1) other accounts."
        return "Work that is due for account \(first.key) fails: \(first.value)\(others)"
    }
}

/// Due work that failed for some accounts, on a clock that does not go on without it.
struct DueWorkFailed: Error {
    let result: DueResult
}
