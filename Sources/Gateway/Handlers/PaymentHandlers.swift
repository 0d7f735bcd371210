import BillingAPI
import RPC

struct PaymentHandlers: Sendable {
    let forwarding: Forwarding
    let engine: SagaEngine
    let payments: OrderPayment

    func register(in router: inout Router) {
        router.handle(GatewayV1.Payments.confirmPayment, confirmPayment)
        router.handle(GatewayV1.Payments.listPayments, listPayments)
        router.requireAll(GatewayV1.Payments.all)
    }

    /// Books a top-up, or pays an order with the money that came; if that is too late the money goes back and the reply
    /// says why (domain 6.4). Whoever runs the payments knows the reference and need not know the account. Either
    /// way the saga that it starts books it, so nothing is booked before the journal knows; what is not pending is
    /// refused by the order service.
    func confirmPayment(
        _ request: OrderV1.ConfirmPaymentRequest, _ call: CallContext
    ) async throws -> Response<GatewayV1.ConfirmPaymentReply> {
        try await forwarding.clock.stamped(call) { instant in
            let payment = try await forwarding.ask(
                .order, OrderV1.Payments.listPayments,
                OrderV1.ListPaymentsRequest(limit: 1, reference: request.reference), call, at: instant
            ).payments.first
            var owner = call
            owner.account = payment?.accountID ?? call.account
            if let earlier: Response<GatewayV1.ConfirmPaymentReply> = try await engine.earlier(owner, request) {
                return earlier
            }
            try await forwarding.clock.cutBefore(owner, at: instant)
            if let payment, !payment.orderID.isEmpty, payment.status == .pending {
                let order = try await payments.order(payment.orderID, owner, at: instant)
                return try await payments.pay(order, with: payment, CouponChoice(), owner, request, at: instant)
            }
            if payment?.status == .pending {
                return try await engine.run(
                    .confirmTopUp, group: "", input: FrozenMessages(request), owner, request, at: instant)
            }
            let confirmed = try await forwarding.send(
                .order, OrderV1.Payments.confirmPayment,
                OrderV1.ConfirmPaymentRequest(reference: request.reference), call, at: instant)
            let reply = GatewayV1.ConfirmPaymentReply(
                payment: confirmed.message.payment, account: confirmed.message.account)
            return Response(reply, isReplay: confirmed.isReplay, effectiveAt: confirmed.effectiveAt)
        }
    }

    func listPayments(
        _ request: OrderV1.ListPaymentsRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListPaymentsReply> {
        try await forwarding.read(.order, OrderV1.Payments.listPayments, request, call)
    }
}
