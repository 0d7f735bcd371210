import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Storage
import Synchronization
import Testing

@testable import Gateway

@Suite("Sagas, with each step failing, repeating and dying") struct SagaEngineTests {
    static let refusal = RPCError(.failedPrecondition, "test.refused", "The rules say no.")
    static let busy = RPCError(.aborted, "group.locked", "Another saga holds the group.")

    /// A saga's effects are all in force exactly once.
    private func expectCommitted(_ saga: SagaCase, _ harness: Harness) async throws {
        let effects = try await harness.world.effects()
        for step in saga.steps { #expect(effects[step] == 1, "\(saga.name).\(step)") }
        try await expectStatus(.committed, harness)
    }

    private func expectAborted(_ saga: SagaCase, _ harness: Harness) async throws {
        let effects = try await harness.world.effects()
        for step in saga.steps { #expect(effects[step] ?? 0 == 0, "\(saga.name).\(step)") }
        try await expectStatus(.aborted, harness)
    }

    private func expectStatus(_ status: SagaRecord.Status, _ harness: Harness) async throws {
        let sagas = try await harness.database.read {
            try $0.sagas(account: "", states: [], after: .start, limit: 10)
        }
        #expect(sagas.map(\.status) == [status])
        #expect(sagas.allSatisfy { $0.status.isFinished && !$0.isParked && $0.step.isEmpty })
    }

    @Test("A saga does every step once, and a repeat gets the same bytes marked as a replay", arguments: SagaCase.all)
    func straight(_ saga: SagaCase) async throws {
        let harness = try Harness()
        saga.prepare(harness.world)
        let gateway = try await harness.boot()
        let first = try await saga.call(gateway.channel, harness.options())
        let again = try await saga.call(gateway.channel, harness.options())
        #expect(!first.isReplay)
        #expect(again.isReplay)
        #expect(first.bytes == again.bytes)
        #expect(harness.world.calls.filter { saga.steps.contains($0) } == saga.steps)
        try await expectCommitted(saga, harness)
    }

    @Test("Lost calls and lost replies are sent again and take effect once", arguments: SagaCase.all)
    func unanswered(_ saga: SagaCase) async throws {
        for step in saga.steps {
            for fault in [World.Fault.lost, .replyLost] {
                let harness = try Harness()
                saga.prepare(harness.world)
                harness.world.plan(step, [fault, fault])
                let gateway = try await harness.boot()
                _ = try await saga.call(gateway.channel, harness.options())
                #expect(harness.world.calls.filter { $0 == step }.count == 3)
                try await expectCommitted(saga, harness)
            }
        }
    }

    @Test("A refusal up to the pivot undoes everything and is the answer for its key", arguments: SagaCase.all)
    func refused(_ saga: SagaCase) async throws {
        for step in saga.stepsToPivot {
            let harness = try Harness()
            saga.prepare(harness.world)
            harness.world.plan(step, [.refused(Self.refusal)])
            let gateway = try await harness.boot()
            for isReplay in [false, true] {
                let error = await #expect(throws: RPCError.self) {
                    try await saga.call(gateway.channel, harness.options())
                }
                #expect(error?.reason == "test.refused")
                #expect(error?.isReplay == isReplay)
            }
            let undos = harness.world.calls.filter { $0.hasPrefix("undo-") }
            #expect(undos == saga.stepsToPivot.prefix { $0 != step }.reversed().map { "undo-" + $0 })
            try await expectAborted(saga, harness)
        }
    }

    @Test("A refusal that may pass undoes the step too, and the same key may try again", arguments: SagaCase.all)
    func refusedForNow(_ saga: SagaCase) async throws {
        for step in saga.stepsToPivot {
            let harness = try Harness()
            saga.prepare(harness.world)
            harness.world.plan(step, [.refused(Self.busy)])
            let gateway = try await harness.boot()
            let error = await #expect(throws: RPCError.self) {
                try await saga.call(gateway.channel, harness.options())
            }
            #expect(error?.reason == "group.locked")
            #expect(harness.world.calls.contains("undo-" + step))
            try await expectAborted(saga, harness)
            let second = try await saga.call(gateway.channel, harness.options())
            #expect(!second.isReplay)
            let effects = try await harness.world.effects()
            for step in saga.steps { #expect(effects[step] == 1) }
        }
    }

    @Test("After the pivot a refusal is tried again until it passes", arguments: SagaCase.all)
    func forwardOnly(_ saga: SagaCase) async throws {
        for step in saga.stepsAfterPivot {
            let harness = try Harness()
            saga.prepare(harness.world)
            harness.world.plan(step, [.refused(Self.busy), .lost, .refused(Self.busy), .replyLost])
            let gateway = try await harness.boot()
            _ = try await saga.call(gateway.channel, harness.options())
            #expect(!harness.world.calls.contains { $0.hasPrefix("undo-") })
            try await expectCommitted(saga, harness)
        }
    }

    @Test("A step that nobody answers for a minute is undone with all before it", arguments: SagaCase.all)
    func givenUp(_ saga: SagaCase) async throws {
        for step in saga.stepsToPivot {
            let harness = try Harness()
            saga.prepare(harness.world)
            harness.world.plan(step, [.lost], repeatsLast: true)
            let gateway = try await harness.boot()
            let error = await #expect(throws: RPCError.self) {
                try await saga.call(gateway.channel, harness.options())
            }
            #expect(error?.reason == "saga.given_up")
            #expect(harness.world.calls.contains("undo-" + step))
            try await expectAborted(saga, harness)
        }
    }

