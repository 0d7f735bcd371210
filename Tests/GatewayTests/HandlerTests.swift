import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Synchronization
import Testing

@testable import Gateway

@Suite("The gateway's own rules for API calls") struct HandlerTests {
    static let active = MeteringV1.InstanceGroup(
        groupID: "ag-1", specification: "acp.std.small", region: "cn-hangzhou", instances: 3, status: .active,
        billingMethod: .payAsYouGo)

    private func harness() async throws -> (Harness, Harness.Gateway) {
        let harness = try Harness()
        SagaCase.orders(harness.world)
        harness.world.script.withLock { $0.groups["ag-1"] = Self.active }
        return (harness, try await harness.boot())
    }

    @Test(
        "Part of a group is not unsubscribed, and nothing without a quote's token",
        arguments: [
            (
                GatewayV1.UnsubscribeRequest(groupID: "ag-1", token: "t", instanceIDs: ["acp-1", "acp-2"]),
                ["refund.partial", "instance_ids", "acp-1,acp-2"]
            ),
            (
                GatewayV1.UnsubscribeRequest(groupID: "ag-1", token: "t", quantity: 2),
                ["refund.partial", "quantity", "2"]
            ),
            (GatewayV1.UnsubscribeRequest(groupID: "ag-1"), ["refund.token_missing", "token", ""]),
        ])
    func unsubscribe(_ request: GatewayV1.UnsubscribeRequest, _ told: [String]) async throws {
        let (harness, gateway) = try await harness()
        let error = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(GatewayV1.Groups.unsubscribe, request, harness.options())
        }
        #expect(error.map { [$0.reason, $0.field, $0.value] } == told)
        #expect(error?.status == .invalidArgument)
        #expect(harness.world.calls.isEmpty)
    }

    @Test(
        "A page of sagas has at most 200, and goes on from a cursor that the list gave",
        arguments: [
            (GatewayV1.ListSagasRequest(limit: 201), "limit", "201"),
            (GatewayV1.ListSagasRequest(cursor: "x"), "cursor", "x"),
        ])
    func pages(_ request: GatewayV1.ListSagasRequest, _ field: String, _ value: String) async throws {
        let (harness, gateway) = try await harness()
        let error = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(GatewayV1.Operations.listSagas, request, harness.options(account: ""))
        }
        #expect(error?.status == .invalidArgument)
        #expect(error.map { [$0.reason, $0.field, $0.value] } == ["page.malformed", field, value])
    }

    @Test(
        "A switch is for an active pay-as-you-go group, and a refusal is the answer for its key",
        arguments: [
            (MeteringV1.GroupStatus.creating, CommonV1.BillingMethod.payAsYouGo, "group.not_active"),
            (.released, .payAsYouGo, "group.not_active"),
            (.active, .subscription, "group.not_pay_as_you_go"),
        ])
    func switchRefused(
        _ status: MeteringV1.GroupStatus, _ method: CommonV1.BillingMethod, _ reason: String
    ) async throws {
        let (harness, gateway) = try await harness()
        harness.world.script.withLock { script in
            script.groups["ag-1"]?.status = status
            script.groups["ag-1"]?.billingMethod = method
        }
        let request = GatewayV1.PlaceSwitchOrderRequest(groupID: "ag-1", months: 3)
        for isReplay in [false, true] {
            let error = await #expect(throws: RPCError.self) {
                try await gateway.channel.call(GatewayV1.Orders.placeSwitchOrder, request, harness.options())
            }
            #expect(error?.reason == reason)
            #expect(error?.isReplay == isReplay)
            harness.world.script.withLock { $0.groups["ag-1"] = Self.active }
        }
    }

    @Test("A repeat of a switch order gets the first answer although the group was switched and the clock moved")
    func composedReplay() async throws {
        let (harness, gateway) = try await harness()
        let request = GatewayV1.PlaceSwitchOrderRequest(groupID: "ag-1", months: 3)
        let first = try await gateway.channel.call(GatewayV1.Orders.placeSwitchOrder, request, harness.options())
        harness.world.script.withLock { $0.groups["ag-1"]?.billingMethod = .subscription }
        _ = try await gateway.clock.advance(
            to: ManualClock.defaultStart.adding(milliseconds: 1), until: .after(milliseconds: 20_000))
        let again = try await gateway.channel.call(GatewayV1.Orders.placeSwitchOrder, request, harness.options())
        #expect(first.message.order?.months == 3)
        #expect(again.message == first.message)
        #expect((first.isReplay, again.isReplay) == (false, true))
        #expect(again.effectiveAt == first.effectiveAt)
        let reused = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(
                GatewayV1.Orders.placeSwitchOrder, GatewayV1.PlaceSwitchOrderRequest(groupID: "ag-1", months: 6),
                harness.options())
        }
        #expect(reused?.reason == "call.key_reused")
        #expect(try await harness.world.effects()["placed"] == 1)
    }

    @Test(
        "A renewal is for an active or expired subscription, and buys as many months as were bought last",
        arguments: [
            (MeteringV1.GroupStatus.active, CommonV1.BillingMethod.subscription, 0, 6, ""),
            (.active, .subscription, 12, 12, ""),
            (.expired, .subscription, 1, 1, ""),
            (.creating, .subscription, 1, 0, "group.not_active"),
            (.released, .subscription, 1, 0, "group.not_active"),
            (.active, .payAsYouGo, 1, 0, "group.not_subscription"),
        ] as [(MeteringV1.GroupStatus, CommonV1.BillingMethod, UInt32, UInt32, String)])
    func renewal(
        _ status: MeteringV1.GroupStatus, _ method: CommonV1.BillingMethod, _ asked: UInt32, _ bought: UInt32,
        _ reason: String
    ) async throws {
        let (harness, gateway) = try await harness()
        harness.world.script.withLock { script in
            script.groups["ag-1"]?.status = status
            script.groups["ag-1"]?.billingMethod = method
            script.groups["ag-1"]?.months = 1
            script.groups["ag-1"]?.pendingRenewals = [MeteringV1.Term(months: 3), MeteringV1.Term(months: 6)]
        }
        let request = GatewayV1.PlaceRenewalOrderRequest(groupID: "ag-1", months: asked)
        do {
            let placed = try await gateway.channel.call(
                GatewayV1.Orders.placeRenewalOrder, request, harness.options()
            ).message
            #expect(placed.order?.kind == .renewal && placed.order?.months == bought)
        } catch let error as RPCError {
            #expect(error.reason == reason)
        }
        #expect(try await harness.world.effects()["placed"] == (reason.isEmpty ? 1 : nil))
    }

    @Test("A renewal is paid from where the locked group's terms end")
    func renewalBasis() async throws {
        let (harness, gateway) = try await harness()
        harness.world.script.withLock { script in
            script.groups["ag-1"]?.paidThrough = 5000
            script.groups["ag-1"]?.nominalStart = 1000
            script.groups["ag-1"]?.nominalMonths = 2
        }
        let request = GatewayV1.PayOrderRequest(
            orderID: "ord-renewal", paymentMethod: .balance, couponID: "coupon-1")
        let reply = try await gateway.channel.call(GatewayV1.Orders.payOrder, request, harness.options()).message
        let paid = harness.world.script.withLock { $0.requests["pay"] } as? OrderV1.PayOrderRequest
        #expect(paid?.basis == OrderV1.RenewalBasis(paidThrough: 5000, nominalStart: 1000, nominalMonths: 2))
        #expect(paid?.couponID == "coupon-1")
        let extended = harness.world.script.withLock { $0.requests["extend"] } as? MeteringV1.ExtendGroupRequest
        #expect(extended?.automatic == false)
        #expect(reply.group?.paidThrough == reply.order?.termEnd)
    }

    @Test(
        "A payment from the balance has no part of it, and a coupon is named or declined, not both",
        arguments: [
            (
                GatewayV1.PayOrderRequest(orderID: "ord-new", paymentMethod: .balance, balanceMicros: 5),
                ["payment.balance_part", "balance_micros", "5"]
            ),
            (
                GatewayV1.PayOrderRequest(
                    orderID: "ord-new", paymentMethod: .balance, couponID: "c-1", withoutCoupon: true),
                ["payment.coupon_choice", "coupon_id", "c-1"]
            ),
            (
                GatewayV1.PayOrderRequest(orderID: "ord-new", paymentMethod: .balance, reference: "r"),
                ["payment.reference", "reference", ""]
            ),
        ])
    func paymentRefused(_ request: GatewayV1.PayOrderRequest, _ told: [String]) async throws {
        let (harness, gateway) = try await harness()
        let error = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(GatewayV1.Orders.payOrder, request, harness.options())
        }
        #expect(error.map { [$0.reason, $0.field, $0.value] } == told)
        #expect(error?.status == .invalidArgument)
        #expect(try await harness.world.effects().isEmpty)
    }

    @Test("An online payment is announced with the coupon and the part of the balance that go with it")
    func online() async throws {
        let (harness, gateway) = try await harness()
        let request = GatewayV1.PayOrderRequest(
            orderID: "ord-new", paymentMethod: .online, reference: "r", withoutCoupon: true, balanceMicros: 5)
        _ = try await gateway.channel.call(GatewayV1.Orders.payOrder, request, harness.options())
        let registered = harness.world.script.withLock { $0.requests["register"] } as? OrderV1.RegisterPaymentRequest
        #expect(
            registered
                == OrderV1.RegisterPaymentRequest(
                    orderID: "ord-new", reference: "r", withoutCoupon: true, balanceMicros: 5))
    }

    @Test("Cancelling a renewal needs a quote's token, and drops the renewal that the refund names")
    func cancelRenewal() async throws {
        let (harness, gateway) = try await harness()
        let error = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(
                GatewayV1.Groups.cancelRenewal, GatewayV1.CancelRenewalRequest(groupID: "ag-1"), harness.options())
        }
        #expect(error?.reason == "refund.token_missing")
        _ = try await gateway.channel.call(
            GatewayV1.Groups.cancelRenewal, GatewayV1.CancelRenewalRequest(groupID: "ag-1", token: "t"),
            harness.options())
        let dropped = harness.world.script.withLock { $0.requests["drop-renewal"] } as? MeteringV1.DropRenewalRequest
        #expect(dropped?.orderID == "ord-last")
        #expect(try await harness.world.effects()["resume"] == nil)
    }

    @Test("An account is resumed from the instant of the top-up; one that is announced alone runs no saga")
    func topUp() async throws {
        let (harness, gateway) = try await harness()
        harness.world.script.withLock { $0.recovers = true }
        _ = try await gateway.channel.call(
            GatewayV1.Accounts.topUp, OrderV1.TopUpRequest(amountMicros: 1, reference: "r"), harness.options())
        #expect(try await harness.world.effects() == ["announced": 1])
        let response = try await gateway.channel.call(
            GatewayV1.Accounts.topUp, OrderV1.TopUpRequest(amountMicros: 1),
            harness.options("a-key-for-a-top-up"))
        #expect(response.message.recovered)
        let resumed = harness.world.script.withLock { $0.requests["resume"] } as? MeteringV1.ResumeAccountRequest
        #expect(resumed?.at == ManualClock.defaultStart.milliseconds)
    }

    @Test("A top-up that comes too late for some groups has their orders cancelled and their owner told")
    func tooLate() async throws {
        let (harness, gateway) = try await harness()
        harness.world.script.withLock { script in
            script.recovers = true
            script.releasedGroups = ["ag-1", "ag-2"]
        }
        _ = try await gateway.channel.call(
            GatewayV1.Accounts.topUp, OrderV1.TopUpRequest(amountMicros: 1), harness.options())
        let cancelled = harness.world.script.withLock { $0.requests["cancel-unpaid"] } as? OrderV1.CancelUnpaidRequest
        #expect(cancelled?.groupIDs == ["ag-1", "ag-2"] && cancelled?.wasDue == true)
    }

    @Test("Two writes that clear debts of one account do not shut each other out")
    func sideBySide() async throws {
        let (harness, first) = try await harness()
        first.service.stop()
        let gateway = try await harness.boot(dyingAt: "adjust.post.replied")
        let left = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(
                GatewayV1.Accounts.adjust, OrderV1.AdjustRequest(amountMicros: -1), harness.options())
        }
        #expect(left?.reason == "saga.left")
        _ = try await gateway.channel.call(
            GatewayV1.Accounts.topUp, OrderV1.TopUpRequest(amountMicros: 1), harness.options("a-key-for-a-top-up"))
        #expect(try await harness.world.effects()["post"] == 2)
    }

    @Test("An overdue account buys no value-added resource")
    func backup() async throws {
        let (harness, gateway) = try await harness()
        let request = MeteringV1.SetBackupRequest(region: "cn-hangzhou", gib: 1)
        _ = try await gateway.channel.call(GatewayV1.Resources.setBackup, request, harness.options())
        harness.world.script.withLock { $0.isOverdue = true }
        let error = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(
                GatewayV1.Resources.setBackup, request, harness.options("a-key-for-another-one"))
        }
        #expect(error?.reason == "account.overdue")
        #expect(try await harness.world.effects()["backup"] == 1)
    }

    @Test("An order names its term")
    func monthsMissing() async throws {
        let (harness, gateway) = try await harness()
        let error = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(
                GatewayV1.Orders.placeNewOrder, GatewayV1.PlaceNewOrderRequest(instances: 1), harness.options())
        }
        #expect(error?.reason == "price.unknown_duration")
    }

    @Test("An overdue account creates nothing; a group created before that is still told to a repeat")
    func overdue() async throws {
        let (harness, gateway) = try await harness()
        let request = GatewayV1.CreateGroupRequest(specification: "acp.std.small", region: "cn-hangzhou", instances: 1)
        let first = try await gateway.channel.call(GatewayV1.Groups.createGroup, request, harness.options())
        harness.world.script.withLock { $0.isOverdue = true }
        let again = try await gateway.channel.call(GatewayV1.Groups.createGroup, request, harness.options())
        #expect(again.message == first.message)
        #expect(again.isReplay)
        let error = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(
                GatewayV1.Groups.createGroup, request, harness.options("a-key-for-another-one"))
        }
        #expect(error?.reason == "account.overdue")
        #expect(try await harness.world.effects()["create"] == 1)
    }

    @Test("An online payment pays its order; the reply is the same for a repeat")
    func confirmed() async throws {
        let (harness, gateway) = try await harness()
        let request = OrderV1.ConfirmPaymentRequest(reference: "ord-switch")
        let first = try await gateway.channel.call(GatewayV1.Payments.confirmPayment, request, harness.options())
        let again = try await gateway.channel.call(GatewayV1.Payments.confirmPayment, request, harness.options())
        #expect(first.message.payment?.status == .booked)
        #expect(first.message.order?.status == .paid)
        #expect(first.message.group?.billingMethod == .subscription)
        #expect(first.message.returnedBecause.isEmpty)
        #expect(again.message == first.message && again.isReplay)
        #expect(try await harness.world.effects()["returned"] == nil)
    }

    @Test("An online payment that comes too late is given back, and the reply says why", arguments: ["lock", "pay"])
    func returned(_ step: String) async throws {
        for fault in [[], [World.Fault.lost], [.replyLost]] {
            let (harness, gateway) = try await harness()
            harness.world.plan(step, [.refused(SagaEngineTests.refusal)])
            harness.world.plan("undo-payment", fault)
            let request = OrderV1.ConfirmPaymentRequest(reference: "ord-switch")
            let reply = try await gateway.channel.call(GatewayV1.Payments.confirmPayment, request, harness.options())
            #expect(reply.message.returnedBecause == SagaEngineTests.refusal.message)
            #expect(reply.message.payment?.status == .returned)
            let effects = try await harness.world.effects()
            #expect(effects["returned"] == 1)
            #expect(effects["pay"] ?? 0 == 0 && effects["lock"] ?? 0 == 0)
        }
    }

    @Test("An order that is paid or cancelled is not paid again")
    func notUnpaid() async throws {
        let (harness, gateway) = try await harness()
        harness.world.script.withLock { $0.orders["ord-new"]?.status = .cancelled }
        let error = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(
                GatewayV1.Orders.payOrder,
                GatewayV1.PayOrderRequest(orderID: "ord-new", paymentMethod: .balance), harness.options())
        }
        #expect(error?.reason == "order.not_unpaid")
    }

    @Test("What changes something needs a key")
    func keyMissing() async throws {
        let (harness, gateway) = try await harness()
        var options = try harness.options()
        options.key = nil
        let error = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(
                GatewayV1.Groups.releaseGroup, GatewayV1.ReleaseGroupRequest(groupID: "ag-1"), options)
        }
        #expect(error?.reason == "call.key_missing")
    }

    @Test("Health names all five services, also one that does not answer")
    func health() async throws {
        let (harness, gateway) = try await harness()
        let reply = try await gateway.channel.call(
            GatewayV1.Operations.systemHealth, GatewayV1.SystemHealthRequest(), harness.options()
        ).message
        #expect(reply.services.compactMap(\.health?.service) == ["pricing", "metering", "order", "refund", "gateway"])
        #expect(reply.services.map(\.problem.isEmpty) == [false, false, false, false, true])
    }
}
