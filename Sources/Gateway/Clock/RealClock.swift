package import BillingCore
package import Logging
package import RPC
package import Storage
import Synchronization

/// The wall clock, as long as the monotonic clock agrees with it. Due work is looked for about once a second.
///
/// A wall clock that was set forward while the gateway was down would release groups whose owners still have time to pay,
/// and that cannot be undone (reliability 2.3). So a new process releases nothing in its first ten minutes; what was due
/// by then is released after them, unless an operator set the clock right and restarted the gateway.
package final class RealClock: BusinessClock {
    /// How long a process has seen its two clocks agree before it releases a group.
    static let releaseDelayMilliseconds: Int64 = 600_000
    /// How long work waits that could not be done for some accounts, before it is tried for them again.
    static let retryMilliseconds: Int64 = 60_000

    /// Work whose instant is over although it is not done for everybody.
    private struct Late {
        /// On the monotonic clock: when it is tried again.
        let from: Int64
        /// What failed; empty when it only waits.
        let problem: String
    }

    /// More than a pass over what is due takes, unless something is wrong.
    private static let passGraceMilliseconds: Int64 = 60_000

    private struct State {
        var rule: WallClockRule
        /// Everything due up to here is done. Starts before all time, so that missed work is caught up in order.
        var workedThrough = Timestamp.earliest
        /// Every account is cut through this hour.
        var cutThrough = Timestamp.earliest
        /// How many accounts the last cut passed by.
        var uncut: Int64 = 0
        var last: Timestamp
        var lines: Int64 = 0
        var problem = ""
        var isStopped = false
        var late: [DueStop.Work: Late] = [:]
    }

    private let database: any Database
    private let due: any DueWork
    private let time: any TimeSource
    private let passMilliseconds: Int64
    private let logger: Logger
    private let state: Mutex<State>
    /// The monotonic clock when the process started.
    private let startedMilliseconds: Int64

    /// - Parameter passMilliseconds: how often due work is looked for.
    package init(
        database: any Database, due: any DueWork, time: any TimeSource = SystemTimeSource(),
        passMilliseconds: Int64 = 1000, logger: Logger = Logger(label: "clock")
    ) {
        self.database = database
        self.due = due
        self.time = time
        self.passMilliseconds = passMilliseconds
        self.logger = logger
        let wall = time.wall
        startedMilliseconds = time.monotonicMilliseconds
        state = Mutex(State(rule: WallClockRule(wall: wall, monotonicMilliseconds: startedMilliseconds), last: wall))
    }

    /// The last stamp if the clock cannot be trusted now.
    package var now: Timestamp { (try? stamp()) ?? state.withLock { $0.last } }

    package var status: ClockStatus {
        let now = now
        return state.withLock { state in
            ClockStatus(
                mode: .real, now: now, target: now, startedAt: state.workedThrough, lines: state.lines,
                problem: ([state.problem] + DueStop.Work.allCases.compactMap { state.late[$0]?.problem })
                    .filter { !$0.isEmpty }.joined(separator: " "))
        }
    }

    package var duesSeenThrough: Timestamp {
        let uptime = time.monotonicMilliseconds - startedMilliseconds
        guard uptime >= Self.releaseDelayMilliseconds + Self.passGraceMilliseconds else { return .earliest }
        return now.adding(milliseconds: -Self.passGraceMilliseconds)
    }

    package func start() async throws {
        let start = now
        let stored = try await database.write { transaction -> (mode: ClockMode, now: Timestamp)? in
            if let stored = try transaction.clock() { return stored }
            try transaction.insertClock(.real, now: start)
            return nil
        }
        if let stored, stored.mode != .real { throw ClockError.otherMode(stored: stored.mode, asked: .real) }
    }

    package func begin(_ sagas: any DueSagas) {
        Task {
            await sagas.waitForRecovered()
            await self.run(sagas)
        }
    }

    package func stop() { state.withLock { $0.isStopped = true } }

    private func stamp() throws(ClockError) -> Timestamp {
        let (wall, monotonic) = (time.wall, time.monotonicMilliseconds)
        return try state.withLock { state throws(ClockError) in
            state.last = try state.rule.stamp(wall: wall, monotonicMilliseconds: monotonic)
            return state.last
        }
    }

    package func instant(for call: CallContext) throws -> Timestamp {
        if let asked = call.effectiveAt { throw ClockError.effectiveAtRefused(asked) }
        return try stamp()
    }

    package func stamped<Result: Sendable>(
        _ call: CallContext, _ body: @Sendable (Timestamp) async throws -> Result
    ) async throws -> Result {
        try await body(try instant(for: call))
    }

    package func cutBefore(_ call: CallContext, at instant: Timestamp) async throws {
        let hour = BillingCalendar.hour(of: instant)
        guard !call.account.isEmpty, state.withLock({ $0.cutThrough < hour }) else { return }
        try await due.cut(account: call.account, through: hour)
    }

    package func expectDue(at instant: Timestamp) {
        // Each pass asks anew what is due.
    }

    package func advance(to target: Timestamp, until deadline: Deadline) async throws -> ClockStatus {
        throw ClockError.real
    }

    // MARK: - Due work

    private func run(_ sagas: any DueSagas) async {
        while !state.withLock({ $0.isStopped }) {
            do {
                try await pass(sagas)
                state.withLock { $0.problem = "" }
            } catch {
                state.withLock { $0.problem = problem(error) }
                logger.warning("due work failed and is tried again", metadata: ["cause": "\(error)"])
            }
            await time.pause(milliseconds: passMilliseconds)
        }
    }

    /// Does all that is due by now, in order. What fails for single accounts is tried for them again later, and the others
    /// go on.
    func pass(_ sagas: any DueSagas) async throws {
        let now = try stamp()
        while let stop = try await nextStop(notAfter: now) {
            for work in stop.work { try await perform(work, at: stop, sagas) }
            state.withLock { $0.workedThrough = stop.at }
        }
        let monotonic = time.monotonicMilliseconds
        let late = state.withLock { state in state.late.filter { $0.value.from <= monotonic } }
        for work in DueStop.Work.allCases where late[work] != nil {
            try await perform(work, at: DueStop(at: now, work: [work]), sagas)
        }
        state.withLock { state in
            // Accounts that were passed by are cut one by one before their calls until the next hour.
            if state.uncut == 0 { state.cutThrough = BillingCalendar.hour(of: now) }
        }
    }

    private func perform(_ work: DueStop.Work, at stop: DueStop, _ sagas: any DueSagas) async throws {
        let trustedFrom = startedMilliseconds + Self.releaseDelayMilliseconds
        if work == .release, time.monotonicMilliseconds < trustedFrom {
            return state.withLock { $0.late[work] = Late(from: trustedFrom, problem: "") }
        }
        let result = try await due.perform(work, at: stop, sagas)
        for (account, cause) in result.failures {
            logger.error(
                "due work failed for an account and is tried again",
                metadata: ["work": "\(work)", "account": "\(account)", "cause": "\(cause)"])
        }
        let retryAt = time.monotonicMilliseconds + Self.retryMilliseconds
        state.withLock { state in
            state.lines += result.lines
            var isDone = result.failures.isEmpty
            if work == .cut {
                // Who waits for a saga is cut when that ends.
                state.uncut = result.waiting + Int64(result.failures.count)
            } else {
                isDone = isDone && result.waiting == 0
            }
            state.late[work] = isDone ? nil : Late(from: retryAt, problem: result.problem)
        }
    }

    private func nextStop(notAfter now: Timestamp) async throws -> DueStop? {
        let done = state.withLock { $0.workedThrough }
        return try await due.due(after: done).after(done).nextStop(notAfter: now)
    }
}
