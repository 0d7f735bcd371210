/// How many steps a saga has, and which of them decides: before the pivot is done everything is undone on a refusal,
/// after it the saga only goes forward (reliability 5).
package struct SagaShape: Hashable, Sendable {
    package let steps: Int
    package let pivot: Int

    /// - Precondition: `0 <= pivot < steps`.
    package init(steps: Int, pivot: Int) {
        precondition((0..<steps).contains(pivot), "a saga of \(steps) steps with pivot \(pivot)")
        self.steps = steps
        self.pivot = pivot
    }
}

/// One row of a saga's journal, without what it carries.
package struct SagaEvent: Hashable, Sendable {
    /// The raw values are stored.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// About to be sent; or, after the undo of the pivot was answered "already done", sent again for its reply.
        case started = "STARTED"
        case done = "DONE"
        /// Refused by its service, which recorded the refusal and will never do it: nothing to undo.
        case rejected = "REJECTED"
        case undoStarted = "UNDO_STARTED"
        case undone = "UNDONE"
    }

    package let step: Int
    package let kind: Kind
    /// The fencing epoch of the process that wrote it; never decreases along a journal.
    package let epoch: UInt64

    package init(_ kind: Kind, _ step: Int, epoch: UInt64) {
        self.step = step
        self.kind = kind
        self.epoch = epoch
    }
}

