import BillingCore
import BillingTestKit
import RPC
import Storage
import Testing

@Suite("Saga steps at a participant") struct SagaStepContractTests {
    enum State: CaseIterable { case none, done, rejected, undone, undoneRejection, tombstone }
    enum Event: CaseIterable { case perform, undo }

    enum Outcome: Equatable {
        /// A reply with this text.
        case reply(String, isReplay: Bool)
        /// A refusal with this reason.
        case refused(String, isReplay: Bool)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let state: State
        let event: Event
        var isPivot = false
        let outcome: Outcome
        /// The notes afterwards: the effect of the step is one note, its undoing removes it.
        let notes: [String]

        var testDescription: String { "\(state), \(event)\(isPivot ? ", pivot" : "")" }
    }

    static let table = [
        Row(state: .none, event: .perform, outcome: .reply("done", isReplay: false), notes: ["effect"]),
        Row(state: .none, event: .undo, outcome: .reply("", isReplay: false), notes: []),
        Row(state: .done, event: .perform, outcome: .reply("done", isReplay: true), notes: ["effect"]),
        Row(state: .done, event: .undo, outcome: .reply("", isReplay: false), notes: []),
        Row(state: .rejected, event: .perform, outcome: .refused("test.refused", isReplay: true), notes: []),
        Row(state: .rejected, event: .undo, outcome: .reply("", isReplay: false), notes: []),
        Row(state: .undone, event: .perform, outcome: .refused("saga.undone", isReplay: false), notes: []),
        Row(state: .undone, event: .undo, outcome: .reply("", isReplay: true), notes: []),
        Row(state: .undoneRejection, event: .perform, outcome: .refused("saga.undone", isReplay: false), notes: []),
        Row(state: .undoneRejection, event: .undo, outcome: .reply("", isReplay: true), notes: []),
        Row(state: .tombstone, event: .perform, outcome: .refused("saga.undone", isReplay: false), notes: []),
        Row(state: .tombstone, event: .undo, outcome: .reply("", isReplay: true), notes: []),
        Row(
            state: .none, event: .perform, isPivot: true, outcome: .reply("done", isReplay: false), notes: ["effect"]),
        Row(state: .none, event: .undo, isPivot: true, outcome: .reply("", isReplay: false), notes: []),
        Row(
            state: .done, event: .undo, isPivot: true, outcome: .refused("saga.already_done", isReplay: false),
            notes: ["effect"]),
        Row(state: .rejected, event: .undo, isPivot: true, outcome: .reply("", isReplay: false), notes: []),
        Row(
            state: .tombstone, event: .perform, isPivot: true, outcome: .refused("saga.undone", isReplay: false),
            notes: []),
    ]

    @Test("The table names every state with every event")
    func completeTable() {
        for state in State.allCases {
            for event in Event.allCases {
                #expect(Self.table.contains { $0.state == state && $0.event == event && !$0.isPivot })
            }
        }
    }

    @Test("The step's row decides what do and undo come to", arguments: StorageDriver.all, table)
    func row(_ driver: StorageDriver, _ row: Row) async throws {
        try await driver.withNotes { database in
            let call = try CallContext.test(epoch: 1)
            let events: [(Event, isRefused: Bool)] =
                switch row.state {
                case .none: []
                case .done: [(.perform, false)]
                case .rejected: [(.perform, true)]
                case .undone: [(.perform, false), (.undo, false)]
                case .undoneRejection: [(.perform, true), (.undo, false)]
                case .tombstone: [(.undo, false)]
                }
            for (event, isRefused) in events {
                _ = try await send(event, call, to: database, isRefused: isRefused)
            }
            // A repeat must not depend on what the effect would say this time.
            let isRefusedNow = row.state == .done && row.event == .perform
            let outcome = try await send(row.event, call, to: database, isRefused: isRefusedNow, isPivot: row.isPivot)
            #expect(outcome == row.outcome)
            #expect(try await database.notes() == row.notes)
            if row.state == .none || row.event == .undo { return }
            // And again: answers are final.
            let again = try await send(row.event, call, to: database, isPivot: row.isPivot)
            #expect(again == row.outcome)
        }
    }

