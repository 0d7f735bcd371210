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
        /// What it tells the audit; each posting adds to it.
        var posted: [OrderV1.PostedRefund] = []
        /// Runs when it tells the audit, once.
        var beforeTelling: (@Sendable () async throws -> Void)?
    }

    let state = Mutex(State())

    var channel: any Channel {
        var router = Router()
        router.handle(OrderV1.Orders.listOrders) { request, _ in try self.listOrders(request) }
        router.handle(OrderV1.OrderSteps.postRefund) { request, call in try self.postRefund(request, call) }
        router.handle(OrderV1.Bills.listPostedRefunds) { request, _ in try await self.listPostedRefunds(request) }
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
            for line in request.lines {
                guard let order = state.orders.first(where: { $0.orderID == line.orderID }) else { continue }
                state.posted.append(
                    OrderV1.PostedRefund(
                        order, line, by: request.refundID, at: request.at, toBalance: toBalance, online: online))
            }
            return Response(
                OrderV1.RefundPostedReply(
                    refundID: request.refundID, amountMicros: toBalance + online, toBalanceMicros: toBalance,
                    onlineMicros: online, at: request.at, recovered: state.recovers))
        }
    }
}

extension OrderDouble {
    /// In pages of one line.
    private func listPostedRefunds(
        _ request: OrderV1.ListPostedRefundsRequest
    ) async throws -> Response<OrderV1.ListPostedRefundsReply> {
        let before = state.withLock { state in
            defer { state.beforeTelling = nil }
            return state.beforeTelling
        }
        try await before?()
        let rest = state.withLock { $0.posted }.filter { line in
            line.place > (request.partitionFrom, request.afterAccount, request.afterLine)
                && line.place.partition < request.partitionTo
        }
        guard let line = rest.min(by: { $0.place < $1.place }) else { return Response(.init()) }
        return Response(
            .init(
                refunds: [line], nextAccount: line.accountID, nextPartition: line.place.partition,
                nextLine: line.place.line))
    }
}

extension OrderV1.PostedRefund {
    fileprivate var place: (partition: UInt32, account: String, line: String) {
        (UInt32(Partition.of(accountID)), accountID, "\(refundID)/\(orderID)")
    }

    init(
        _ order: OrderV1.Order, _ line: OrderV1.RefundLine, by refund: String, at instant: Int64, toBalance: Int64,
        online: Int64
    ) {
        self.init(
            accountID: order.accountID, refundID: refund, orderID: order.orderID, groupID: order.groupID, at: instant,
            amountMicros: line.amountMicros, toBalanceMicros: toBalance, onlineMicros: online,
            newOrder: order.kind == .new, paidAt: order.paidAt, balanceMicros: order.balanceMicros,
            paidOnlineMicros: order.onlineMicros, couponMicros: order.couponMicros, paymentID: order.paymentID,
            termStart: order.termStart, termEnd: order.termEnd, months: order.months, listNanos: order.listNanos,
            priceListVersion: order.priceListVersion)
    }
}

/// Stands in for the pricing service: one consumed amount for every order, used days and all.
final class PricingDouble: Sendable {
    let consumed = Mutex(
        PricingV1.ConsumedTerm(
            usedDays: 12, termDays: 31, factorMillionths: 1_000_000, consumedMicros: 16_100_000))
    let unconditionalDays = Mutex<UInt32>(0)
    let asked = Mutex<[PricingV1.ConsumedRequest]>([])
    /// What it answers with instead.
    let refusal = Mutex<RPCError?>(nil)

    var channel: any Channel {
        var router = Router()
        router.handle(PricingV1.Prices.consumed) { request, _ in
            self.asked.withLock { $0.append(request) }
            if let refusal = self.refusal.withLock({ $0 }) { throw refusal }
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
