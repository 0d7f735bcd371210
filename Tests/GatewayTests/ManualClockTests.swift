import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Synchronization
import Testing

@testable import Gateway

@Suite("The manual clock") struct ManualClockTests {
    static let start = ManualClock.defaultStart
    static func after(hours: Int64) -> Timestamp { start.adding(milliseconds: hours * .millisecondsPerHour) }

    private func advance(
        _ gateway: Harness.Gateway, _ harness: Harness, to target: Timestamp, wait: UInt32 = 20_000
    ) async throws -> GatewayV1.ClockReply {
        try await gateway.channel.call(
            GatewayV1.Operations.advanceClock,
            GatewayV1.AdvanceClockRequest(to: target.milliseconds, waitMilliseconds: wait), harness.options()
        ).message
    }

    @Test("It stops at every due instant and does the work of each in the order of domain 10")
    func order() async throws {
        let harness = try Harness()
        let deadline = Self.after(hours: 1).adding(milliseconds: 5)
        harness.world.script.withLock { script in
            script.due = [
                (deadline, .expireOrders), (Self.after(hours: 2), .expireOrders), (Self.after(hours: 2), .cut),
                (Self.after(hours: 1), .cut), (Self.after(hours: 2), .expireTerms), (Self.after(hours: 9), .cut),
            ]
        }
        let gateway = try await harness.boot()
        let reply = try await advance(gateway, harness, to: Self.after(hours: 3))
        #expect(reply.now == Self.after(hours: 3).milliseconds)
        #expect(reply.target == reply.now)
        #expect(reply.startedAt == Self.after(hours: 2).milliseconds)
        #expect(reply.lines == 4)
        #expect(reply.problem.isEmpty)
        #expect(
            harness.world.script.withLock { $0.done } == [
                "cut \(Self.after(hours: 1).milliseconds)", "orders \(deadline.milliseconds)",
                "terms \(Self.after(hours: 2).milliseconds)", "cut \(Self.after(hours: 2).milliseconds)",
                "orders \(Self.after(hours: 2).milliseconds)",
            ])
    }

    @Test("Any two kinds of work that are due at one instant are done in the order of domain 10")
    func pairs() async throws {
        let works = Array(zip(DueStop.Work.allCases, World.works))
        for (index, first) in works.enumerated() {
            for second in works.dropFirst(index + 1) {
                let harness = try Harness()
                let hour = Self.after(hours: 1)
                harness.world.script.withLock { $0.due = [(hour, second.0), (hour, first.0)] }
                let gateway = try await harness.boot()
                _ = try await advance(gateway, harness, to: hour)
                #expect(
                    harness.world.script.withLock { $0.done }
                        == [first.1, second.1].map { "\($0) \(hour.milliseconds)" })
                gateway.service.stop()
            }
        }
    }

    @Test("It asks what is due once an hour, and again after each stop, and does what calls made due meanwhile")
    func asksOnceAnHour() async throws {
        let harness = try Harness()
        let deadline = Self.after(hours: 1).adding(milliseconds: 5)
        harness.world.script.withLock { $0.due = [(deadline, .expireOrders)] }
        let gateway = try await harness.boot()
        for minute in 1...3 {
            let next = Self.start.adding(milliseconds: Int64(minute) * 60_000)
            _ = try await advance(gateway, harness, to: next)
        }
        #expect(harness.world.script.withLock { $0.askedAfter } == [Self.start.milliseconds])
        harness.world.script.withLock { $0.due.append((Self.after(hours: 1), .cut)) }
        _ = try await advance(gateway, harness, to: Self.after(hours: 1).adding(milliseconds: 60_000))
        let stops = [Self.start, Self.start.adding(milliseconds: 180_000), Self.after(hours: 1), deadline]
        #expect(harness.world.script.withLock { $0.askedAfter } == stops.map(\.milliseconds))
        #expect(
            harness.world.script.withLock { $0.done }
                == ["cut \(Self.after(hours: 1).milliseconds)", "orders \(deadline.milliseconds)"])
    }

    @Test("A restarted gateway does the work of its instant again before anything else, and goes on from there")
    func restart() async throws {
        let harness = try Harness()
        harness.world.script.withLock { $0.due = [(Self.after(hours: 1), .cut)] }
        harness.world.plan("cut", [.lost], repeatsLast: true)
        let first = try await harness.boot()
        let stuck = try await advance(first, harness, to: Self.after(hours: 2))
        #expect(stuck.now == Self.after(hours: 1).milliseconds)
        #expect(stuck.target == Self.after(hours: 2).milliseconds)
        #expect(!stuck.problem.isEmpty)
        first.service.stop()
        harness.world.heal()
        let second = try await harness.boot()
        let response = try await second.channel.call(
            GatewayV1.Accounts.topUp, OrderV1.TopUpRequest(amountMicros: 1), harness.options())
        #expect(response.effectiveAt == Self.after(hours: 1))
        let hour = Self.after(hours: 1).milliseconds
        #expect(harness.world.script.withLock { $0.done } == World.works.map { "\($0) \(hour)" })
        let reply = try await advance(second, harness, to: Self.after(hours: 2))
        #expect(reply.now == Self.after(hours: 2).milliseconds)
    }

    @Test("Work that fails is never skipped: the clock says why it stands and goes on when the work is done")
    func problem() async throws {
        let harness = try Harness()
        harness.world.script.withLock { $0.due = [(Self.after(hours: 1), .cut)] }
        harness.world.plan("cut", [.lost], repeatsLast: true)
        let gateway = try await harness.boot()
        let stuck = try await advance(gateway, harness, to: Self.after(hours: 2))
        #expect(stuck.problem == "No reply came.")
        var options = try harness.options("a-key-for-a-top-up")
        options.deadline = .after(milliseconds: 1)
        let refused = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(
                GatewayV1.Accounts.topUp, OrderV1.TopUpRequest(amountMicros: 1), options)
        }
        #expect(refused?.reason == "clock.standing")
        harness.world.heal()
        var reply = stuck
        while reply.now != Self.after(hours: 2).milliseconds {
            reply = try await advance(gateway, harness, to: Self.after(hours: 2))
        }
        #expect(reply.problem.isEmpty)
        #expect(harness.world.script.withLock { $0.done } == ["cut \(Self.after(hours: 1).milliseconds)"])
    }

    @Test("It never goes back, and a repeat for where it is changes nothing")
    func backwards() async throws {
        let harness = try Harness()
        let gateway = try await harness.boot()
        _ = try await advance(gateway, harness, to: Self.after(hours: 1))
        _ = try await advance(gateway, harness, to: Self.after(hours: 1))
        let error = await #expect(throws: RPCError.self) {
            try await advance(gateway, harness, to: Self.after(hours: 1).adding(milliseconds: -1))
        }
        #expect(error?.reason == "clock.backwards")
        let far = await #expect(throws: RPCError.self) {
            try await advance(gateway, harness, to: Timestamp(milliseconds: .max))
        }
        #expect(far?.reason == "clock.out_of_range")
    }

    @Test("A client may name an instant that has been, not one to come")
    func effectiveAt() async throws {
        let harness = try Harness()
        let gateway = try await harness.boot()
        _ = try await advance(gateway, harness, to: Self.after(hours: 1))
        var options = try harness.options()
        options.effectiveAt = Self.start
        let response = try await gateway.channel.call(
            GatewayV1.Accounts.topUp, OrderV1.TopUpRequest(amountMicros: 1), options)
        #expect(response.effectiveAt == Self.start)
        options.effectiveAt = Self.after(hours: 2)
        let error = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(GatewayV1.Accounts.getAccount, OrderV1.GetAccountRequest(), options)
        }
        #expect(error?.reason == "call.effective_at_refused")
    }
}

