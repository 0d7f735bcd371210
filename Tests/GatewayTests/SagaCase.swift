import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Synchronization
import Testing

@testable import Gateway

/// Each saga as a caller starts it, with what it does.
struct SagaCase: Sendable, CustomTestStringConvertible {
    let name: String
    /// The steps that send something, in order.
    let steps: [String]
    let pivot: String
    let prepare: @Sendable (World) -> Void
    /// Makes the API call; returns the reply's bytes and whether it is a replay.
    let call: @Sendable (RouterChannel, CallOptions) async throws -> (bytes: [UInt8], isReplay: Bool)

    var testDescription: String { name }

    var stepsToPivot: [String] { Array(steps.prefix(through: steps.firstIndex(of: pivot) ?? 0)) }
    var stepsAfterPivot: [String] { Array(steps.dropFirst(stepsToPivot.count)) }

    init<Request: WireMessage, Reply: WireMessage>(
        _ name: String, _ steps: [String], pivot: String, _ method: Method<Request, Reply>, _ request: Request,
        prepare: @escaping @Sendable (World) -> Void = { _ in }
    ) {
        self.name = name
        self.steps = steps
        self.pivot = pivot
        self.prepare = prepare
        call = { channel, options in
            let response = try await channel.call(method, request, options)
            return (response.message.encoded(), response.isReplay)
        }
    }

    static let all = [
        SagaCase(
            "pay-switch", ["lock", "pay", "switch"], pivot: "pay", GatewayV1.Orders.payOrder,
            GatewayV1.PayOrderRequest(orderID: "ord-switch", paymentMethod: .balance), prepare: orders),
        SagaCase(
            "pay-new", ["pay", "create-group"], pivot: "pay", GatewayV1.Orders.payOrder,
            GatewayV1.PayOrderRequest(orderID: "ord-new", paymentMethod: .balance), prepare: orders),
        SagaCase(
            "creation-failed", ["report-created", "refund-in-full", "note-refund"], pivot: "report-created",
            GatewayV1.Groups.reportCreated, GatewayV1.ReportCreatedRequest(groupID: "ag-paid", failed: true),
            prepare: { world in
                world.script.withLock { script in
                    script.groups["ag-paid"] = MeteringV1.InstanceGroup(
                        groupID: "ag-paid", status: .creating, billingMethod: .subscription, orderID: "ord-1")
                }
            }),
        SagaCase(
            "pay-renewal", ["lock", "pay", "extend"], pivot: "pay", GatewayV1.Orders.payOrder,
            GatewayV1.PayOrderRequest(orderID: "ord-renewal", paymentMethod: .balance), prepare: orders),
        SagaCase(
            "release", ["release", "cancel-unpaid"], pivot: "release", GatewayV1.Groups.releaseGroup,
            GatewayV1.ReleaseGroupRequest(groupID: "ag-1")),
        SagaCase(
            "unsubscribe", ["lock", "open-refund", "pay-refund", "end", "cancel-unpaid", "close-refund"],
            pivot: "pay-refund", GatewayV1.Groups.unsubscribe,
            GatewayV1.UnsubscribeRequest(groupID: "ag-1", token: "token")),
        SagaCase(
            "unsubscribe", ["lock", "open-refund", "pay-refund", "end", "cancel-unpaid", "close-refund", "resume"],
            pivot: "pay-refund", GatewayV1.Groups.unsubscribe,
            GatewayV1.UnsubscribeRequest(groupID: "ag-1", token: "token"), prepare: recovering),
        SagaCase(
            "cancel-renewal", ["lock", "open-refund", "pay-refund", "drop-renewal", "close-refund", "resume"],
            pivot: "pay-refund", GatewayV1.Groups.cancelRenewal,
            GatewayV1.CancelRenewalRequest(groupID: "ag-1", token: "token"), prepare: recovering),
        SagaCase(
            "top-up", ["post"], pivot: "post", GatewayV1.Accounts.topUp, OrderV1.TopUpRequest(amountMicros: 1)),
        SagaCase(
            "top-up", ["post", "resume"], pivot: "post", GatewayV1.Accounts.topUp,
            OrderV1.TopUpRequest(amountMicros: 1), prepare: recovering),
        SagaCase(
            "top-up", ["post", "resume", "cancel-released"], pivot: "post", GatewayV1.Accounts.topUp,
            OrderV1.TopUpRequest(amountMicros: 1),
            prepare: { world in
                recovering(world)
                world.script.withLock { $0.releasedGroups = ["ag-1", "ag-2"] }
            }),
        SagaCase(
            "confirm-top-up", ["post", "resume"], pivot: "post", GatewayV1.Payments.confirmPayment,
            OrderV1.ConfirmPaymentRequest(reference: "top-up-1"), prepare: recovering),
        SagaCase(
            "grant-coupon", ["post", "resume"], pivot: "post", GatewayV1.Accounts.grantCoupon,
            OrderV1.GrantCouponRequest(amountMicros: 1), prepare: recovering),
        SagaCase(
            "adjust", ["post", "resume"], pivot: "post", GatewayV1.Accounts.adjust,
            OrderV1.AdjustRequest(amountMicros: -1), prepare: recovering),
    ]

    @Sendable static func recovering(_ world: World) { world.script.withLock { $0.recovers = true } }

    @Sendable static func orders(_ world: World) {
        world.script.withLock { script in
            script.orders["ord-switch"] = OrderV1.Order(
                orderID: "ord-switch", kind: .switch, status: .unpaid, groupID: "ag-1", months: 3)
            script.orders["ord-renewal"] = OrderV1.Order(
                orderID: "ord-renewal", kind: .renewal, status: .unpaid, groupID: "ag-1", months: 1)
            script.orders["ord-new"] = OrderV1.Order(
                orderID: "ord-new", kind: .new, status: .unpaid, groupID: "ag-new", instances: 1, months: 1)
        }
    }
}
