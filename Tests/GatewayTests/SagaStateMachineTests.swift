import Testing

@testable import Gateway

@Suite("The journal of a saga as a state machine") struct SagaStateMachineTests {
    /// lock, pay (pivot), switch.
    static let shape = SagaShape(steps: 3, pivot: 1)

    typealias State = SagaStateMachine.State

    /// A shortest journal that leads to each state.
    static let journals: [State: [(SagaEvent.Kind, Int)]] = [
        .ready(step: 0): [],
        .running(step: 0): [(.started, 0)],
        .ready(step: 1): [(.started, 0), (.done, 0)],
        .running(step: 1): [(.started, 0), (.done, 0), (.started, 1)],
        .ready(step: 2): [(.started, 0), (.done, 0), (.started, 1), (.done, 1)],
        .running(step: 2): [(.started, 0), (.done, 0), (.started, 1), (.done, 1), (.started, 2)],
        .committed: [(.started, 0), (.done, 0), (.started, 1), (.done, 1), (.started, 2), (.done, 2)],
        .undoing(step: 0): [(.started, 0), (.undoStarted, 0)],
        .unwinding(step: 0): [(.started, 0), (.done, 0), (.started, 1), (.rejected, 1)],
        .undoing(step: 1): [(.started, 0), (.done, 0), (.started, 1), (.undoStarted, 1)],
        .confirming(step: 1): [(.started, 0), (.done, 0), (.started, 1), (.undoStarted, 1), (.started, 1)],
        .aborted: [(.started, 0), (.rejected, 0)],
    ]

    /// Every event that may follow each state; all others are refused.
    static let edges: [State: [(SagaEvent.Kind, Int, State)]] = [
        .ready(step: 0): [(.started, 0, .running(step: 0))],
        .running(step: 0): [
            (.done, 0, .ready(step: 1)), (.rejected, 0, .aborted), (.undoStarted, 0, .undoing(step: 0)),
        ],
        .ready(step: 1): [(.started, 1, .running(step: 1))],
        .running(step: 1): [
            (.done, 1, .ready(step: 2)), (.rejected, 1, .unwinding(step: 0)),
            (.undoStarted, 1, .undoing(step: 1)),
        ],
        .ready(step: 2): [(.started, 2, .running(step: 2))],
        .running(step: 2): [(.done, 2, .committed)],
        .committed: [],
        .unwinding(step: 0): [(.undoStarted, 0, .undoing(step: 0))],
        .undoing(step: 0): [(.undone, 0, .aborted)],
        .undoing(step: 1): [(.undone, 1, .unwinding(step: 0)), (.started, 1, .confirming(step: 1))],
        .confirming(step: 1): [(.done, 1, .ready(step: 2))],
        .aborted: [],
    ]

    static func machine(_ journal: [(SagaEvent.Kind, Int)], epoch: UInt64 = 1) throws -> SagaStateMachine {
        try SagaStateMachine(shape, replaying: journal.map { SagaEvent($0.0, $0.1, epoch: epoch) })
    }

    @Test("Every state and event is either an edge or refused, and a refusal changes nothing")
    func table() throws {
        for (state, journal) in Self.journals {
            let machine = try Self.machine(journal)
            #expect(machine.state == state)
            for kind in SagaEvent.Kind.allCases {
                for step in 0..<Self.shape.steps {
                    var next = machine
                    let event = SagaEvent(kind, step, epoch: 1)
                    if let edge = Self.edges[state]?.first(where: { $0.0 == kind && $0.1 == step }) {
                        try next.apply(event)
                        #expect(next.state == edge.2, "\(kind) \(step) in \(state)")
                    } else {
                        #expect(throws: SagaLogError.illegal(event, in: state)) { try next.apply(event) }
                        #expect(next == machine)
                    }
                }
            }
        }
    }