@Suite("The real clock") struct RealClockTests {
    final class Machine: TimeSource {
        private let offset: Int64
        let base = VirtualTime()
        init(offset: Int64 = 0) { self.offset = offset }
        var wall: Timestamp { base.wall }
        var monotonicMilliseconds: Int64 { base.monotonicMilliseconds }
        func pause(milliseconds: Int64) async { await base.pause(milliseconds: milliseconds) }
    }

    @Test("Missed work is caught up in order, and an account is cut before its call until the hour is done for all")
    func pass() async throws {
        let harness = try Harness()
        let start = ManualClock.defaultStart
        let hours = (0...2).map { start.adding(milliseconds: -$0 * .millisecondsPerHour) }
        harness.world.script.withLock { script in
            script.due = hours.map { ($0, .cut) } + [(hours[1], .expireTerms)]
        }
        let clock = RealClock(
            database: harness.database, due: ServiceDueWork(harness.world.services), time: harness.time)
        let call = CallContext(
            method: GatewayV1.Accounts.topUp.descriptor, caller: .local, account: "acct-1", key: nil, effectiveAt: nil,
            epoch: 0, traceID: 0, deadline: .after(milliseconds: 1000))
        try await clock.cutBefore(call, at: start)
        try await clock.pass(NoSagas())
        try await clock.cutBefore(call, at: start)
        #expect(
            harness.world.script.withLock { $0.done } == [
                "cut of acct-1 \(start.milliseconds)", "cut \(hours[2].milliseconds)",
                "terms \(hours[1].milliseconds)", "cut \(hours[1].milliseconds)", "cut \(hours[0].milliseconds)",
            ])
    }

    @Test("A new process releases nothing for ten minutes, and then what was due meanwhile")
    func releases() async throws {
        let harness = try Harness()
        let start = ManualClock.defaultStart
        harness.world.script.withLock { $0.due = [(start, .release), (start, .cut)] }
        let clock = RealClock(
            database: harness.database, due: ServiceDueWork(harness.world.services), time: harness.time)
        try await clock.pass(NoSagas())
        await harness.time.pause(milliseconds: 9_999)
        try await clock.pass(NoSagas())
        #expect(harness.world.script.withLock { $0.done } == ["cut \(start.milliseconds)"])
        for _ in 0..<60 { await harness.time.pause(milliseconds: 10_000) }
        try await clock.pass(NoSagas())
        let late = start.adding(milliseconds: 609_999).milliseconds
        #expect(harness.world.script.withLock { $0.done } == ["cut \(start.milliseconds)", "releases \(late)"])
        // The audit blames it for nothing that it had no time to do.
        #expect(clock.duesSeenThrough == .earliest)
        for _ in 0..<6 { await harness.time.pause(milliseconds: 10_000) }
        #expect(clock.duesSeenThrough.milliseconds == late)
    }

    @Test("Nobody moves it or names instants to it")
    func refusals() async throws {
        let harness = try Harness()
        let clock = RealClock(
            database: harness.database, due: ServiceDueWork(harness.world.services), time: harness.time)
        await #expect(throws: ClockError.real) {
            try await clock.advance(to: .latest, until: .after(milliseconds: 1))
        }
        let call = CallContext(
            method: GatewayV1.Accounts.topUp.descriptor, caller: .local, account: "acct-1", key: nil,
            effectiveAt: ManualClock.defaultStart, epoch: 0, traceID: 0, deadline: .after(milliseconds: 1000))
        #expect(throws: ClockError.effectiveAtRefused(ManualClock.defaultStart)) { try clock.instant(for: call) }
    }

    @Test("Data of a manual clock is not gone on with on the real one, and the other way round")
    func otherMode() async throws {
        let harness = try Harness()
        let manual = try await harness.boot()
        manual.service.stop()
        let clock = RealClock(
            database: harness.database, due: ServiceDueWork(harness.world.services), time: harness.time)
        await #expect(throws: ClockError.otherMode(stored: .manual, asked: .real)) { try await clock.start() }
    }
}
