import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Synchronization
import Testing

@testable import Gateway

@Suite("The real clock") struct RealClockTests {
    static let start = ManualClock.defaultStart
    private static let refusedForNow = RPCError(.aborted, "test.for_now", "Not just now.")

    private static let call = CallContext(
        method: GatewayV1.Accounts.topUp.descriptor, caller: .local, account: "acct-1", key: nil, effectiveAt: nil,
        epoch: 0, traceID: 0, deadline: .after(milliseconds: 1000))

    /// A group of an account of its own.
    private static func due(_ status: MeteringV1.GroupStatus, _ number: Int) -> MeteringV1.DueGroup {
        var due = DueSagaCase.due(status, "ag-\(number)")
        due.group?.accountID = "acct-\(number)"
        return due
    }

    @Test("Missed work is caught up in order, and an account is cut before its call until the hour is done for all")
    func pass() async throws {
        let harness = try Harness()
        let hours = (0...2).map { Self.start.adding(milliseconds: -$0 * .millisecondsPerHour) }
        harness.world.script.withLock { script in
            script.due = hours.map { ($0, .cut) } + [(hours[1], .expireTerms)]
        }
        let (clock, engine, _) = try await harness.bootReal()
        try await clock.cutBefore(Self.call, at: Self.start)
        try await clock.pass(engine)
        try await clock.cutBefore(Self.call, at: Self.start)
        #expect(
            harness.world.script.withLock { $0.done } == [
                "cut of acct-1 \(Self.start.milliseconds)", "cut \(hours[2].milliseconds)",
                "terms \(hours[1].milliseconds)", "cut \(hours[1].milliseconds)", "cut \(hours[0].milliseconds)",
            ])
    }

    @Test("A new process releases nothing for ten minutes, and then what was due meanwhile")
    func releases() async throws {
        let harness = try Harness()
        harness.world.script.withLock { script in
            script.due = [(Self.start, .release), (Self.start, .cut)]
            script.dueGroups[.release] = [Self.due(.overdue, 1), Self.due(.expired, 2)]
        }
        let (clock, engine, _) = try await harness.bootReal()
        try await clock.pass(engine)
        await harness.time.pause(milliseconds: 9_999)
        try await clock.pass(engine)
        #expect(harness.world.script.withLock { $0.done } == ["cut \(Self.start.milliseconds)"])
        #expect(clock.status.problem.isEmpty)
        for _ in 0..<60 { await harness.time.pause(milliseconds: 10_000) }
        try await clock.pass(engine)
        let late = Self.start.adding(milliseconds: 609_999)
        // The second look finds nothing more.
        #expect(
            harness.world.script.withLock { $0.done }
                == ["cut \(Self.start.milliseconds)"] + Array(repeating: "releases \(late.milliseconds)", count: 2))
        #expect(try await harness.world.effects() == ["claim": 1, "release": 2, "cancel-unpaid": 2])
        try await clock.pass(engine)
        #expect(harness.world.script.withLock { $0.done.count } == 3)
        // The audit blames it for nothing that it had no time to do.
        #expect(clock.duesSeenThrough == .earliest)
        for _ in 0..<6 { await harness.time.pause(milliseconds: 10_000) }
        #expect(clock.duesSeenThrough == late)
    }

    @Test(
        "What fails for one account stops no other and nothing that is due later; it is told, and tried again",
        arguments: [
            (DueStop.Work.autoRenew, "lock"), (.autoRenew, "auto-renew"), (.release, "release"),
            (.closeMonths, "acknowledge"),
        ])
    func oneFails(_ work: DueStop.Work, _ step: String) async throws {
        let harness = try Harness()
        let next = Self.start.adding(milliseconds: 1000)
        harness.world.script.withLock { script in
            script.due = [(Self.start, work), (next, .expireOrders)]
            script.dueGroups = [
                .autoRenewal: [Self.due(.active, 1), Self.due(.active, 2)],
                .release: [Self.due(.expired, 1), Self.due(.expired, 2)],
            ]
            script.recoveries = ["acct-1", "acct-2"].map {
                OrderV1.Recovery(accountID: $0, at: Self.start.milliseconds)
            }
        }
        harness.world.plan("\(step) of acct-1", [.refused(Self.refusedForNow)], repeatsLast: true)
        let (clock, engine, channel) = try await harness.bootReal()
        for _ in 0..<61 { await harness.time.pause(milliseconds: 10_000) }
        try await clock.pass(engine)
        #expect(try await harness.world.effects()[step] == 1)
        #expect(harness.world.script.withLock { $0.done.last } == "orders \(next.milliseconds)")
        #expect(harness.world.script.withLock { $0.noted }.isEmpty)
        let problem = "Work that is due for account acct-1 fails: Not just now."
        #expect(clock.status.problem == problem)
        let health = try await channel.call(
            GatewayV1.Operations.systemHealth, GatewayV1.SystemHealthRequest(), harness.options()
        ).message.services.last
        #expect(health?.problem == problem && health?.health?.status == .serving)
        let given = try await channel.call(
            GatewayV1.Operations.listSagas, GatewayV1.ListSagasRequest(statuses: [.aborted]),
            harness.options(account: "")
        ).message.sagas
        #expect(given.map(\.accountID) == ["acct-1"])
        #expect(given.map(\.lastError) == [Self.refusedForNow.description])

        // Not at once, as if nothing else were to be done, but a minute later.
        harness.world.heal()
        try await clock.pass(engine)
        #expect(try await harness.world.effects()[step] == 1)
        for _ in 0..<6 { await harness.time.pause(milliseconds: 10_000) }
        try await clock.pass(engine)
        #expect(try await harness.world.effects()[step] == 2)
        #expect(clock.status.problem.isEmpty)
    }

    @Test("An account that cannot be cut stops nothing; it is told, tried again a minute later, and before its calls")
    func cutFails() async throws {
        let harness = try Harness()
        harness.world.script.withLock { script in
            script.due = [(Self.start, .cut), (Self.start, .expireOrders)]
            script.cutFailures = [MeteringV1.CutFailure(accountID: "acct-1", message: "It is odd.")]
        }
        let (clock, engine, _) = try await harness.bootReal()
        try await clock.pass(engine)
        #expect(clock.status.problem == "Work that is due for account acct-1 fails: It is odd.")
        try await clock.cutBefore(Self.call, at: Self.start)
        harness.world.script.withLock { $0.cutFailures = [] }
        for _ in 0..<6 { await harness.time.pause(milliseconds: 10_000) }
        try await clock.pass(engine)
        try await clock.cutBefore(Self.call, at: Self.start)
        #expect(clock.status.problem.isEmpty)
        let start = Self.start.milliseconds
        #expect(
            harness.world.script.withLock { $0.done }
                == ["cut \(start)", "orders \(start)", "cut of acct-1 \(start)", "cut \(start)"])
    }

    @Test("A group that another saga holds is tried again a minute later, and nobody is told")
    func passedBy() async throws {
        let harness = try Harness()
        harness.world.script.withLock { script in
            script.due = [(Self.start, .autoRenew)]
            script.dueGroups[.autoRenewal] = [Self.due(.active, 1)]
        }
        harness.world.plan("lock", [.refused(SagaEngineTests.busy)])
        let (clock, engine, _) = try await harness.bootReal()
        try await clock.pass(engine)
        #expect(clock.status.problem.isEmpty)
        for _ in 0..<6 { await harness.time.pause(milliseconds: 10_000) }
        try await clock.pass(engine)
        #expect(try await harness.world.effects() == ["lock": 1, "auto-renew": 1, "extend": 1])
    }

    @Test("Work that fails for everybody is not passed over: what comes after it waits")
    func allFail() async throws {
        let harness = try Harness()
        harness.world.script.withLock { $0.due = [(Self.start, .cut), (Self.start, .expireOrders)] }
        harness.world.plan("cut", [.lost])
        let (clock, engine, _) = try await harness.bootReal()
        await #expect(throws: RPCError.self) { try await clock.pass(engine) }
        #expect(harness.world.script.withLock { $0.done }.isEmpty)
        try await clock.pass(engine)
        let start = Self.start.milliseconds
        #expect(harness.world.script.withLock { $0.done } == ["cut \(start)", "orders \(start)"])
    }

    @Test("The months of accounts that are not cut to their end are not closed; if they are too many to name, none is")
    func uncut() async throws {
        let harness = try Harness()
        harness.world.script.withLock { script in
            script.due = [(Self.start, .closeMonths)]
            script.uncut = ["acct-1", "acct-2", "acct-3"]
        }
        let (clock, engine, _) = try await harness.bootReal()
        try await clock.pass(engine)
        #expect(harness.world.script.withLock { $0.requests["close-months"] } == nil)
        harness.world.script.withLock { $0.uncut = ["acct-1"] }
        for _ in 0..<6 { await harness.time.pause(milliseconds: 10_000) }
        try await clock.pass(engine)
        let request = harness.world.script.withLock { $0.requests["close-months"] } as? OrderV1.CloseMonthsRequest
        #expect(request?.uncutAccounts == ["acct-1"])
    }

    @Test("Nobody moves it or names instants to it")
    func refusals() async throws {
        let harness = try Harness()
        let (clock, _, _) = try await harness.bootReal()
        await #expect(throws: ClockError.real) {
            try await clock.advance(to: .latest, until: .after(milliseconds: 1))
        }
        var call = Self.call
        call.effectiveAt = Self.start
        let named = call
        #expect(throws: ClockError.effectiveAtRefused(Self.start)) { try clock.instant(for: named) }
    }

    @Test("Data of a manual clock is not gone on with on the real one, and the other way round")
    func otherMode() async throws {
        let harness = try Harness()
        let manual = try await harness.boot()
        manual.service.stop()
        await #expect(throws: ClockError.otherMode(stored: .manual, asked: .real)) { _ = try await harness.bootReal() }
    }
}
