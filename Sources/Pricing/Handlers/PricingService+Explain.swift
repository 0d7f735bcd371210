import BillingAPI
import BillingCore
import RPC

extension PricingService {
    /// Recomputes an amount from its stored inputs, step by step.
    func explain(_ request: PricingV1.ExplainRequest, _ call: CallContext) throws -> Response<PricingV1.ExplainReply> {
        let explanation: Explanation
        if let slice = request.slice, request.consumed == nil, request.order == nil {
            explanation = try explain(slice)
        } else if let consumed = request.consumed, request.slice == nil, request.order == nil {
            explanation = try explain(consumed)
        } else if let order = request.order, request.slice == nil, request.consumed == nil {
            explanation = try prices.explainOrder(
                specification: order.specification, region: order.region, instances: order.instances,
                months: order.months, version: order.priceListVersion)
        } else {
            throw PricingError.nothingToExplain
        }
        return Response(
            PricingV1.ExplainReply(
                amountMicros: explanation.amount.micros, discountMicros: explanation.discount.micros,
                steps: explanation.steps))
    }

    private func explain(_ slice: PricingV1.RatedSlice) throws(PricingError) -> Explanation {
        let start = try Timestamp(checked: slice.start, field: "start")
        let end = try Timestamp(checked: slice.end, field: "end")
        guard start < end else { throw .emptySlice(0, start: slice.start, end: slice.end) }
        guard let resource = slice.resource else { throw .nothingToExplain }
        let price = UnitPrice(nanos: slice.priceNanos)
        guard resource.item.isEmpty else {
            return try prices.explainItem(
                resource.item, quantity: resource.quantity, slice: Period(start, end), version: slice.priceListVersion,
                price: price)
        }
        return try prices.explainGroup(
            specification: resource.specification, region: resource.region, instances: resource.instances,
            anchor: Timestamp(checked: resource.anchor, field: "anchor"),
            unit: slice.billingUnit == .second ? .second : .fourHours, slice: Period(start, end),
            version: slice.priceListVersion, price: price)
    }

    private func explain(_ consumed: PricingV1.ConsumedOrder) throws(PricingError) -> Explanation {
        guard let term = consumed.term else { throw .nothingToExplain }
        return try prices.explainConsumed(
            PaidTerm(
                listNanos: term.listNanos, start: Timestamp(checked: term.termStart, field: "term_start"),
                end: Timestamp(checked: term.termEnd, field: "term_end")),
            at: Timestamp(checked: consumed.at, field: "at"), version: term.priceListVersion)
    }
}
