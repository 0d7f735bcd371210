import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Gateway

/// Rules of domain sections 2 to 7 where the clock does not wait for the work: what comes late, comes between two services or
/// comes after a restart has the same result as if it came at its instant.
@Suite("Rules on the real clock") struct RealClockRuleTests {
    /// Example 5: 2 x perf.large in Singapore with 1.00 USD, overdue at 12:00 with 0.4172 outstanding.
    private func exampleFive(_ system: System, _ gateway: System.Life) async throws -> (String, group: String) {
        let account = try await system.open(gateway, "1.00")
        let group = try await system.create(
            gateway, account, "acp.perf.large", region: "ap-southeast-1", instances: 2)
        for time in ["10:00:00.400", "11:00", "12:00:00.900"] {
            try await system.work(gateway, at: "2026-03-10 " + time)
        }
        let shown = try await system.account(gateway, account)
        #expect(shown.overdue && shown.outstandingMicros == 417_200)
        #expect(try await system.group(gateway, account, group).status == .overdue)
        return (account, group)
    }

    @Test(
        "Example 6: a top-up saves the group until the end of its 15 days and not after it, though nothing was released yet",
        arguments: [
            ("2026-03-25 11:59:59.999", true), ("2026-03-25 12:00:00.000", false), ("2026-03-25 12:04:00", false),
        ])
    func exampleSix(_ paidAt: String, _ isSaved: Bool) async throws {
        let system = try await System(at: "2026-03-10 09:00")
        let (account, group) = try await exampleFive(system, try await system.boot())
        // A new process releases nothing for its first ten minutes.
        system.machine.turn(to: instant("2026-03-25 11:55"))
        let gateway = try await system.boot()
        try await system.work(gateway, at: "2026-03-25 11:55:01")
        #expect(try await !system.topUp(gateway, account, "0.40").recovered)
        try await system.work(gateway, at: paidAt)
        #expect(try await system.topUp(gateway, account, "0.0172").recovered)
        let found = try await system.group(gateway, account, group)
        if isSaved {
            #expect(found.status == .active && found.anchor == instant(paidAt).milliseconds)
        } else {
            #expect(found.status == .released && found.releaseCause == .overdue)
            #expect(found.releasedAt == instant("2026-03-25 12:00").milliseconds)
        }
        try await system.work(gateway, at: "2026-03-25 12:10:00")
        #expect(try await system.group(gateway, account, group) == found)
        #expect(try await system.notices(gateway, account).filter { $0 == .recovered }.count == 1)
        #expect(try await system.notices(gateway, account).filter { $0 == .released }.count == (isSaved ? 0 : 1))
        // Either way the account buys again.
        _ = try await system.create(gateway, account)
        #expect(try await system.unfinished(gateway).isEmpty)
    }

    @Test("A debt that is not paid ends in the release when the process may trust its clock, at the end of the 15 days")
    func released() async throws {
        let system = try await System(at: "2026-03-10 09:00")
        let (account, group) = try await exampleFive(system, try await system.boot())
        system.machine.turn(to: instant("2026-03-25 11:55"))
        let gateway = try await system.boot()
        try await system.work(gateway, at: "2026-03-25 12:04:59")
        #expect(try await system.group(gateway, account, group).status == .overdue)
        try await system.work(gateway, at: "2026-03-25 12:05:00")
        let found = try await system.group(gateway, account, group)
        #expect(found.status == .released && found.releasedAt == instant("2026-03-25 12:00").milliseconds)
        let kinds = try await system.notices(gateway, account)
        #expect(kinds.filter { $0 == .reminder }.count == 14 && kinds.last == .released)
    }

    @Test("A renewal that is paid after the 15 days is refused, takes nothing, and goes with the group")
    func lateRenewal() async throws {
        let system = try await System(at: "2026-04-10 15:20")
        let first = try await system.boot()
        let account = try await system.open(first, "100")
        let group = try await system.subscribe(first, account)
        try await system.work(first, at: "2026-05-11 00:00:00.300")
        #expect(try await system.group(first, account, group).status == .expired)
        system.machine.turn(to: instant("2026-05-25 23:58"))
        let gateway = try await system.boot()
        try await system.work(gateway, at: "2026-05-25 23:59")
        let order = try await system.placeRenewal(gateway, account, group)
        try await system.work(gateway, at: "2026-05-26 00:02")
        let error = await #expect(throws: RPCError.self) { try await system.pay(gateway, account, order) }
        #expect(error?.reason == "group.not_active")
        #expect(try await system.account(gateway, account).balanceMicros == 100_000_000 - 9_910_000)
        try await system.work(gateway, at: "2026-05-26 00:08")
        let found = try await system.group(gateway, account, group)
        #expect(found.releaseCause == .expired && found.releasedAt == instant("2026-05-26").milliseconds)
        #expect(try await system.order(gateway, account, order).cancellationCause == .groupReleased)
    }

