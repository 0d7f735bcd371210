import BillingAPI
import BillingCore
import RPC
import Storage

extension RefundingService {
    /// What unsubscribing a group now would give back, and what is lost.
    func quoteRefund(
        _ request: RefundV1.QuoteRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.QuoteRefundReply> {
        try await quote(try await facts(of: request.group, renewalOnly: false, call), call)
    }

    /// What cancelling the last pending renewal now would give back: all that was paid for it.
    func quoteRenewalRefund(
        _ request: RefundV1.QuoteRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.QuoteRefundReply> {
        try await quote(try await facts(of: request.group, renewalOnly: true, call), call)
    }

    private func quote(
        _ facts: RefundFacts, _ call: CallContext
    ) async throws -> Response<RefundV1.QuoteRefundReply> {
        let account = try call.accountID()
        let quote = try await database.read { transaction in
            try facts.quote(RefundStore(transaction: transaction, account: account))
        }
        return Response(RefundV1.QuoteRefundReply(quote), effectiveAt: quote.at)
    }

    /// Asks the other services all that a quote needs.
    /// - Throws: `RefundError` for what cannot be given back; `RPCError` when order or pricing cannot be asked.
    func facts(
        of group: MeteringV1.InstanceGroup?, renewalOnly: Bool, _ call: CallContext
    ) async throws -> RefundFacts {
        let account = try call.accountID()
        guard let group else { throw RefundError.groupMissing }
        guard group.accountID == account.text else { throw RefundError.groupNotFound(group.groupID) }
        let (placed, lastAt) = try await placedOrders(group.groupID, call)
        // T, the instant of the unsubscription: not before the account's latest (design 2.2).
        var clock = AccountClock(lastAt: lastAt)
        let at = try clock.admit(try call.instant())
        let subscription = try Subscription(
            SubscribedGroup(group), at: at, paid: try placed.filter { $0.status == .paid }.map { try PaidOrder($0) },
            unpaidOrders: placed.filter { $0.isUnpaid(at: at) }.map(\.orderID))
        guard !renewalOnly else { return .renewal(subscription) }
        let used = try await use(of: subscription.running, at, call)
        return .group(subscription, used)
    }

    /// The orders of a group that are not cancelled, and the account's latest instant.
    func placedOrders(
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

    private func use(
        of orders: [PaidOrder], _ at: Timestamp, _ call: CallContext
    ) async throws -> PricingV1.ConsumedReply {
        guard !orders.isEmpty else { return .init() }
        let reply = try await prices.consumed(
            PricingV1.ConsumedRequest(at: at.milliseconds, terms: orders.map(PricingV1.PaidTerm.init)), call.onward
        ).message
        guard reply.terms.map(\.orderID) == orders.map(\.id) else {
            throw RefundError.unusableAnswer("pricing answered for other orders than it was asked about")
        }
        return reply
    }
}

/// What order and pricing told, from which the quote follows once the account's own refunds are known.
enum RefundFacts: Sendable {
    case group(Subscription, PricingV1.ConsumedReply)
    case renewal(Subscription)

    /// - Throws: `RefundError` when nothing would come back, or there is no renewal to cancel.
    func quote(_ store: RefundStore) throws -> RefundQuote {
        switch self {
        case .renewal(let subscription): return try subscription.renewalRefund()
        case .group(let subscription, let used):
            return try subscription.refund(
                using: used.terms.map { (TermUse($0), Money(micros: $0.consumedMicros)) },
                unconditionalDays: used.unconditionalRefundDays,
                hadUnconditional: try store.hadUnconditional(inYear: subscription.year))
        }
    }
}

extension TermUse {
    init(_ term: PricingV1.ConsumedTerm) {
        self.init(usedDays: term.usedDays, termDays: term.termDays, factorMillionths: term.factorMillionths)
    }
}

extension OrderV1.Order {
    /// One whose deadline is over is as good as cancelled.
    fileprivate func isUnpaid(at instant: Timestamp) -> Bool {
        status == .unpaid && deadlineAt > instant.milliseconds
    }
}

extension PricingV1.PaidTerm {
    fileprivate init(_ order: PaidOrder) {
        self.init(order.id, order.term)
        (specification, region) = (order.specification, order.region)
    }

    /// What is used of a term does not depend on what was bought for it.
    init(_ orderID: String, _ term: BoughtTerm) {
        self.init(
            orderID: orderID, priceListVersion: term.priceListVersion, months: term.months, listNanos: term.listNanos,
            termStart: term.start.milliseconds, termEnd: term.end.milliseconds)
    }
}

extension RefundV1.QuoteRefundReply {
    fileprivate init(_ quote: RefundQuote) {
        self.init(
            groupID: quote.groupID, at: quote.at.milliseconds, amountMicros: quote.amount.micros,
            orders: quote.orders.map(RefundV1.RefundedOrder.init), toBalanceMicros: quote.parts.toBalance.micros,
            onlineMicros: quote.parts.online.micros, token: quote.token.text, losses: quote.losses)
    }
}