/// A saga's journal as a state machine. The engine asks it what to do, and recovery replays the journal through it, so
/// a restarted saga continues exactly where the log says.
package struct SagaStateMachine: Hashable, Sendable {
    package enum State: Hashable, Sendable {
        /// The step comes next and was not sent. Can transition to `running` when it is started.
        case ready(step: Int)
        /// The step was sent and its outcome is unknown. Can transition to `ready` or `committed` when it is done; up to
        /// the pivot also to `unwinding` or `aborted` when it is refused, and to `undoing` when nobody waits any longer.
        case running(step: Int)
        /// The pivot is known to be done, its reply is not. Can transition to `ready` or `committed` when it comes.
        case confirming(step: Int)
        /// The step is to be undone and its undo was not sent. Can transition to `undoing`.
        case unwinding(step: Int)
        /// The undo was sent and its outcome is unknown. Can transition to `unwinding` the step before or to `aborted`;
        /// from the pivot also to `confirming`, when it turns out to be done.
        case undoing(step: Int)
        /// Every step is done.
        case committed
        /// No step has an effect any more.
        case aborted
    }

    /// What the engine does next.
    package enum Action: Hashable, Sendable {
        /// Journal that the step starts, then send it.
        case start(step: Int)
        case send(step: Int)
        /// Journal that the undo starts, then send it.
        case startUndo(step: Int)
        case sendUndo(step: Int)
        case finish
    }

    /// What came of sending a step or its undo.
    package enum Outcome: Hashable, Sendable, CaseIterable {
        case replied
        /// A refusal that the service recorded: the same for ever.
        case refusedForGood
        /// A refusal that a repeat might not get: another saga holds the group. A late copy of the call could still run.
        case refusedForNow
        /// No reply in time, or one that says nothing about the step. It may have run.
        case unanswered
        /// The same, and the saga has no time left for the steps before its pivot.
        case unansweredTooLong
        /// The pivot's service says that it cannot be undone, since it is done.
        case alreadyDone
    }

    /// What the engine journals or does about an outcome.
    package enum Decision: Hashable, Sendable {
        case journal(SagaEvent.Kind)
        case retry
    }

    package let shape: SagaShape
    package private(set) var state: State = .ready(step: 0)
    package private(set) var epoch: UInt64 = 0

    package init(_ shape: SagaShape) { self.shape = shape }

    /// The state that a journal led to.
    package init(_ shape: SagaShape, replaying events: some Sequence<SagaEvent>) throws(SagaLogError) {
        self.init(shape)
        for event in events { try apply(event) }
    }

    package var action: Action {
        switch state {
        case .ready(let step): .start(step: step)
        case .running(let step), .confirming(let step): .send(step: step)
        case .unwinding(let step): .startUndo(step: step)
        case .undoing(let step): .sendUndo(step: step)
        case .committed, .aborted: .finish
        }
    }

    /// The step that the saga is at; `nil` once it ended.
    package var step: Int? {
        switch state {
        case .ready(let step), .running(let step), .confirming(let step), .unwinding(let step), .undoing(let step):
            step
        case .committed, .aborted: nil
        }
    }

    package var isFinished: Bool { step == nil }

    /// Whether the saga is on its way back.
    package var isUndoing: Bool {
        switch state {
        case .unwinding, .undoing: true
        case .ready, .running, .confirming, .committed, .aborted: false
        }
    }

    /// Whether the saga may still be given up: nothing is decided yet. An unknown pivot counts as undecided, its undo
    /// will tell.
    package var canAbort: Bool {
        switch state {
        case .ready(let step), .running(let step): step <= shape.pivot
        case .confirming, .unwinding, .undoing, .committed, .aborted: false
        }
    }

    /// Takes one row of the journal.
    /// - Throws: `SagaLogError` for an event that cannot follow; the machine is unchanged.
    package mutating func apply(_ event: SagaEvent) throws(SagaLogError) {
        guard event.epoch >= epoch else {
            throw .epochWentBack(from: epoch, to: event.epoch)
        }
        guard let next = successor(of: state, on: event) else { throw .illegal(event, in: state) }
        state = next
        epoch = event.epoch
    }

    private func successor(of state: State, on event: SagaEvent) -> State? {
        let step = event.step
        switch (state, event.kind) {
        case (.ready(step), .started): return .running(step: step)
        case (.running(step), .done), (.confirming(step), .done): return afterDone(step)
        case (.running(step), .rejected) where step <= shape.pivot: return afterUndone(step)
        case (.running(step), .undoStarted) where step <= shape.pivot: return .undoing(step: step)

        case (.unwinding(step), .undoStarted): return .undoing(step: step)
        case (.undoing(step), .undone): return afterUndone(step)
        case (.undoing(step), .started) where step == shape.pivot: return .confirming(step: step)

        case (.ready, _), (.running, _), (.confirming, _), (.unwinding, _), (.undoing, _), (.committed, _),
            (.aborted, _):
            return nil
        }
    }

    private func afterDone(_ step: Int) -> State { step + 1 == shape.steps ? .committed : .ready(step: step + 1) }
    private func afterUndone(_ step: Int) -> State { step == 0 ? .aborted : .unwinding(step: step - 1) }

    /// What follows from the outcome of the call that the last action sent.
    /// - Precondition: the state is one in which a call is under way.
    package func decision(on outcome: Outcome) -> Decision {
        switch state {
        case .running(let step) where step <= shape.pivot:
            switch outcome {
            case .replied: .journal(.done)
            case .refusedForGood: .journal(.rejected)
            // Undone as well: the service may still hold a copy of the call that would run later.
            case .refusedForNow, .unansweredTooLong: .journal(.undoStarted)
            case .unanswered, .alreadyDone: .retry
            }
        case .running, .confirming:
            switch outcome {
            case .replied: .journal(.done)
            case .refusedForGood, .refusedForNow, .unanswered, .unansweredTooLong, .alreadyDone: .retry
            }
        case .undoing(let step):
            switch outcome {
            case .replied: .journal(.undone)
            case .alreadyDone: step == shape.pivot ? .journal(.started) : .retry
            case .refusedForGood, .refusedForNow, .unanswered, .unansweredTooLong: .retry
            }
        case .ready, .unwinding, .committed, .aborted:
            preconditionFailure("an outcome of a call in state \(state), which has none under way")
        }
    }
}

/// A journal that no correct gateway can have written: it stops the saga, which is then shown to an operator.
package enum SagaLogError: Error, Hashable, CustomStringConvertible {
    case illegal(SagaEvent, in: SagaStateMachine.State)
    case epochWentBack(from: UInt64, to: UInt64)
    /// A row names a step that its definition does not have.
    case unknownStep(String)

    package var description: String {
        switch self {
        case .illegal(let event, let state):
            "event \(event.kind.rawValue) of step \(event.step) cannot follow state \(state)"
        case .epochWentBack(let from, let to): "epoch went back from \(from) to \(to)"
        case .unknownStep(let name): "no step is named '\(name)'"
        }
    }
}