    @Test("A tombstone wins over a do that comes late, whatever its request", arguments: StorageDriver.all)
    func lateDo(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let call = try CallContext.test(epoch: 1)
            _ = try await send(.undo, call, to: database, request: "one")
            let outcome = try await send(.perform, call, to: database, request: "another")
            #expect(outcome == .refused("saga.undone", isReplay: false))
            #expect(try await database.notes() == [])
        }
    }

    @Test("A later owner's epoch fences the earlier one out, step by step and for good", arguments: StorageDriver.all)
    func fences(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let zombie = try CallContext.test(epoch: 3)
            let owner = try CallContext.test(epoch: 4)
            _ = try await send(.perform, zombie, to: database, step: "first")
            #expect(
                try await send(.perform, owner, to: database, step: "second", effect: "by the owner")
                    == .reply("done", isReplay: false))
            for (event, step) in [(.perform, "third"), (.perform, "first"), (.undo, "first")] as [(Event, String)] {
                #expect(
                    try await send(event, zombie, to: database, step: step, effect: "by a zombie")
                        == .refused("saga.fenced", isReplay: false))
            }
            #expect(try await send(.perform, owner, to: database, step: "first") == .reply("done", isReplay: true))
            #expect(
                try await send(.perform, owner, to: database, step: "third", effect: "third")
                    == .reply("done", isReplay: false))
            #expect(try await database.notes() == ["by the owner", "effect", "third"])
        }
    }

    @Test("A refusal by the step's row raises the fence all the same", arguments: StorageDriver.all)
    func fenceOfRefusals(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let zombie = try CallContext.test(epoch: 1)
            _ = try await send(.perform, zombie, to: database, isPivot: true)
            let taken = try await send(.undo, try .test(epoch: 2), to: database, isPivot: true)
            #expect(taken == .refused("saga.already_done", isReplay: false))
            let late = try await send(.perform, zombie, to: database, step: "next")
            #expect(late == .refused("saga.fenced", isReplay: false))
        }
    }

    @Test("Sagas, and accounts, have fences and steps of their own", arguments: StorageDriver.all)
    func scope(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let outcomes = [
                try await send(.perform, try .test(epoch: 9), to: database, saga: "saga-1", effect: "1"),
                try await send(.perform, try .test(epoch: 1), to: database, saga: "saga-2", effect: "2"),
                try await send(
                    .perform, try .test(account: "acct-2", epoch: 1), to: database, saga: "saga-1", effect: "3"),
            ]
            #expect(outcomes == Array(repeating: .reply("done", isReplay: false), count: 3))
        }
    }

    @Test("What is kept of steps is told page by page, with the fences of their sagas", arguments: StorageDriver.all)
    func kept(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            for (account, saga, step, epoch) in [
                ("acct-1", "saga-1", "one", 3), ("acct-1", "saga-1", "two", 4), ("acct-1", "saga-2", "one", 1),
                ("acct-2", "saga-1", "one", 2),
            ] as [(String, String, String, UInt64)] {
                _ = try await send(
                    step == "two" ? .undo : .perform, try .test(account: account, epoch: epoch), to: database,
                    saga: saga, step: step, effect: account + saga + step)
            }
            var found: [String] = []
            var after = (account: "", sagaID: "", step: "")
            var first = 0
            while true {
                let page = try await database.keptSteps(in: first..<Partition.count, after: after, limit: 3) {
                    (account: $0, sagaID: $1, step: $2, state: $3, maxEpoch: $4)
                }
                found += page.map { "\($0.account) \($0.sagaID) \($0.step) \($0.state) \($0.maxEpoch)" }
                guard page.count == 3, let last = page.last else { break }
                (after, first) = ((last.account, last.sagaID, last.step), Partition.of(last.account))
            }
            let expected = [
                "acct-1 saga-1 one 1 4", "acct-1 saga-1 two 4 4", "acct-1 saga-2 one 1 1", "acct-2 saga-1 one 1 2",
            ]
            #expect(found.sorted() == expected)
        }
    }

    @Test("An epoch that no fence can hold is refused", arguments: StorageDriver.all)
    func hugeEpoch(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let outcome = try await send(.perform, try .test(epoch: .max), to: database)
            #expect(outcome == .refused("saga.fenced", isReplay: false))
        }
    }

    @Test("A step done with another request is refused", arguments: StorageDriver.all)
    func otherRequest(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let call = try CallContext.test(epoch: 1)
            _ = try await send(.perform, call, to: database, request: "one")
            #expect(
                try await send(.perform, call, to: database, request: "another")
                    == .refused("call.key_reused", isReplay: false))
            #expect(try await send(.undo, call, to: database, request: "another") == .reply("", isReplay: false))
        }
    }

    @Test(
        "Only final refusals are recorded", arguments: StorageDriver.all,
        [Status.aborted, .unavailable, .resourceExhausted, .deadlineExceeded, .internalError])
    func transient(_ driver: StorageDriver, _ status: Status) async throws {
        try await driver.withNotes { database in
            let call = try CallContext.test(epoch: 1)
            #expect(
                try await send(.perform, call, to: database, isRefused: true, status: status)
                    == .refused("test.refused", isReplay: false))
            #expect(try await send(.perform, call, to: database) == .reply("done", isReplay: false))
        }
    }

    @Test("An undo that fails leaves the step done, to be undone later", arguments: StorageDriver.all)
    func failingUndo(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let call = try CallContext.test(epoch: 1)
            _ = try await send(.perform, call, to: database)
            #expect(
                try await send(.undo, call, to: database, isRefused: true) == .refused("test.refused", isReplay: false))
            #expect(try await database.notes() == ["effect"])
            #expect(try await send(.undo, call, to: database) == .reply("", isReplay: false))
            #expect(try await database.notes() == [])
        }
    }

    private func send(
        _ event: Event, _ call: CallContext, to database: any Database, saga: String = "saga-1", step: String = "lock",
        request: Note = "request", effect: String = "effect", isRefused: Bool = false,
        status: Status = .failedPrecondition, isPivot: Bool = false
    ) async throws -> Outcome {
        do {
            let reply: Response<Note> = try await database.write(
                step: SagaStep(sagaID: saga, definition: "test", step: step, isUndo: event == .undo), call, request,
                do: { transaction in
                    try transaction.insertNote(effect)
                    if isRefused { throw Refusal(status: status) }
                    return Response(Note("done"), effectiveAt: Timestamp(milliseconds: 5))
                },
                undo: { transaction in
                    try transaction.execute("DELETE FROM note WHERE text = ?", .text(effect))
                    if isRefused { throw Refusal(status: status) }
                }, isPivot: isPivot)
            if event == .perform { #expect(reply.effectiveAt == Timestamp(milliseconds: 5)) }
            return .reply(reply.text, isReplay: reply.isReplay)
        } catch let error as any BillingError {
            return .refused(error.reason, isReplay: RPCError(error, callID: 0).isReplay)
        }
    }
}

