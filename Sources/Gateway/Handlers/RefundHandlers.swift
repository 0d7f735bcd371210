import BillingAPI
import BillingCore
import RPC

struct RefundHandlers: Sendable {
    let forwarding: Forwarding

    func register(in router: inout Router) {
        router.handle(GatewayV1.Refunds.quoteRenewalRefund, quoteRenewalRefund)
        router.handle(GatewayV1.Refunds.quoteRefund, quoteRefund)
        router.handle(GatewayV1.Refunds.getRefund, getRefund)
        router.handle(GatewayV1.Refunds.listRefunds, listRefunds)
        router.handle(GatewayV1.Refunds.confirmRefund, confirmRefund)
        router.requireAll(GatewayV1.Refunds.all)
    }

    /// What unsubscribing a group now would give back.
    func quoteRefund(
        _ request: GatewayV1.QuoteRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.QuoteRefundReply> {
        try await quote(RefundV1.Refunds.quoteRefund, request, call)
    }

    /// What cancelling the last pending renewal now would give back.
    func quoteRenewalRefund(
        _ request: GatewayV1.QuoteRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.QuoteRefundReply> {
        try await quote(RefundV1.Refunds.quoteRenewalRefund, request, call)
    }

    private func quote(
        _ method: Method<RefundV1.QuoteRefundRequest, RefundV1.QuoteRefundReply>,
        _ request: GatewayV1.QuoteRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.QuoteRefundReply> {
        let instant = try forwarding.clock.instant(for: call)
        let found = try await forwarding.ask(
            .metering, MeteringV1.Groups.getGroup, MeteringV1.GetGroupRequest(groupID: request.groupID), call,
            at: instant)
        return try await forwarding.read(
            .refund, method, RefundV1.QuoteRefundRequest(group: found.group), call)
    }

    func getRefund(
        _ request: RefundV1.GetRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.RefundReply> {
        try await forwarding.read(.refund, RefundV1.Refunds.getRefund, request, call)
    }

    func listRefunds(
        _ request: RefundV1.ListRefundsRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.ListRefundsReply> {
        try await forwarding.read(.refund, RefundV1.Refunds.listRefunds, request, call)
    }

    /// An online refund arrived: booked by the order service first, then noted on the refund. Both know the key, so a
    /// repeat does what is left.
    func confirmRefund(
        _ request: RefundV1.ConfirmRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.RefundReply> {
        // Told before anything is booked: the refund service needs it.
        _ = try call.accountID()
        return try await forwarding.clock.stamped(call) { instant in
            _ = try await forwarding.send(
                .order, OrderV1.Bills.confirmRefund, OrderV1.ConfirmRefundRequest(refundID: request.refundID), call,
                at: instant)
            return try await forwarding.send(.refund, RefundV1.Refunds.confirmRefund, request, call, at: instant)
        }
    }
}
