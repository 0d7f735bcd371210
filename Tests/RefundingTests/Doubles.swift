import BillingAPI
import BillingCore
import RPC
import Synchronization

/// Stands in for the order service: lists what it is given, and keeps the step that posts a refund as a participant
/// does.
final class OrderDouble: Sendable {
    struct Posting: Hashable {
        var step: CommonV1.SagaStep
        var key: String
        var epoch: UInt64
        var request: OrderV1.PostRefundRequest
    }

    struct State {
        var orders: [OrderV1.Order] = []
        var lastAt: Int64 = 0
        /// What the next call is answered with instead.
        var refusal: RPCError?
        var isPosted = false
        /// Whether the money that is posted ends a debt.
        var recovers = false
        var isTombstone = false
        var postings: [Posting] = []
    }

    let state = Mutex(State())

    var channel: any Channel {
        var router = Router()
        router.handle(OrderV1.Orders.listOrders) { request, _ in try self.listOrders(request) }
        router.handle(OrderV1.OrderSteps.postRefund) { request, call in try self.postRefund(request, call) }
        return InProcessChannel(router: router)
    }

    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }
    var postings: [Posting] { state.withLock { $0.postings } }

    private func listOrders(_ request: OrderV1.ListOrdersRequest) throws -> Response<OrderV1.ListOrdersReply> {
        try state.withLock { state in
            if let refusal = state.refusal { throw refusal }
            // Pages of one order, so that the caller has to turn them.
            let orders = state.orders.filter {
                request.statuses.contains($0.status) && $0.groupID == request.groupID && $0.orderID > request.cursor
            }
            return Response(
                OrderV1.ListOrdersReply(
                    orders: Array(orders.prefix(1)), nextCursor: orders.count > 1 ? orders[0].orderID : "",
                    lastAt: state.lastAt))
        }
    }

    private func postRefund(
        _ request: OrderV1.PostRefundRequest, _ call: CallContext
    ) throws -> Response<OrderV1.RefundPostedReply> {
        try state.withLock { state in
            guard let step = request.step else { throw RPCError(.invalidArgument, "saga.step_missing", "") }
            state.postings.append(
                Posting(step: step, key: call.key?.text ?? "", epoch: call.epoch, request: request))
            if let refusal = state.refusal { throw refusal }
            if step.undo {
                if state.isPosted { throw RPCError(.failedPrecondition, "saga.already_done", "It is posted.") }
                state.isTombstone = true
                return Response(OrderV1.RefundPostedReply())
            }
            if state.isTombstone { throw RPCError(.failedPrecondition, "saga.undone", "It was undone.") }
            state.isPosted = true
            var toBalance: Int64 = 0
            var online: Int64 = 0
            for line in request.lines {
                guard let index = state.orders.firstIndex(where: { $0.orderID == line.orderID }) else {
                    throw RPCError(.notFound, "order.not_found", "")
                }
                state.orders[index].refundedMicros = line.amountMicros
                state.orders[index].refundedAt = request.at
                toBalance += line.toBalanceMicros
                online += line.onlineMicros
            }
            return Response(
                OrderV1.RefundPostedReply(
                    refundID: request.refundID, amountMicros: toBalance + online, toBalanceMicros: toBalance,
                    onlineMicros: online, at: request.at, recovered: state.recovers))
        }
    }
}

/// Stands in for the pricing service: one consumed amount for every order, used days and all.
final class PricingDouble: Sendable {
    let consumed = Mutex(
        PricingV1.ConsumedTerm(
            usedDays: 12, termDays: 31, factorMillionths: 1_000_000, consumedMicros: 16_100_000))
    let unconditionalDays = Mutex<UInt32>(0)
    let asked = Mutex<[PricingV1.ConsumedRequest]>([])

    var channel: any Channel {
        var router = Router()
        router.handle(PricingV1.Prices.consumed) { request, _ in
            self.asked.withLock { $0.append(request) }
            return Response(
                PricingV1.ConsumedReply(
                    terms: request.terms.map { term in
                        var consumed = self.consumed.withLock { $0 }
                        consumed.orderID = term.orderID
                        return consumed
                    }, unconditionalRefundDays: self.unconditionalDays.withLock { $0 }))
        }
        return InProcessChannel(router: router)
    }
}