@Suite("Crash plans") struct CrashPlanTests {
    @Test(
        "A plan names a step, its undoing and a point",
        arguments: [
            ("pay-switch.pay", false, CrashPoint.after, "pay"), ("pay-switch.pay.before", false, .before, "pay"),
            ("pay-switch.undo-lock.replied", true, .replied, "lock"), ("pay-switch.undo-lock", true, .after, "lock"),
        ])
    func reading(_ text: String, isUndo: Bool, point: CrashPoint, step: String) throws {
        let plan = try #require(CrashPlan(text))
        for candidate in CrashPoint.allCases {
            let planned = SagaStep(sagaID: "saga-1", definition: "pay-switch", step: step, isUndo: isUndo)
            #expect(plan.matches(candidate, of: planned) == (candidate == point))
        }
        let others = [
            SagaStep(sagaID: "saga-1", definition: "pay-switch", step: step, isUndo: !isUndo),
            SagaStep(sagaID: "saga-1", definition: "pay-new", step: step, isUndo: isUndo),
            SagaStep(sagaID: "saga-1", definition: "pay-switch", step: "switch", isUndo: isUndo),
        ]
        for other in others {
            #expect(!plan.matches(point, of: other))
            // Would end this process if it matched.
            plan.reached(point, of: other)
        }
    }

    @Test(
        "Other texts are no plan",
        arguments: ["", "pay", ".", "pay.", ".lock", "pay.undo-", "pay.lock.never", "a.b.after.c"])
    func malformed(_ text: String) { #expect(CrashPlan(text) == nil) }
}
