import BillingCore
import Logging
import RPC
import Storage
import Synchronization

/// Runs sagas: journals each event before it acts on it, sends steps, retries, undoes, and takes up what a predecessor
/// left (reliability 5). Sagas run side by side; nothing that one waits for holds up another.
final class SagaEngine: Sendable {
    /// Where a saga of this process may be made to die. In earnest the process dies with it; a test throws instead.
    typealias Interruption = @Sendable (CrashPoint, SagaStep) throws -> Void

    struct Surroundings: Sendable {
        var database: any Database
        var services: Services
        var identifiers: any IdentifierGenerator
        var time: any TimeSource
        var schedule = RetrySchedule()
        /// A random number of the range, for jitter.
        var random: @Sendable (ClosedRange<Int64>) -> Int64 = { Int64.random(in: $0) }
        /// The business clock.
        var now: @Sendable () -> Timestamp
        /// Cuts an account that cuts passed by while a saga held one of its groups.
        var catchUp: @Sendable (_ account: String) async -> Void
        /// Tells this process from the one before it.
        var owner: String
        /// Where sagas run: best where the sockets of `services` are; `nil`: the default pool.
        var executor: (any TaskExecutor)?
        var logger = Logger(label: "saga")
        var interruption: Interruption
    }

    let surroundings: Surroundings
    private let live = Mutex<[String: LiveSaga]>([:])
    private let recoveredSagas = Mutex<[LiveSaga]>([])
    private let isStopping = Atomic<Bool>(false)

    init(_ surroundings: Surroundings) { self.surroundings = surroundings }

    // MARK: - For the API

    /// The answer of the saga that an earlier call with the same key started; `nil` if there was none. Waits for it if
    /// it is under way.
    /// - Throws: `GatewayError.keyMissing`, `.keyReused`, `.sagaUnderWay` at the deadline; what refused the saga.
    func earlier<Request: WireMessage, Reply: WireMessage>(
        _ call: CallContext, _ request: Request, as reply: Reply.Type = Reply.self
    ) async throws -> Response<Reply>? {
        guard let key = call.key else { throw GatewayError.keyMissing }
        let (account, method) = (call.account, call.method.id)
        let found = try await surroundings.database.read {
            try $0.saga(account: account, method: method, key: key.text)
        }
        guard let found else { return nil }
        guard found.fingerprint == request.fingerprint else { throw GatewayError.keyReused(key.text) }
        return try await answer(of: found, until: call.deadline, isReplay: true)
    }

    /// Starts a saga for an API call and waits for it, or joins the one that an earlier call with the same key started.
    /// - Throws: as `earlier`; `GatewayError.groupLocked` while another saga is about the group.
    func run<Request: WireMessage, Reply: WireMessage>(
        _ definition: SagaDefinition, group: String, input: FrozenMessages, _ call: CallContext, _ request: Request,
        at effective: Timestamp, as reply: Reply.Type = Reply.self
    ) async throws -> Response<Reply> {
        guard let key = call.key else { throw GatewayError.keyMissing }
        let now = surroundings.now()
        let run = try SagaRun(
            definition,
            SagaRecord(
                sagaID: SagaID(from: surroundings.identifiers).text, account: call.account,
                definition: definition.name, definitionVersion: definition.version, groupID: group,
                method: call.method.id, key: key.text, fingerprint: request.fingerprint, input: input.bytes,
                effectiveAt: effective, status: .running, step: "", epoch: 1, owner: surroundings.owner,
                isParked: false, attempts: 0, lastError: "", answer: nil, createdAt: now, updatedAt: now))
        let (record, isNew) = try await start(run)
        guard record.fingerprint == request.fingerprint else { throw GatewayError.keyReused(key.text) }
        return try await answer(of: record, until: call.deadline, isReplay: !isNew)
    }

