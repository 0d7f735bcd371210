import BillingAPI
import BillingCore
import RPC

extension PricingService {
    /// The amounts of many slices of use. A slice that crosses a price change comes back as several.
    func rate(_ request: PricingV1.RateRequest, _ call: CallContext) throws -> Response<PricingV1.RateReply> {
        let prices = prices
        var resources: [MeteredResource] = []
        resources.reserveCapacity(request.resources.count)
        for resource in request.resources {
            do {
                resources.append(try prices.resource(resource))
            } catch {
                throw PricingError.inItem("resources[\(resources.count)]", error)
            }
        }
        let rated = try prices.rate(
            SliceColumns(resource: request.resource, start: request.start, end: request.end), of: resources)
        return Response(
            PricingV1.RateReply(
                prices: rated.prices.map {
                    PricingV1.AppliedPrice(priceListVersion: $0.version, hourlyNanos: $0.hourly.nanos)
                },
                slice: rated.slice, start: rated.start, end: rated.end, price: rated.price,
                grossMicros: rated.grossMicros))
    }

    /// How much of paid orders is used up at an instant, by the discounts of the price list that each was placed under.
    func consumed(
        _ request: PricingV1.ConsumedRequest, _ call: CallContext
    ) throws -> Response<PricingV1.ConsumedReply> {
        let instant = try Timestamp(checked: request.at, field: "at")
        let prices = prices
        var reply = PricingV1.ConsumedReply(
            unconditionalRefundDays: try prices.inForce(at: instant).unconditionalRefundDays)
        for (index, term) in request.terms.enumerated() {
            do throws(PricingError) {
                reply.terms.append(
                    PricingV1.ConsumedTerm(try consumed(term, by: prices, at: instant), of: term.orderID))
            } catch {
                throw PricingError.inItem("terms[\(index)]", error)
            }
        }
        return Response(reply)
    }

    private func consumed(
        _ term: PricingV1.PaidTerm, by prices: PriceList, at instant: Timestamp
    ) throws(PricingError) -> ConsumedTerm {
        let version = try prices.version(term.priceListVersion)
        return try PaidTerm(
            listNanos: term.listNanos, start: Timestamp(checked: term.termStart, field: "term_start"),
            end: Timestamp(checked: term.termEnd, field: "term_end")
        ).consumed(at: instant, discounts: version.termDiscounts)
    }
}

extension PriceList {
    /// What a message names: a value-added item, or else a group.
    func resource(_ resource: PricingV1.RatedResource) throws(PricingError) -> MeteredResource {
        guard resource.item.isEmpty else {
            return try self.resource(item: resource.item, region: resource.region, quantity: resource.quantity)
        }
        return try self.resource(
            specification: resource.specification, region: resource.region, instances: resource.instances,
            anchor: resource.anchor)
    }
}

extension PricingV1.ConsumedTerm {
    fileprivate init(_ term: ConsumedTerm, of orderID: String) {
        // A term within 1970 to 9999 has less than three million days.
        self.init(
            orderID: orderID, usedDays: UInt32(term.usedDays), termDays: UInt32(term.termDays),
            factorMillionths: term.factorMillionths, consumedMicros: term.consumed.micros)
    }
}