    @Test("A journal whose epoch goes back is refused; one that goes on under a later epoch is not")
    func epochs() throws {
        var machine = try Self.machine([(.started, 0)], epoch: 3)
        #expect(throws: SagaLogError.epochWentBack(from: 3, to: 2)) {
            try machine.apply(SagaEvent(.done, 0, epoch: 2))
        }
        try machine.apply(SagaEvent(.done, 0, epoch: 4))
        #expect(machine.epoch == 4)
    }

    @Test("Each state says what to do next")
    func actions() throws {
        let expected: [State: SagaStateMachine.Action] = [
            .ready(step: 0): .start(step: 0), .running(step: 0): .send(step: 0), .ready(step: 1): .start(step: 1),
            .running(step: 1): .send(step: 1), .ready(step: 2): .start(step: 2), .running(step: 2): .send(step: 2),
            .committed: .finish, .aborted: .finish, .undoing(step: 0): .sendUndo(step: 0),
            .unwinding(step: 0): .startUndo(step: 0), .undoing(step: 1): .sendUndo(step: 1),
            .confirming(step: 1): .send(step: 1),
        ]
        for (state, journal) in Self.journals { #expect(try Self.machine(journal).action == expected[state]) }
    }

    typealias Outcome = SagaStateMachine.Outcome

    static let decisions: [(State, [Outcome: SagaStateMachine.Decision])] = [
        (
            .running(step: 0),
            [
                .replied: .journal(.done), .refusedForGood: .journal(.rejected),
                .refusedForNow: .journal(.undoStarted), .unansweredTooLong: .journal(.undoStarted),
            ]
        ),
        (
            .running(step: 1),
            [
                .replied: .journal(.done), .refusedForGood: .journal(.rejected),
                .refusedForNow: .journal(.undoStarted), .unansweredTooLong: .journal(.undoStarted),
            ]
        ),
        (.running(step: 2), [.replied: .journal(.done)]),
        (.confirming(step: 1), [.replied: .journal(.done)]),
        (.undoing(step: 0), [.replied: .journal(.undone)]),
        (.undoing(step: 1), [.replied: .journal(.undone), .alreadyDone: .journal(.started)]),
    ]

    @Test("An unknown outcome is no verdict, a refusal before the pivot turns the saga round, after it nothing does")
    func decisions() throws {
        for (state, expected) in Self.decisions {
            let machine = try Self.machine(try #require(Self.journals[state]))
            for outcome in Outcome.allCases {
                #expect(machine.decision(on: outcome) == expected[outcome] ?? .retry, "\(outcome) in \(state)")
            }
        }
    }

    @Test("Whatever each step comes to, a saga ends with all steps done or with none, and every undo goes newest first")
    func everyPath() throws {
        var endings: Set<State> = []
        func explore(_ machine: SagaStateMachine, _ effects: Set<Int>, _ lastUndone: Int?, depth: Int) throws {
            var machine = machine
            var lastUndone = lastUndone
            switch machine.action {
            case .finish:
                endings.insert(machine.state)
                #expect(effects == (machine.state == .committed ? [0, 1, 2] : []))
                return
            case .start(let step): try machine.apply(SagaEvent(.started, step, epoch: 1))
            case .startUndo(let step): try machine.apply(SagaEvent(.undoStarted, step, epoch: 1))
            case .send, .sendUndo: break
            }
            guard depth < 12, let step = machine.step else { return }
            for outcome in Outcome.allCases {
                var effects = effects
                switch (machine.isUndoing, outcome) {
                case (false, .replied): effects.insert(step)
                // The call may have run although nobody answered.
                case (false, .unansweredTooLong): effects.insert(step)
                case (true, .replied):
                    if step == Self.shape.pivot && effects.contains(step) { continue }
                    if let last = lastUndone { #expect(step < last) }
                    lastUndone = step
                    effects.remove(step)
                case (true, .alreadyDone) where step != Self.shape.pivot || !effects.contains(step): continue
                case (_, _): break
                }
                switch machine.decision(on: outcome) {
                case .retry: continue
                case .journal(let kind):
                    var next = machine
                    try next.apply(SagaEvent(kind, step, epoch: 1))
                    try explore(next, effects, lastUndone, depth: depth + 1)
                }
            }
        }
        try explore(SagaStateMachine(Self.shape), [], nil, depth: 0)
        #expect(endings == [.committed, .aborted])
    }

    @Test("Waits double from 50 ms to 2 s, anywhere below the limit")
    func schedule() {
        let schedule = RetrySchedule()
        let limits = (1...8).map { schedule.delay(afterAttempt: $0) { $0.upperBound } }
        #expect(limits == [50, 100, 200, 400, 800, 1600, 2000, 2000])
        #expect(schedule.delay(afterAttempt: 1000) { $0.upperBound } == 2000)
        #expect(schedule.delay(afterAttempt: 5) { $0.lowerBound } == 0)
    }
}