    /// Keeps a new saga and sets it going, unless its key has one already.
    /// - Returns: the new saga's record, or that of the one that has the key.
    /// - Throws: `GatewayError.groupLocked` while another saga is about the group.
    func start(_ run: SagaRun) async throws -> (record: SagaRecord, isNew: Bool) {
        let saga = LiveSaga()
        let sagaID = run.record.sagaID
        // Registered before it is kept, so that whoever finds it in the journal finds it here too.
        live.withLock { $0[sagaID] = saga }
        do {
            if let existing = try await surroundings.database.write({ try Self.begin(run, in: $0) }) {
                live.withLock { $0[sagaID] = nil }
                return (existing, false)
            }
        } catch {
            live.withLock { $0[sagaID] = nil }
            throw error
        }
        var kept = run
        kept.saved()
        launch(kept, saga)
        return (run.record, true)
    }

    /// Keeps a new saga, unless its key or its group has one.
    /// - Returns: the saga that has the key already.
    private static func begin(_ run: SagaRun, in transaction: any Transaction) throws -> SagaRecord? {
        let record = run.record
        if let key = record.key,
            let existing = try transaction.saga(account: record.account, method: record.method, key: key)
        {
            return existing
        }
        if let other = try transaction.unfinishedSaga(account: record.account, group: record.groupID) {
            throw GatewayError.groupLocked(record.groupID, by: other.sagaID)
        }
        try transaction.insert(record)
        try transaction.append(run.unsaved, to: record)
        return nil
    }

    private func answer<Reply: WireMessage>(
        of record: SagaRecord, until deadline: Deadline, isReplay: Bool
    ) async throws -> Response<Reply> {
        var record = record
        if record.answer == nil, let saga = live.withLock({ $0[record.sagaID] }) {
            switch await saga.ending(until: deadline) {
            case .finished(let finished): record = finished
            case .left: throw GatewayError.sagaLeft(record.sagaID)
            case nil: throw GatewayError.sagaUnderWay(record.sagaID, step: record.step)
            }
        }
        if record.answer == nil {
            // It ended between the look at the journal and the look at the live ones.
            let sagaID = record.sagaID
            record = try await surroundings.database.read { try $0.saga(id: sagaID) } ?? record
        }
        guard let answer = record.answer else { throw GatewayError.sagaLeft(record.sagaID) }
        return try answer.response(Reply.self, isReplay: isReplay)
    }

    // MARK: - For operators and programs

    /// How a saga goes that this process works on.
    func progress(of sagaID: String) -> LiveSaga.Progress? { saga(sagaID)?.progress }

    /// A saga that this process works on; `nil` when it does not, or not any more.
    func saga(_ sagaID: String) -> LiveSaga? { live.withLock { $0[sagaID] } }

    /// Takes up every unfinished saga of the process before, with a new epoch. To be done before any call is served.
    func recover() async throws {
        let owner = surroundings.owner
        let found = try await surroundings.database.write { transaction in
            try transaction.takeOverSagas(owner: owner)
            return try transaction.unfinishedSagas().map { ($0, try transaction.events(of: $0)) }
        }
        for (record, events) in found { await resume(record, events) }
        let taken = found.compactMap { saga($0.0.sagaID) }
        recoveredSagas.withLock { $0 = taken }
    }

    /// The sagas that this process took up from the one before it.
    var recovered: [LiveSaga] { recoveredSagas.withLock { $0 } }

    /// Ends the pause of a parked saga; one that this process does not work on is taken up.
    /// - Throws: `GatewayError.sagaNotFound`, `.sagaFinished`.
    func retry(_ sagaID: String, account: String) async throws {
        let found = try await surroundings.database.read { transaction in
            try transaction.saga(id: sagaID, account: account).map { ($0, try transaction.events(of: $0)) }
        }
        guard let (record, events) = found else { throw GatewayError.sagaNotFound(sagaID) }
        guard !record.status.isFinished else { throw GatewayError.sagaFinished(sagaID) }
        if let saga = live.withLock({ $0[sagaID] }) { return saga.wake.ring() }
        await resume(record, events)
    }