    @Test("An attempt of auto-renewal that comes late, after calls of its owner, renews all the same, and stops nobody")
    func lateAttempt() async throws {
        let system = try await System(at: "2026-04-10 15:20")
        let first = try await system.boot()
        var owners: [(account: String, group: String)] = []
        for _ in 0..<2 {
            let account = try await system.open(first, "100")
            owners.append((account, try await system.subscribe(first, account, autoRenewal: true)))
        }
        try await system.work(first, at: "2026-05-08 07:30")
        let running = try await system.create(first, owners[0].account)
        try await system.work(first, at: "2026-05-08 07:59")
        // Nobody works at 08:00; the owner is there before the gateway gets to it, an hour and two minutes later.
        system.machine.turn(to: instant("2026-05-08 09:02:01"))
        let gateway = try await system.boot()
        for group in [running, owners[0].group] {
            _ = try await system.call(
                gateway, GatewayV1.Groups.connect, MeteringV1.ConnectRequest(groupID: group), owners[0].account)
        }
        try await system.work(gateway, at: "2026-05-08 09:02:02")
        for (account, group) in owners {
            let renewed = try await system.group(gateway, account, group)
            #expect(renewed.pendingRenewals.count == 1 && renewed.lockedBy.isEmpty)
            #expect(renewed.paidThrough == instant("2026-06-11").milliseconds)
        }
        #expect(gateway.clock.status.problem.isEmpty)
        // And the cuts went on.
        let hours = try await system.lines(gateway, owners[0].account).filter { $0.itemKind == .payAsYouGoBill }
        #expect(hours.last?.usageEnd == instant("2026-05-08 09:00").milliseconds)
        #expect(try await system.unfinished(gateway).isEmpty)
    }

    @Test("A top-up that is stamped before a cut and comes between its two halves recovers the account for good")
    func betweenTheHalves() async throws {
        let system = try await System(at: "2026-04-10 11:00")
        let gateway = try await system.boot()
        let account = try await system.open(gateway)
        let group = try await system.create(gateway, account)
        try await system.work(gateway, at: "2026-04-10 11:00:01")
        system.machine.turn(to: instant("2026-04-10 11:59:59.990"))
        let (underWay, posted, asked) = (Gate(), Gate(), Gate())
        system.taps.before(OrderV1.Accounts.topUp) { () async throws(RPCError) in
            underWay.open()
            await posted.wait()
        }
        system.taps.after(MeteringV1.GroupSteps.resumeAccount) { () async throws(RPCError) in asked.open() }
        system.taps.after(OrderV1.Bills.postUsage) { () async throws(RPCError) in
            posted.open()
            await asked.wait()
        }
        async let paid = system.topUp(gateway, account, "1.00")
        await underWay.wait()
        try await system.work(gateway, at: "2026-04-10 12:00:00.010")
        #expect(try await paid.recovered)
        let shown = try await system.account(gateway, account)
        #expect(!shown.overdue && shown.balanceMicros == 1_000_000 - 45_700)
        let found = try await system.group(gateway, account, group)
        #expect(found.status == .active && found.anchor == instant("2026-04-10 12:00").milliseconds)
        // Nothing is left that keeps the account from buying, and its group is billed on.
        _ = try await system.create(gateway, account)
        try await system.work(gateway, at: "2026-04-10 13:00:00.010")
        #expect(try await system.lines(gateway, account).count == 3)
    }

