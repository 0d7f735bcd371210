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
    /// says why (domain 6.4). Until the answer is there a repeat with the same key goes on where this one stopped: the
    /// money is kept at the order service from its confirmation on.
    func confirmPayment(
        _ request: OrderV1.ConfirmPaymentRequest, _ call: CallContext
    ) async throws -> Response<GatewayV1.ConfirmPaymentReply> {
        if let earlier: Response<GatewayV1.ConfirmPaymentReply> = try await engine.earlier(call, request) {
            return earlier
        }
        return try await forwarding.clock.stamped(call) { instant in
            try await forwarding.clock.cutBefore(call, at: instant)
            let confirmed = try await forwarding.send(
                .order, OrderV1.Payments.confirmPayment, request, call, at: instant)
            guard let payment = confirmed.message.payment, !payment.orderID.isEmpty, payment.status == .confirmed else {
                let reply = GatewayV1.ConfirmPaymentReply(
                    payment: confirmed.message.payment, account: confirmed.message.account)
                return Response(reply, isReplay: confirmed.isReplay, effectiveAt: confirmed.effectiveAt)
            }
            // Whoever runs the payments knows the reference and need not know the account.
            var owner = call
            owner.account = payment.accountID
            let order = try await payments.order(payment.orderID, owner, at: instant)
            return try await payments.pay(order, with: payment, owner, request, at: instant)
        }
    }

    func listPayments(
        _ request: OrderV1.ListPaymentsRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListPaymentsReply> {
        try await forwarding.read(.order, OrderV1.Payments.listPayments, request, call)
    }
}