    /// Leaves all sagas to the journal and whoever reads it next.
    func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        for saga in live.withLock({ Array($0.values) }) { saga.wake.ring() }
    }

    private func resume(_ record: SagaRecord, _ events: [SagaEventRecord]) async {
        do {
            guard let definition = SagaDefinition.named(record.definition, version: record.definitionVersion) else {
                throw RPCError.journalDamaged("no definition '\(record.definition)' \(record.definitionVersion)")
            }
            var run = try SagaRun(definition, record, events: events)
            try run.settle(at: surroundings.now())
            let saga = LiveSaga()
            live.withLock { $0[record.sagaID] = saga }
            launch(run, saga)
        } catch {
            surroundings.logger.error(
                "a saga cannot be resumed", metadata: ["saga": "\(record.sagaID)", "cause": "\(error)"])
            await park(record, "\(error)")
        }
    }

    /// Keeps what an operator should see. If even that fails the log has it, and the saga is unfinished all the same.
    private func park(_ record: SagaRecord, _ cause: String) async {
        do {
            try await surroundings.database.write { try $0.park(record, cause) }
        } catch {
            surroundings.logger.error(
                "the state of a saga cannot be kept", metadata: ["saga": "\(record.sagaID)", "cause": "\(error)"])
        }
    }

    // MARK: - Running

    private func launch(_ run: SagaRun, _ saga: LiveSaga) {
        Task(executorPreference: surroundings.executor) { await self.finish(run, saga) }
    }

    private func finish(_ run: SagaRun, _ saga: LiveSaga) async {
        var ending = LiveSaga.Ending.left
        do {
            ending = .finished(try await drive(run, saga))
        } catch is Left {
            surroundings.logger.notice("a saga was left", metadata: ["saga": "\(run.record.sagaID)"])
        } catch {
            surroundings.logger.error(
                "a saga stopped", metadata: ["saga": "\(run.record.sagaID)", "cause": "\(error)"])
            await park(run.record, "\(error)")
        }
        live.withLock { $0[run.record.sagaID] = nil }
        saga.end(ending)
    }

    /// This process has no business with the saga any more: it stops, or another one took over.
    private struct Left: Error {}

    private func drive(_ start: SagaRun, _ saga: LiveSaga) async throws -> SagaRecord {
        var run = start
        if !run.unsaved.isEmpty { try await keep(&run) }
        let decideBefore = surroundings.time.monotonicMilliseconds + surroundings.schedule.decisionMilliseconds
        while !run.machine.isFinished { try await finishStep(&run, saga, decideBefore: decideBefore) }
        if run.definition.holdsLock { await surroundings.catchUp(run.record.account) }
        return run.record
    }

    /// Sends the call under way until its outcome is known, and keeps that.
    private func finishStep(_ run: inout SagaRun, _ saga: LiveSaga, decideBefore: Int64) async throws {
        let step = SagaStep(
            sagaID: run.record.sagaID, definition: run.definition.name, step: run.stepName,
            isUndo: run.machine.isUndoing)
        let since = surroundings.time.monotonicMilliseconds
        var attempt = 0
        try reach(.before, step)
        while true {
            if isStopping.load(ordering: .sequentiallyConsistent) { throw Left() }
            attempt += 1
            let result = try await send(run, step)
            let now = surroundings.time.monotonicMilliseconds
            let outcome = try outcome(of: result, isTooLate: run.machine.canAbort && now >= decideBefore)
            switch run.machine.decision(on: outcome) {
            case .journal(let kind):
                try reach(.replied, step)
                try run.take(kind, output(of: result, outcome, run), at: surroundings.now())
                try await keep(&run)
                saga.progress = LiveSaga.Progress()
                return try reach(.after, step)
            case .retry:
                try await pause(&run, saga, attempt, result, since: since)
            }
        }
    }

    private func reach(_ point: CrashPoint, _ step: SagaStep) throws(Left) {
        do { try surroundings.interruption(point, step) } catch { throw Left() }
    }

    private func send(_ run: SagaRun, _ step: SagaStep) async throws -> Result<StoredAnswer, RPCError> {
        let now = surroundings.now()
        guard let call = try run.call(at: now) else {
            preconditionFailure("step \(step.step) of saga \(step.sagaID) is under way without a call")
        }
        let options = CallOptions(
            account: run.record.account, key: try IdempotencyKey("\(step.sagaID):\(step.step)"),
            effectiveAt: call.effectiveAt, epoch: run.record.epoch,
            deadline: .after(milliseconds: surroundings.schedule.attemptMilliseconds))
        do {
            return .success(try await call.send(surroundings.services, options))
        } catch {
            return .failure(error)
        }
    }

    /// What a reply or refusal says about the step.
    /// - Throws: `Left` when the participant has seen a later epoch.
    private func outcome(
        of result: Result<StoredAnswer, RPCError>, isTooLate: Bool
    ) throws -> SagaStateMachine.Outcome {
        guard case .failure(let error) = result else { return .replied }
        switch (error.reason, error.status) {
        case ("saga.fenced", _): throw Left()
        case ("saga.already_done", _): return .alreadyDone
        // Another epoch of this saga took it back.
        case ("saga.undone", _), (_, .aborted): return .refusedForNow
        case (_, let status) where status.isRecorded: return .refusedForGood
        case (_, _): return isTooLate ? .unansweredTooLong : .unanswered
        }
    }

    /// What the journal keeps of an outcome: the reply, or why the saga turns round.
    private func output(
        of result: Result<StoredAnswer, RPCError>, _ outcome: SagaStateMachine.Outcome, _ run: SagaRun
    ) -> StoredAnswer? {
        switch (result, outcome) {
        case (.success(let answer), _): return answer
        case (.failure(let error), .unansweredTooLong):
            let givenUp = GatewayError.sagaGivenUp(run.record.sagaID, lastError: error.description)
            return StoredAnswer(refusal: RPCError(givenUp, callID: 0))
        case (.failure, .alreadyDone): return nil
        case (.failure(let error), .refusedForGood), (.failure(let error), .refusedForNow),
            (.failure(let error), .unanswered), (.failure(let error), .replied):
            return StoredAnswer(refusal: error)
        }
    }

    /// Waits before the next attempt; parks the saga when it can be neither given up nor finished for too long.
    private func pause(
        _ run: inout SagaRun, _ saga: LiveSaga, _ attempt: Int, _ result: Result<StoredAnswer, RPCError>,
        since: Int64
    ) async throws {
        var lastError = ""
        if case .failure(let error) = result { lastError = error.description }
        saga.progress = LiveSaga.Progress(attempts: attempt, lastError: lastError)
        let schedule = surroundings.schedule
        let isParked =
            !run.machine.canAbort
            && surroundings.time.monotonicMilliseconds - since >= schedule.parkAfterMilliseconds
        let seen = saga.wake.rings
        if isParked {
            if !run.record.isParked {
                surroundings.logger.error(
                    "a saga is parked: it is tried again slowly, and at once when an operator asks",
                    metadata: [
                        "saga": "\(run.record.sagaID)", "step": "\(run.stepName)", "cause": "\(lastError)",
                    ])
            }
            run.note(attempts: attempt, lastError: lastError, isParked: true)
            try await keep(&run)
            saga.park()
        }
        let milliseconds =
            isParked
            ? schedule.parkedRetryMilliseconds
            : schedule.delay(afterAttempt: attempt, random: surroundings.random)
        let time = surroundings.time
        await saga.wake.wait(after: seen) { await time.pause(milliseconds: milliseconds) }
    }

    /// Keeps the run's record and its new rows, if no other process took the saga over. Keeps trying while the database
    /// refuses, since what happened has happened.
    /// - Throws: `Left`.
    private func keep(_ run: inout SagaRun) async throws {
        let (record, unsaved) = (run.record, run.unsaved)
        var attempt = 0
        while true {
            do {
                let isOurs = try await surroundings.database.write { transaction in
                    guard try transaction.update(record) else { return false }
                    try transaction.append(unsaved, to: record)
                    return true
                }
                guard isOurs else { throw Left() }
                return run.saved()
            } catch let error as StorageError {
                attempt += 1
                surroundings.logger.error("the journal cannot be written", metadata: ["cause": "\(error)"])
                if isStopping.load(ordering: .sequentiallyConsistent) { throw Left() }
                await surroundings.time.pause(
                    milliseconds: surroundings.schedule.delay(afterAttempt: attempt, random: surroundings.random))
            }
        }
    }
}
