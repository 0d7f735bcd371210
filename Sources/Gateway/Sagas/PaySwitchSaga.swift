import BillingAPI
import BillingCore
import RPC

extension SagaDefinition {
    /// Pays an order that switches a pay-as-you-go group to a subscription at the instant of payment (domain 6.3).
    ///
    /// Input: `order.PayOrderRequest`, `metering.SwitchGroupRequest` without its term's dates, and, for an online
    /// payment, the pending `order.Payment`.
    static let paySwitch = SagaDefinition(
        "pay-switch", holdsLock: true, pivot: "pay",
        steps: [
            .payment,
            Step("lock", action: lockForSwitch, undo: lockForSwitch),
            Step("pay", action: pay, undo: pay),
            Step("switch", action: switchGroup),
        ],
        reply: { saga throws(RPCError) in
            let order = try saga.reply(of: "pay", as: OrderV1.OrderReply.self).order
            let group = try saga.reply(of: "switch", as: MeteringV1.GroupReply.self).group
            return try saga.paid(order, group)
        },
        abortedReply: { saga, refusal throws(RPCError) in try saga.returned(refusal) })

    private static let lockForSwitch: Step.Call = { saga throws(RPCError) in
        let frozen = try saga.input.message(1, as: MeteringV1.SwitchGroupRequest.self)
        let request = MeteringV1.LockGroupRequest(
            step: saga.step, groupID: frozen.groupID, billingMethod: .payAsYouGo)
        return .to(.metering, MeteringV1.GroupSteps.lockGroup, request, at: saga.callInstant)
    }

    private static let switchGroup: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(1, as: MeteringV1.SwitchGroupRequest.self)
        let order = try saga.paidOrder()
        request.step = saga.step
        request.term = order.paidTerm
        return .to(
            .metering, MeteringV1.GroupSteps.switchGroup, request, at: Timestamp(milliseconds: order.paidAt))
    }
}
