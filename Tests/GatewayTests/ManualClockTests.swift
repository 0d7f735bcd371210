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

    @Test("It stops where a coupon starts that was granted after it asked, at whatever instant")
    func couponStart() async throws {
        let harness = try Harness()
        let gateway = try await harness.boot()
        _ = try await advance(gateway, harness, to: Self.start.adding(milliseconds: 60_000))
        let start = Self.start.adding(milliseconds: 600_001)
        harness.world.script.withLock { $0.due.append((start, .startCoupons)) }
        _ = try await gateway.channel.call(
            GatewayV1.Accounts.grantCoupon, OrderV1.GrantCouponRequest(effectiveAt: start.milliseconds),
            harness.options())
        _ = try await advance(gateway, harness, to: start.adding(milliseconds: -1))
        #expect(harness.world.script.withLock { $0.done }.isEmpty)
        _ = try await advance(gateway, harness, to: start.adding(milliseconds: 60_000))
        #expect(harness.world.script.withLock { $0.done } == ["coupons \(start.milliseconds)"])
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
        // What it has under way fails like what came before, and nothing further is begun.
        try await Task.sleep(for: .milliseconds(200))
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
