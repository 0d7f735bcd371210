import BillingAPI
import BillingCore
import RPC

extension RefundingService {
    /// What unsubscribing a group now would give back, and what is lost.
    func quoteRefund(
        _ request: RefundV1.QuoteRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.QuoteRefundReply> {
        let quote = try await quote(request.group, call)
        return Response(RefundV1.QuoteRefundReply(quote), effectiveAt: quote.at)
    }

    /// - Throws: `RefundError` for what cannot be given back; `RPCError` when order or pricing cannot be asked.
    func quote(_ group: MeteringV1.InstanceGroup?, _ call: CallContext) async throws -> RefundQuote {
        let account = try call.accountID()
        guard let group else { throw RefundError.groupMissing }
        guard group.accountID == account.text else { throw RefundError.groupNotFound(group.groupID) }
        let (placed, lastAt) = try await placedOrders(group.groupID, call)
        // T, the instant of the unsubscription: not before the account's latest (design 2.2).
        var clock = AccountClock(lastAt: lastAt)
        let at = try clock.admit(try call.instant())
        let facts = SubscribedGroup(group)
        try facts.requireUnsubscribable(
            at: at, unpaidOrders: placed.filter { $0.isUnpaid(at: at) }.map(\.orderID))
        let orders = try await consumed(placed.filter { $0.isEffective(at: at) }, at, call)
        return try RefundQuote(facts, at: at, orders: orders)
    }

    /// The orders of a group that are not cancelled, and the account's latest instant.
    private func placedOrders(
        _ group: String, _ call: CallContext
    ) async throws(RPCError) -> (orders: [OrderV1.Order], lastAt: Timestamp) {
        var request = OrderV1.ListOrdersRequest(statuses: [.unpaid, .paid], groupID: group, limit: 200)
        var orders: [OrderV1.Order] = []
        while true {
            let page = try await self.orders.listOrders(request, call.onward).message
            orders += page.orders
            guard !page.nextCursor.isEmpty, !page.orders.isEmpty else {
                return (orders, Timestamp(milliseconds: page.lastAt))
            }
            request.cursor = page.nextCursor
        }
    }

    private func consumed(
        _ orders: [OrderV1.Order], _ at: Timestamp, _ call: CallContext
    ) async throws -> [RefundedOrder] {
        guard !orders.isEmpty else { return [] }
        let reply = try await prices.consumed(
            PricingV1.ConsumedRequest(at: at.milliseconds, terms: orders.map(PricingV1.PaidTerm.init)), call.onward)
        guard reply.terms.map(\.orderID) == orders.map(\.orderID) else {
            throw RefundError.unusableAnswer("pricing answered for other orders than it was asked about")
        }
        return try zip(orders, reply.terms).map { try RefundedOrder($0, $1) }
    }
}

extension SubscribedGroup {
    fileprivate init(_ group: MeteringV1.InstanceGroup) {
        let state: State =
            switch group.status {
            case .active: .active
            case .overdue: .overdue
            case .expired: .expired
            case .released: .released
            // A group that says nothing of itself is not active either.
            case .creating, .unspecified: .creating
            }
        self.init(
            id: group.groupID, instances: group.instances, isSubscribed: group.billingMethod == .subscription,
            state: state, termEnd: Timestamp(milliseconds: group.termEnd))
    }
}

extension OrderV1.Order {
    /// One whose deadline is over is as good as cancelled.
    fileprivate func isUnpaid(at instant: Timestamp) -> Bool {
        status == .unpaid && deadlineAt > instant.milliseconds
    }

    /// Paid, not given back, and its term not over.
    fileprivate func isEffective(at instant: Timestamp) -> Bool {
        status == .paid && refundedAt == 0 && refundedMicros == 0 && termEnd > instant.milliseconds
    }
}

extension PricingV1.PaidTerm {
    fileprivate init(_ order: OrderV1.Order) {
        self.init(
            orderID: order.orderID, specification: order.specification, region: order.region,
            priceListVersion: order.priceListVersion, months: order.months, listNanos: order.listNanos,
            termStart: order.termStart, termEnd: order.termEnd)
    }
}

extension RefundedOrder {
    fileprivate init(_ order: OrderV1.Order, _ used: PricingV1.ConsumedTerm) throws(RefundError) {
        let way: PaymentWay
        switch order.paymentMethod {
        case .balance: way = .balance
        case .online: way = .online
        case .unspecified: throw .unusableAnswer("paid order \(order.orderID) does not say how it was paid")
        }
        self.init(
            id: order.orderID, cashPaid: Money(micros: order.totalMicros), way: way,
            consumed: Money(micros: used.consumedMicros), usedDays: used.usedDays, termDays: used.termDays,
            termEnd: Timestamp(milliseconds: order.termEnd))
    }
}

extension RefundV1.QuoteRefundReply {
    fileprivate init(_ quote: RefundQuote) {
        self.init(
            groupID: quote.groupID, at: quote.at.milliseconds, amountMicros: quote.amount.micros,
            orders: quote.orders.map { RefundV1.RefundedOrder(RefundedAmount($0)) },
            toBalanceMicros: quote.toBalance.micros, onlineMicros: quote.online.micros, token: quote.token.text,
            losses: quote.losses)
    }
}