    @Test("A pivot that happened although nobody heard of it is found out by its undo", arguments: SagaCase.all)
    func unknownPivot(_ saga: SagaCase) async throws {
        let harness = try Harness()
        saga.prepare(harness.world)
        // The last attempts of the minute get lost; the one after the undo's answer is heard.
        let attempts = Array(repeating: World.Fault.replyLost, count: 36)
        harness.world.plan(saga.pivot, attempts)
        let gateway = try await harness.boot()
        _ = try await saga.call(gateway.channel, harness.options())
        #expect(harness.world.calls.filter { $0.hasPrefix("undo-") } == ["undo-" + saga.pivot])
        try await expectCommitted(saga, harness)
    }

    @Test("A gateway that dies around any step is followed by one that finishes", arguments: SagaCase.all)
    func dying(_ saga: SagaCase) async throws {
        for step in saga.steps {
            for point in CrashPoint.allCases {
                let harness = try Harness()
                saga.prepare(harness.world)
                let first = try await harness.boot(dyingAt: "\(saga.name).\(step).\(point.rawValue)")
                let isLast = step == saga.steps.last && point == .after
                let error = await #expect(throws: RPCError.self, "\(step).\(point)") {
                    try await saga.call(first.channel, harness.options())
                }
                #expect(error?.reason == "saga.left" || isLast)
                first.service.stop()
                let second = try await harness.boot()
                let answer = try await saga.call(second.channel, harness.options())
                #expect(answer.isReplay)
                try await expectCommitted(saga, harness)
            }
        }
    }

    @Test("A gateway that dies around any undo is followed by one that finishes undoing", arguments: SagaCase.all)
    func dyingWhileUndoing(_ saga: SagaCase) async throws {
        for step in saga.stepsToPivot where step != saga.pivot {
            for point in CrashPoint.allCases {
                let harness = try Harness()
                saga.prepare(harness.world)
                harness.world.plan(saga.pivot, [.refused(Self.refusal)])
                let first = try await harness.boot(dyingAt: "\(saga.name).undo-\(step).\(point.rawValue)")
                await #expect(throws: RPCError.self) { try await saga.call(first.channel, harness.options()) }
                first.service.stop()
                let second = try await harness.boot()
                let error = await #expect(throws: RPCError.self) {
                    try await saga.call(second.channel, harness.options())
                }
                #expect(error?.reason == "test.refused", "\(step).\(point)")
                try await expectAborted(saga, harness)
            }
        }
    }

    @Test("A predecessor that still runs is fenced off by the participants and by the journal")
    func fenced() async throws {
        let saga = SagaCase.all[0]
        let harness = try Harness()
        saga.prepare(harness.world)
        harness.world.plan("lock", [.lost, .lost])
        let first = try await harness.boot(dyingAt: "pay-switch.lock.replied")
        await #expect(throws: RPCError.self) { try await saga.call(first.channel, harness.options()) }
        let second = try await harness.boot()
        _ = try await saga.call(second.channel, harness.options())
        let record = try #require(
            try await harness.database.read {
                try $0.sagas(account: "", states: [], after: .start, limit: 1).first
            })
        #expect(record.epoch == 2)
        var stale = record
        stale.epoch = 1
        let kept = stale
        #expect(try await harness.database.write { try $0.update(kept) } == false)
    }

    @Test("What can be neither done nor undone is parked, listed and explained, and an operator's retry finishes it")
    func parked() async throws {
        let saga = SagaCase.all[0]
        let harness = try Harness()
        saga.prepare(harness.world)
        harness.world.plan("switch", [.refused(Self.busy)], repeatsLast: true)
        let gateway = try await harness.boot()
        let answer = Task { try await saga.call(gateway.channel, harness.options()) }
        var listed: [GatewayV1.Saga] = []
        while listed.isEmpty {
            let request = GatewayV1.ListSagasRequest(statuses: [.parked])
            listed = try await gateway.channel.call(
                GatewayV1.Operations.listSagas, request, try harness.options(account: "")
            ).message.sagas
        }
        #expect(listed.map(\.step) == ["switch"])
        #expect(listed.map(\.definition) == ["pay-switch"])
        #expect(listed[0].lastError == Self.busy.description)
        #expect(listed[0].attempts > 10)
        harness.world.heal()
        // The retry may come while the saga is between an attempt and its pause; then the next one ends the pause.
        var status = GatewayV1.SagaStatus.parked
        while status == .parked {
            do {
                status =
                    try await gateway.channel.call(
                        GatewayV1.Operations.retrySaga, GatewayV1.RetrySagaRequest(sagaID: listed[0].sagaID),
                        try harness.options()
                    ).message.saga?.status ?? .parked
            } catch let error as RPCError where error.reason == "saga.finished" {
                status = .committed
            }
        }
        _ = try await answer.value
        try await expectCommitted(saga, harness)
        let events = try await gateway.channel.call(
            GatewayV1.Operations.getSaga, GatewayV1.GetSagaRequest(sagaID: listed[0].sagaID), try harness.options()
        ).message.saga?.events.map { "\($0.step) \($0.kind)" }
        #expect(
            events == [
                "payment started", "payment done", "lock started", "lock done", "pay started", "pay done",
                "switch started", "switch done",
            ])
    }

    @Test("A second saga about a group waits its turn; the same key with another body is refused")
    func exclusion() async throws {
        let harness = try Harness()
        let release = try #require(SagaCase.all.first { $0.name == "release" })
        let first = try await harness.boot(dyingAt: "release.release.before")
        await #expect(throws: RPCError.self) { try await release.call(first.channel, harness.options()) }
        let other = await #expect(throws: RPCError.self) {
            try await release.call(first.channel, harness.options("another-key-of-mine"))
        }
        #expect(other?.reason == "group.locked")
        #expect(other?.status == .aborted)
        let reused = await #expect(throws: RPCError.self) {
            try await first.channel.call(
                GatewayV1.Groups.releaseGroup, GatewayV1.ReleaseGroupRequest(groupID: "ag-2"), harness.options())
        }
        #expect(reused?.reason == "call.key_reused")
        // Another account's group of that name is another group: its saga starts, and dies with this gateway too.
        let started = await #expect(throws: RPCError.self) {
            try await release.call(first.channel, harness.options("another-key-of-mine", account: "acct-2"))
        }
        #expect(started?.reason == "saga.left")
    }

    @Test("After a saga that held a lock over the top of an hour its account is caught up")
    func catchUp() async throws {
        let saga = SagaCase.all[0]
        let harness = try Harness()
        saga.prepare(harness.world)
        let gateway = try await harness.boot()
        _ = try await saga.call(gateway.channel, harness.options())
        let done = harness.world.script.withLock { $0.done }
        #expect(done == ["cut of acct-1 \(ManualClock.defaultStart.milliseconds)"])
    }
}
