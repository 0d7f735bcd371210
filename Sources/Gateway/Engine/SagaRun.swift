import BillingAPI
import BillingCore
import RPC

/// One saga in the hands of the engine: its record, its journal as a state machine, and the rows that are not kept yet.
/// A value, so that a write that fails leaves nothing behind.
struct SagaRun: Sendable {
    let definition: SagaDefinition
    private(set) var record: SagaRecord
    private(set) var machine: SagaStateMachine
    /// Rows to be appended by the next write.
    private(set) var unsaved: [SagaEventRecord] = []

    private var sequence = 0
    private var done: [String: StoredAnswer] = [:]
    private var undone: [String: StoredAnswer] = [:]
    /// Why the saga is on its way back; `nil` while it goes forward.
    private var refusal: StoredAnswer?

    /// A new saga with its first steps started, ready to be kept.
    init(_ definition: SagaDefinition, _ record: SagaRecord) throws {
        self.definition = definition
        self.record = record
        machine = SagaStateMachine(definition.shape)
        try settle(at: record.createdAt)
    }

    /// A saga as its journal tells it.
    /// - Throws: `SagaLogError` for a journal that no gateway can have written.
    init(_ definition: SagaDefinition, _ record: SagaRecord, events: [SagaEventRecord]) throws {
        self.definition = definition
        self.record = record
        machine = SagaStateMachine(definition.shape)
        for event in events { try apply(event) }
    }

    /// The name of the step at hand; empty once the saga ended.
    var stepName: String { machine.step.map { definition.steps[$0].name } ?? "" }

    /// The call that is under way, or was when the journal was last written.
    func call(at now: Timestamp) throws(RPCError) -> StepCall? {
        guard let step = machine.step else { return nil }
        return try call(step, undo: machine.isUndoing, at: now)
    }

    /// Takes what came of the call under way, and what follows from it without another call. One write keeps it all:
    /// that the step is done, and that the next one is about to be sent (reliability 5).
    mutating func take(_ kind: SagaEvent.Kind, _ output: StoredAnswer?, at now: Timestamp) throws {
        guard let step = machine.step else { preconditionFailure("an outcome for a saga that ended") }
        try note(kind, step, output, at: now)
        try settle(at: now)
    }

    /// After the journal was read: starts what it says comes next, as a new saga does.
    mutating func settle(at now: Timestamp) throws {
        while true {
            switch machine.action {
            case .start(let step):
                try note(.started, step, nil, at: now)
                if try call(step, undo: false, at: now) != nil { return mark(at: now) }
                try note(.done, step, nil, at: now)
            case .startUndo(let step):
                try note(.undoStarted, step, nil, at: now)
                if try call(step, undo: true, at: now) != nil { return mark(at: now) }
                try note(.undone, step, nil, at: now)
            case .sendUndo(let step) where try call(step, undo: true, at: now) == nil:
                try note(.undone, step, nil, at: now)
            case .send, .sendUndo:
                return mark(at: now)
            case .finish:
                try finish(at: now)
                return mark(at: now)
            }
        }
    }

    /// What the journal came to; `nil` while it goes on.
    var end: SagaRecord.Status? {
        switch machine.state {
        case .committed: .committed
        case .aborted: .aborted
        case .ready, .running, .confirming, .unwinding, .undoing: nil
        }
    }

    /// The rows that the services keep of a saga whose steps are all done.
    func places() throws(RPCError) -> [StepRow.Place] {
        var places: [StepRow.Place] = []
        for (index, step) in definition.steps.enumerated() {
            for place in try call(index, undo: false, at: record.updatedAt)?.places ?? [] {
                places.append(
                    StepRow.Place(
                        participant: place.participant.rawValue, step: place.step ?? step.name,
                        decides: step.name == definition.pivot))
            }
        }
        return places
    }

    /// The rows were kept.
    mutating func saved() { unsaved = [] }

    /// Notes how the step at hand goes, for whoever lists sagas.
    mutating func note(attempts: Int, lastError: String, isParked: Bool) {
        record.attempts = attempts
        record.lastError = lastError
        record.isParked = isParked
    }

    private mutating func note(
        _ kind: SagaEvent.Kind, _ step: Int, _ output: StoredAnswer?, at now: Timestamp
    ) throws {
        let event = SagaEventRecord(
            sequence: sequence + 1, step: definition.steps[step].name, kind: kind, epoch: record.epoch, output: output,
            at: now)
        try apply(event)
        unsaved.append(event)
    }

    private mutating func apply(_ event: SagaEventRecord) throws {
        try machine.apply(SagaEvent(event.kind, definition.index(of: event.step), epoch: event.epoch))
        sequence = event.sequence
        switch event.kind {
        case .started: refusal = nil
        case .done: done[event.step] = event.output
        case .rejected: refusal = event.output
        case .undoStarted: refusal = refusal ?? event.output
        case .undone: undone[event.step] = event.output
        }
    }

    private mutating func mark(at now: Timestamp) {
        switch machine.state {
        case .ready, .running, .confirming: record.status = .running
        case .unwinding, .undoing: record.status = .undoing
        case .committed: record.status = .committed
        case .aborted: record.status = .aborted
        }
        record.step = stepName
        record.updatedAt = now
        record.attempts = 0
        record.isParked = false
        record.lastError = ""
    }

    private mutating func finish(at now: Timestamp) throws {
        let view = view(step: "", undo: false, at: now)
        if machine.state == .committed {
            record.answer = try definition.reply(view)
            return
        }
        guard let refusal, let error = try refusal.refusal() else {
            throw RPCError.journalDamaged("it was undone for no reason")
        }
        if let reply = try definition.abortedReply(view, error) {
            record.answer = reply
            return
        }
        record.answer = refusal
        // What might go otherwise the next time is no answer to keep: the same key may try again.
        if !error.status.isRecorded { record.key = nil }
    }

    private func call(_ step: Int, undo: Bool, at now: Timestamp) throws(RPCError) -> StepCall? {
        let definition = definition.steps[step]
        let view = view(step: definition.name, undo: undo, at: now)
        return try undo ? definition.undo(view) : definition.action(view)
    }

    private func view(step: String, undo: Bool, at now: Timestamp) -> SagaSoFar {
        SagaSoFar(
            sagaID: record.sagaID, startedAt: record.effectiveAt, now: now, input: FrozenMessages(bytes: record.input),
            step: CommonV1.SagaStep(
                sagaID: record.sagaID, definition: definition.name, step: step, undo: undo), done: done,
            undone: undone)
    }
}
