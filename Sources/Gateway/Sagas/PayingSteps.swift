import BillingAPI
import BillingCore
import RPC

// What the sagas that pay an order share. Their input starts with the frozen `order.PayOrderRequest`.

extension Step {
    /// Books the online payment that was confirmed by the call that started the saga: not before the saga's journal
    /// knows of it, so the money is never left without one. If the order cannot be paid with it, it is given back
    /// (domain 6.4). From the balance there is nothing to do.
    static let payment = Step(
        "payment",
        action: { saga throws(RPCError) in
            guard let payment = try saga.onlinePayment() else { return nil }
            return .to(
                .order, OrderV1.Payments.confirmPayment,
                OrderV1.ConfirmPaymentRequest(reference: payment.reference), at: saga.callInstant, isStep: false)
        },
        undo: { saga throws(RPCError) in
            let frozen = try saga.input.message(0, as: OrderV1.PayOrderRequest.self)
            guard !frozen.paymentID.isEmpty else { return nil }
            return .to(
                .order, OrderV1.Payments.returnPayment, OrderV1.ReturnPaymentRequest(paymentID: frozen.paymentID),
                at: saga.now, isStep: false)
        })
}

extension SagaDefinition {
    static let pay: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(0, as: OrderV1.PayOrderRequest.self)
        request.step = saga.step
        return .to(.order, OrderV1.OrderSteps.payOrder, request, at: saga.callInstant)
    }
}

extension SagaSoFar {

    /// The order as the pivot left it.
    func paidOrder() throws(RPCError) -> OrderV1.Order { try order(of: "pay") }

    /// The order that a step replied.
    func order(of step: String) throws(RPCError) -> OrderV1.Order {
        guard let order = try reply(of: step, as: OrderV1.OrderReply.self).order else {
            throw .journalDamaged("the reply of step '\(step)' names no order")
        }
        return order
    }

    /// The reply to whoever paid: the owner, or the one who confirmed an online payment.
    func paid(_ order: OrderV1.Order?, _ group: MeteringV1.InstanceGroup?) throws(RPCError) -> StoredAnswer {
        let at = Timestamp(milliseconds: order?.paidAt ?? startedAt.milliseconds)
        guard try onlinePayment() != nil else {
            return answer(GatewayV1.PayOrderReply(order: order, group: group), at: at)
        }
        var payment = try reply(of: "payment", as: OrderV1.PaymentReply.self).payment
        payment?.status = .booked
        return answer(GatewayV1.ConfirmPaymentReply(payment: payment, order: order, group: group), at: at)
    }

    /// The reply when an online payment came too late; `nil` when nothing was given back, so that the refusal is all
    /// there is to tell.
    func returned(_ refusal: RPCError) throws(RPCError) -> StoredAnswer? {
        guard try onlinePayment() != nil, let undone = undone["payment"] else { return nil }
        let reply = try undone.response(OrderV1.PaymentReply.self, isReplay: false)
        return answer(
            GatewayV1.ConfirmPaymentReply(
                payment: reply.message.payment, account: reply.message.account, returnedBecause: refusal.message),
            at: reply.effectiveAt ?? startedAt)
    }

    /// The payment that was pending when the saga started; `nil` when the order is paid from the balance.
    func onlinePayment() throws(RPCError) -> OrderV1.Payment? {
        guard try !input.message(0, as: OrderV1.PayOrderRequest.self).paymentID.isEmpty else { return nil }
        return try input.message(2, as: OrderV1.Payment.self)
    }
}

extension OrderV1.Order {
    var paidTerm: MeteringV1.Term {
        MeteringV1.Term(
            orderID: orderID, start: termStart, end: termEnd, months: months, autoRenewal: autoRenewal,
            autoRenewalMonths: autoRenewalMonths)
    }
}
