package import BillingCore
package import Logging
package import RPC
package import Storage
import Synchronization

/// A clock that stands until somebody moves it, and stops on the way at every instant at which something is due. It is
/// kept before the work of an instant is done, so a restarted gateway does that work again and skips none.
package final class ManualClock: BusinessClock {
    /// 2026-01-01 00:00 in the billing time zone: where a new system starts unless told otherwise.
    package static let defaultStart = Timestamp(milliseconds: 1_767_196_800_000)
    /// Failures in a row after which whoever waits for the clock is told.
    private static let failuresToTell = 3

    private struct State {
        var now: Timestamp
        var target: Timestamp
        var startedAt: Timestamp
        var lines: Int64 = 0
        var problem = ""
        var failures = 0
        /// Stamped calls that are not over.
        var calls = 0
        var isMoving = false
        /// Kept as `now`, its work not known to be done.
        var unfinished: DueStop?
        /// Nothing is due before this. A call makes nothing due before the top of the hour that follows it: slices are
        /// cut and terms end there, as do attempts of auto-renewal at 08:00; an order times out a day after it was placed,
        /// a group is released 15 days after it expired or was found overdue, and notices follow that at whole days. A
        /// coupon starts when its grant says, of which `expectDue` tells.
        var nothingBefore = Timestamp.earliest
        var isStopped = false
        /// `nil` until the clock has begun.
        var sagas: (any DueSagas)?
    }

    private let database: any Database
    private let due: any DueWork
    private let time: any TimeSource
    private let schedule: RetrySchedule
    private let random: @Sendable (ClosedRange<Int64>) -> Int64
    private let executor: (any TaskExecutor)?
    private let logger: Logger
    private let state: Mutex<State>
    /// Rung when the last stamped call is over.
    private let quiet = Bell()
    /// Rung when the clock stands, or when those who wait for it should be told why it does not move.
    private let moved = Bell()

    /// - Parameters:
    ///   - start: where a new clock starts; an existing one stays where it is.
    ///   - executor: where the clock moves: best where the sockets of `due` are; `nil`: the default pool.
    package init(
        start: Timestamp = ManualClock.defaultStart, database: any Database, due: any DueWork,
        time: any TimeSource = SystemTimeSource(), schedule: RetrySchedule = RetrySchedule(),
        random: @escaping @Sendable (ClosedRange<Int64>) -> Int64 = { Int64.random(in: $0) },
        executor: (any TaskExecutor)? = nil, logger: Logger = Logger(label: "clock")
    ) {
        self.database = database
        self.due = due
        self.time = time
        self.schedule = schedule
        self.random = random
        self.executor = executor
        self.logger = logger
        state = Mutex(State(now: start, target: start, startedAt: start))
    }

    package var now: Timestamp { state.withLock { $0.now } }

    package var status: ClockStatus {
        state.withLock { state in
            ClockStatus(
                mode: .manual, now: state.now, target: state.target, startedAt: state.startedAt, lines: state.lines,
                problem: state.problem)
        }
    }

    package var duesSeenThrough: Timestamp {
        state.withLock { $0.unfinished == nil ? $0.now : $0.now.adding(milliseconds: -1) }
    }

    package func start() async throws {
        let start = now
        let stored = try await database.write { transaction -> (mode: ClockMode, now: Timestamp)? in
            if let stored = try transaction.clock() { return stored }
            try transaction.insertClock(.manual, now: start)
            return nil
        }
        guard let stored else { return }
        guard stored.mode == .manual else { throw ClockError.otherMode(stored: stored.mode, asked: .manual) }
        state.withLock { state in
            (state.now, state.target, state.startedAt) = (stored.now, stored.now, stored.now)
            state.unfinished = .everything(at: stored.now)
            state.isMoving = true
        }
    }

    package func begin(_ sagas: any DueSagas) {
        let mustMove = state.withLock { state in
            state.sagas = sagas
            return state.isMoving
        }
        guard mustMove else { return }
        Task(executorPreference: executor) {
            await sagas.waitForRecovered()
            await self.move()
        }
    }

    package func stop() {
        state.withLock { $0.isStopped = true }
        quiet.ring()
        moved.ring()
    }

    // MARK: - Stamping

    package func instant(for call: CallContext) throws -> Timestamp { try checked(call.effectiveAt, now: now) }

    package func stamped<Result: Sendable>(
        _ call: CallContext, _ body: @Sendable (Timestamp) async throws -> Result
    ) async throws -> Result {
        let now = try await enter(until: call.deadline)
        defer { leave() }
        return try await body(try checked(call.effectiveAt, now: now))
    }

    package func cutBefore(_ call: CallContext, at instant: Timestamp) async throws {
        // Everything due up to now was done before the clock stood still here.
    }

    package func expectDue(at instant: Timestamp) {
        state.withLock { $0.nothingBefore = min($0.nothingBefore, instant) }
    }

    private func checked(_ asked: Timestamp?, now: Timestamp) throws(ClockError) -> Timestamp {
        guard let asked else { return now }
        guard asked <= now else { throw .effectiveAtAhead(asked, now: now) }
        return asked
    }

    /// Counts a call in, once the clock stands.
    private func enter(until deadline: Deadline) async throws(ClockError) -> Timestamp {
        while true {
            let seen = moved.rings
            let (now, stands, problem) = state.withLock { state in
                if !state.isMoving { state.calls += 1 }
                return (state.now, !state.isMoving, state.problem)
            }
            if stands { return now }
            if deadline.hasPassed {
                throw .standing(at: now, problem: problem.isEmpty ? "the work takes longer." : problem)
            }
            await moved.wait(after: seen, until: deadline)
        }
    }

    private func leave() {
        let isQuiet = state.withLock { state in
            state.calls -= 1
            return state.calls == 0
        }
        if isQuiet { quiet.ring() }
    }

    // MARK: - Moving

    package func advance(to target: Timestamp, until deadline: Deadline) async throws -> ClockStatus {
        guard target >= .earliest, target <= .latest else { throw ClockError.outOfRange(target.milliseconds) }
        let mustStart = try state.withLock { state throws(ClockError) in
            guard target >= state.now else { throw .backwards(to: target, now: state.now) }
            guard target > state.target || state.isMoving else { return false }
            state.target = max(state.target, target)
            guard !state.isMoving else { return false }
            (state.isMoving, state.startedAt, state.lines) = (true, state.now, 0)
            return true
        }
        if mustStart { Task(executorPreference: executor) { await self.move() } }
        while true {
            let seen = moved.rings
            let status = status
            let isTold = state.withLock { state in
                !state.isMoving || state.now >= target && state.unfinished == nil || state.isStopped
                    || state.failures >= Self.failuresToTell
            }
            if isTold || deadline.hasPassed { return status }
            await moved.wait(after: seen, until: deadline)
        }
    }

    /// Moves to the target, once every stamped call is over. What fails is tried again until it is done.
    private func move() async {
        await untilQuiet()
        while !state.withLock({ $0.isStopped }) {
            do {
                guard try await moveOn() else { return }
            } catch {
                let failures = state.withLock { state in
                    state.failures += 1
                    state.problem = problem(error)
                    return state.failures
                }
                logger.warning(
                    "due work failed and is tried again",
                    metadata: ["at": "\(now)", "attempt": "\(failures)", "cause": "\(error)"])
                moved.ring()
                await time.pause(milliseconds: schedule.delay(afterAttempt: failures, random: random))
            }
        }
    }

    private func untilQuiet() async {
        while true {
            let seen = quiet.rings
            if state.withLock({ $0.calls == 0 || $0.isStopped }) { return }
            await quiet.wait(after: seen, until: .after(milliseconds: 60_000))
        }
    }

    /// Finishes the work of the last stop, then goes to the next one, or to the target.
    /// - Returns: whether there is more to do.
    private func moveOn() async throws -> Bool {
        if let stop = state.withLock({ $0.unfinished }) { try await work(at: stop) }
        let (now, target, isThere) = state.withLock { state in
            let isThere = state.now >= state.target
            if isThere { state.isMoving = false }
            return (state.now, state.target, isThere)
        }
        if isThere {
            moved.ring()
            return false
        }
        let stop = try await nextStop(after: now, notAfter: target)
        let next = stop?.at ?? target
        try await database.write { try $0.setClock(now: next) }
        state.withLock { state in
            (state.now, state.unfinished) = (next, stop)
            (state.problem, state.failures) = ("", 0)
        }
        return true
    }

    private func nextStop(after now: Timestamp, notAfter target: Timestamp) async throws -> DueStop? {
        if state.withLock({ target < $0.nothingBefore }) { return nil }
        let due = try await due.due(after: now).after(now)
        let nextHour = BillingCalendar.hour(of: now).adding(milliseconds: .millisecondsPerHour)
        state.withLock { $0.nothingBefore = min(due.earliest ?? nextHour, nextHour) }
        return due.nextStop(notAfter: target)
    }

    private func work(at stop: DueStop) async throws {
        let sagas = state.withLock { state in
            state.startedAt = stop.at
            return state.sagas
        }
        guard let sagas else { preconditionFailure("a clock that moves before it has begun") }
        var lines: Int64 = 0
        for work in stop.work {
            let result = try await due.perform(work, at: stop, sagas)
            lines += result.lines
            guard result.failures.isEmpty else { throw DueWorkFailed(result: result) }
        }
        state.withLock { state in
            state.lines += lines
            state.unfinished = nil
            (state.problem, state.failures) = ("", 0)
        }
    }
}

/// Why due work failed, for a person.
func problem(_ error: any Error) -> String {
    if let failed = error as? DueWorkFailed { return failed.result.problem }
    return (error as? any BillingError)?.message ?? "an error inside the gateway, which is in its log."
}