    @Test("Whom a month close recovers is started though the gateway died before it knew")
    func lostRecovery() async throws {
        let system = try await System(at: "2026-04-30 20:00")
        let first = try await system.boot()
        // Of an hour for 0.045700 all but 0.005699 is paid; the round-down of the month, 0.005700, pays the rest.
        let account = try await system.open(first, "0.040001")
        let group = try await system.create(first, account)
        try await system.work(first, at: "2026-04-30 21:00")
        #expect(try await system.group(first, account, group).status == .overdue)
        system.taps.after(OrderV1.Orders.closeMonths) { () async throws(RPCError) in
            throw RPCError(.deadlineExceeded, "call.deadline_exceeded", "The gateway died.")
        }
        await #expect(throws: RPCError.self) { try await system.work(first, at: "2026-05-01 00:00:00.200") }
        #expect(try await !system.account(first, account).overdue)
        system.machine.turn(to: instant("2026-05-01 00:03"))
        let gateway = try await system.boot()
        try await system.work(gateway, at: "2026-05-01 00:03:01")
        let found = try await system.group(gateway, account, group)
        #expect(found.status == .active && found.anchor == instant("2026-05-01").milliseconds)
        try await system.work(gateway, at: "2026-05-01 00:03:02")
        let sagas = try await system.call(
            gateway, GatewayV1.Operations.listSagas, GatewayV1.ListSagasRequest(statuses: [.committed]))
        #expect(sagas.sagas.filter { $0.definition == "resume" }.count == 1)
    }

    @Test("The month of an account that a payment holds over its end is closed by the cut that follows, over all of it")
    func heldOverMonthEnd() async throws {
        let system = try await System(at: "2026-04-30 20:00:00.123")
        let gateway = try await system.boot()
        let account = try await system.open(gateway, "100")
        let group = try await system.create(gateway, account)
        _ = try await system.create(gateway, account, "acp.std.small")
        try await system.work(gateway, at: "2026-04-30 23:00:01")
        system.machine.turn(to: instant("2026-04-30 23:59:50.001"))
        let placed = try await system.call(
            gateway, GatewayV1.Orders.placeSwitchOrder, GatewayV1.PlaceSwitchOrderRequest(groupID: group, months: 1),
            account)
        let order = try #require(placed.order).orderID
        let (underWay, closed) = (Gate(), Gate())
        system.taps.before(OrderV1.OrderSteps.payOrder) { () async throws(RPCError) in
            underWay.open()
            await closed.wait()
        }
        async let paid = system.pay(gateway, account, order)
        await underWay.wait()
        try await system.work(gateway, at: "2026-05-01 00:00:05")
        #expect(try await system.lines(gateway, account).allSatisfy { $0.roundDownMicros == 0 })
        closed.open()
        #expect(try await paid.order?.paidAt == instant("2026-04-30 23:59:50.001").milliseconds)
        let april = try await system.lines(gateway, account).filter {
            $0.itemKind == .payAsYouGoBill && $0.billingPeriod.hasPrefix("2026-04")
        }
        let roundDown = try #require(april.first { $0.roundDownLine })
        #expect(april.filter { $0.roundDownLine }.count == 1)
        let gross = april.reduce(0) { $0 + $1.grossMicros }
        #expect(roundDown.roundDownMicros == gross % 10_000 && roundDown.roundDownMicros > 0)
        let explained = try await system.call(
            gateway, GatewayV1.Bills.explainLine, OrderV1.GetLineRequest(lineID: roundDown.lineID), account)
        #expect(explained.agrees)
    }

    @Test("An order that is placed while its group is being unsubscribed goes with the group")
    func orderMeanwhile() async throws {
        let system = try await System(at: "2026-04-10 15:20")
        let gateway = try await system.boot()
        let account = try await system.open(gateway, "100")
        let group = try await system.subscribe(gateway, account)
        let quote = try await system.call(
            gateway, GatewayV1.Refunds.quoteRefund, GatewayV1.QuoteRefundRequest(groupID: group), account)
        let order = Gate()
        let placed = Task {
            await order.wait()
            return try await system.placeRenewal(gateway, account, group)
        }
        system.taps.before(RefundV1.RefundSteps.payRefund) { () async throws(RPCError) in
            order.open()
            do { _ = try await placed.value } catch { throw RPCError(error, callID: 0) }
        }
        let reply = try await system.call(
            gateway, GatewayV1.Groups.unsubscribe,
            GatewayV1.UnsubscribeRequest(groupID: group, token: quote.token), account)
        #expect(reply.group?.status == .released)
        #expect(try await system.order(gateway, account, placed.value).cancellationCause == .groupReleased)
        // It stands in nobody's way.
        _ = try await system.subscribe(gateway, account)
    }
}
