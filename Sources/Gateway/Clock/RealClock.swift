package import BillingCore
package import Logging
package import RPC
package import Storage
import Synchronization

/// The wall clock, as long as the monotonic clock agrees with it. Due work is looked for about once a second.
package final class RealClock: BusinessClock {
    private struct State {
        var rule: WallClockRule
        /// Everything due up to here is done. Starts before all time, so that missed work is caught up in order.
        var workedThrough = Timestamp.earliest
        /// Every account is cut through this hour.
        var cutThrough = Timestamp.earliest
        /// Accounts that the last cut passed by.
        var waiting: Int64 = 0
        var last: Timestamp
        var lines: Int64 = 0
        var problem = ""
        var isStopped = false
    }

    private let database: any Database
    private let due: any DueWork
    private let time: any TimeSource
    private let passMilliseconds: Int64
    private let logger: Logger
    private let state: Mutex<State>

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
        state = Mutex(
            State(rule: WallClockRule(wall: wall, monotonicMilliseconds: time.monotonicMilliseconds), last: wall))
    }

    /// The last stamp if the clock cannot be trusted now.
    package var now: Timestamp { (try? stamp()) ?? state.withLock { $0.last } }

    package var status: ClockStatus {
        let now = now
        return state.withLock { state in
            ClockStatus(
                mode: .real, now: now, target: now, startedAt: state.workedThrough, lines: state.lines,
                problem: state.problem)
        }
    }

    package func start() async throws {
        let start = now
        let stored = try await database.write { transaction -> (mode: ClockMode, now: Timestamp)? in
            if let stored = try transaction.clock() { return stored }
            try transaction.insertClock(.real, now: start)
            return nil
        }
        if let stored, stored.mode != .real { throw ClockError.otherMode(stored: stored.mode, asked: .real) }
        Task { await self.run() }
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

    package func advance(to target: Timestamp, until deadline: Deadline) async throws -> ClockStatus {
        throw ClockError.real
    }

    // MARK: - Due work

    private func run() async {
        while !state.withLock({ $0.isStopped }) {
            do {
                try await pass()
                state.withLock { $0.problem = "" }
            } catch {
                state.withLock { $0.problem = problem(error) }
                logger.warning("due work failed and is tried again", metadata: ["cause": "\(error)"])
            }
            await time.pause(milliseconds: passMilliseconds)
        }
    }

    /// Does all that is due by now, in order.
    func pass() async throws {
        let now = try stamp()
        while let stop = try await nextStop(notAfter: now) {
            for work in stop.work {
                let result = try await due.perform(work, at: stop)
                state.withLock { state in
                    state.lines += result.lines
                    if work == .cut { state.waiting = result.waiting }
                }
            }
            state.withLock { $0.workedThrough = stop.at }
        }
        state.withLock { state in
            // An account that waits for a saga is cut one by one before its calls until the next hour.
            if state.waiting == 0 { state.cutThrough = BillingCalendar.hour(of: now) }
        }
    }

    private func nextStop(notAfter now: Timestamp) async throws -> DueStop? {
        let done = state.withLock { $0.workedThrough }
        return try await due.due(after: done).after(done).nextStop(notAfter: now)
    }
}
