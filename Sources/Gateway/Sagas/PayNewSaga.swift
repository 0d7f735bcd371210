import BillingAPI
import BillingCore
import RPC

extension SagaDefinition {
    /// Pays an order for a new subscribed group and has it created.
    ///
    /// Input: `order.PayOrderRequest`, `metering.CreateGroupRequest` without its term, and, for an online payment, the
    /// pending `order.Payment`.
    static let payNew = SagaDefinition(
        "pay-new", holdsLock: false, pivot: "pay",
        steps: [
            .payment,
            Step("pay", action: pay, undo: pay),
            Step("create-group", action: createGroup),
        ],
        reply: { saga throws(RPCError) in
            let order = try saga.reply(of: "pay", as: OrderV1.OrderReply.self).order
            let group = try saga.reply(of: "create-group", as: MeteringV1.GroupReply.self).group
            return try saga.paid(order, group)
        },
        abortedReply: { saga, refusal throws(RPCError) in try saga.returned(refusal) })

    private static let createGroup: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(1, as: MeteringV1.CreateGroupRequest.self)
        let order = try saga.paidOrder()
        request.step = saga.step
        request.term = order.paidTerm
        return .to(.metering, MeteringV1.Groups.createGroup, request, at: Timestamp(milliseconds: order.paidAt))
    }
}
