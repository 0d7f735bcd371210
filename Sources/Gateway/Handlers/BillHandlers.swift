import BillingAPI
import BillingCore
import RPC

struct BillHandlers: Sendable {
    let forwarding: Forwarding

    func register(in router: inout Router) {
        router.handle(GatewayV1.Bills.explainLine, explainLine)
        router.handle(GatewayV1.Bills.listBill, listBill)
        router.requireAll(GatewayV1.Bills.all)
    }

    func listBill(
        _ request: OrderV1.ListBillRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListBillReply> {
        try await forwarding.read(.order, OrderV1.Bills.listBill, request, call)
    }

    /// Recomputes a line from what is stored with it and the price list, and says what of the line is otherwise (domain 9.5).
    func explainLine(
        _ request: OrderV1.GetLineRequest, _ call: CallContext
    ) async throws -> Response<GatewayV1.ExplainLineReply> {
        let details = try await forwarding.read(.order, OrderV1.Bills.getLine, request, call).message
        let line = details.line ?? OrderV1.BillLine()
        var explained = LineExplanation(line)
        switch line.itemKind {
        case .payAsYouGoBill where line.roundDownLine: explained.roundDown(monthNet: details.monthNetMicros)
        case .payAsYouGoBill: explained.charge(try await slice(line, details, call))
        case .subscriptionOrder: explained.charge(try await order(line, details, call))
        case .refund: try await refund(line, details, call, &explained)
        case .adjustment, .unspecified: explained.adjustment()
        }
        return Response(
            GatewayV1.ExplainLineReply(
                details: details, steps: explained.steps, recomputedMicros: explained.recomputedMicros,
                agrees: explained.disagreements.isEmpty, disagreements: explained.disagreements))
    }

    private func slice(
        _ line: OrderV1.BillLine, _ details: OrderV1.LineDetails, _ call: CallContext
    ) async throws -> PricingV1.ExplainReply {
        let isGroup = line.product == LineExplanation.groupProduct
        let resource = PricingV1.RatedResource(
            specification: line.specification, region: line.region,
            instances: isGroup ? UInt32(clamping: line.size) : 0,
            anchor: isGroup ? details.anchor : 0, item: isGroup ? "" : line.product,
            quantity: isGroup ? 0 : line.size)
        let slice = PricingV1.RatedSlice(
            resource: resource, billingUnit: line.billingUnit, start: line.usageStart, end: line.usageEnd,
            priceListVersion: line.priceListVersion)
        return try await explain(PricingV1.ExplainRequest(slice: slice), call)
    }

    private func order(
        _ line: OrderV1.BillLine, _ details: OrderV1.LineDetails, _ call: CallContext
    ) async throws -> PricingV1.ExplainReply {
        let order = PricingV1.PricedOrder(
            specification: line.specification, region: line.region, instances: UInt32(clamping: line.size),
            months: details.order?.months ?? 0, priceListVersion: line.priceListVersion)
        return try await explain(PricingV1.ExplainRequest(order: order), call)
    }

    /// Explains each order that a refund line gives back. When the group never came up and a coupon alone had paid, no
    /// money moved and there is no refund but this line.
    private func refund(
        _ line: OrderV1.BillLine, _ details: OrderV1.LineDetails, _ call: CallContext,
        _ explained: inout LineExplanation
    ) async throws {
        var owner = call
        owner.account = line.accountID
        let instant = try forwarding.clock.instant(for: call)
        let refund: RefundV1.Refund
        do {
            refund =
                try await forwarding.ask(
                    .refund, RefundV1.Refunds.getRefund, RefundV1.GetRefundRequest(refundID: line.refundID), owner,
                    at: instant
                ).refund ?? RefundV1.Refund()
        } catch let error as RPCError where error.status == .notFound {
            return explained.neverCreated(details.order ?? OrderV1.Order())
        }
        for order in refund.orders where line.orderID.isEmpty || order.orderID == line.orderID {
            guard order.inFullBecause.isEmpty else {
                explained.refundInFull(order)
                continue
            }
            let term = PricingV1.PaidTerm(
                orderID: order.orderID, specification: line.specification, region: line.region,
                priceListVersion: order.priceListVersion, months: order.months, listNanos: order.listNanos,
                termStart: order.termStart, termEnd: order.termEnd)
            let consumed = try await explain(
                PricingV1.ExplainRequest(consumed: PricingV1.ConsumedOrder(term: term, at: refund.at)), call)
            explained.refund(order, consumed: consumed)
        }
    }

    private func explain(
        _ request: PricingV1.ExplainRequest, _ call: CallContext
    ) async throws -> PricingV1.ExplainReply {
        try await forwarding.ask(
            .pricing, PricingV1.Prices.explain, request, call, at: try forwarding.clock.instant(for: call))
    }
}
