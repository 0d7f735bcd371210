import BillingAPI
import BillingCore
import RPC

/// Answers for pricing, at prices of its own.
enum StandInPricing {
    static func router() -> Router {
        var router = Router()
        router.handle(PricingV1.Prices.listPrices) { (_: PricingV1.ListPricesRequest, _) in Response(list) }
        router.handle(PricingV1.Prices.quote) { (request: PricingV1.QuoteRequest, call) in
            let at = request.at != 0 ? Timestamp(milliseconds: request.at) : try call.instant()
            let offer = Offer(
                specification: request.specification, region: request.region, instances: request.instances)
            return Response(quote(offer, months: request.months, at: at))
        }
        router.handle(PricingV1.Prices.rate) { (request: PricingV1.RateRequest, _) in Response(rated(request)) }
        router.handle(PricingV1.Prices.consumed) { (request: PricingV1.ConsumedRequest, _) in
            Response(consumed(request))
        }
        return router
    }

    private static let hourlyNanos: Int64 = 45_700_000
    private static let monthlyNanos: Int64 = 9_905_700_000

    /// A quote whose sums agree with each other, as the order service checks.
    static func quote(_ offer: Offer, months: UInt32, at instant: Timestamp) -> PricingV1.QuoteReply {
        let count = Int64(offer.instances)
        var quote = PricingV1.QuoteReply(
            specification: offer.specification, region: offer.region, instances: offer.instances, regionClass: .ml,
            priceListVersion: 1, billingUnit: .fourHours, hourlyNanos: hourlyNanos, monthlyNanos: monthlyNanos,
            hourMicros: hourlyNanos / 1000 * count, unitMicros: 4 * hourlyNanos / 1000 * count)
        guard months > 0 else { return quote }
        quote.months = months
        quote.factorMillionths = 1_000_000
        quote.listNanos = monthlyNanos * count * Int64(months)
        quote.grossMicros = Rounding.halfUp.divide(Int128(quote.listNanos), by: 10_000_000) * 10_000
        quote.totalMicros = quote.grossMicros
        quote.termStart = instant.milliseconds
        quote.termEnd = BillingCalendar.termEnd(start: instant, months: Int(months)).milliseconds
        return quote
    }

    /// Every slice whole, by the second.
    private static func rated(_ request: PricingV1.RateRequest) -> PricingV1.RateReply {
        var reply = PricingV1.RateReply(
            prices: [PricingV1.AppliedPrice(priceListVersion: 1, hourlyNanos: hourlyNanos)],
            slice: (0..<UInt32(request.resource.count)).map { $0 }, start: request.start, end: request.end)
        reply.price = Array(repeating: 0, count: request.resource.count)
        reply.grossMicros = zip(request.start, request.end).map { start, end in
            (end - start) * (hourlyNanos / 1000) / .millisecondsPerHour
        }
        return reply
    }

    /// A twelfth of every order.
    private static func consumed(_ request: PricingV1.ConsumedRequest) -> PricingV1.ConsumedReply {
        PricingV1.ConsumedReply(
            terms: request.terms.map { term in
                PricingV1.ConsumedTerm(
                    orderID: term.orderID, usedDays: 30, termDays: 365, factorMillionths: 1_000_000,
                    consumedMicros: term.listNanos / 12_000 / 10_000 * 10_000)
            })
    }

    private static let list = PricingV1.ListPricesReply(
        version: 1, effectiveAt: BusinessTime.start.milliseconds,
        specifications: Offer.specifications.map { name in
            PricingV1.Specification(
                edition: "Stand-in", specification: name, vcpus: 2, memoryGib: 4, diskGib: 32,
                prices: [CommonV1.RegionClass.ml, .int].map { regionClass in
                    PricingV1.RegionalPrice(
                        regionClass: regionClass, monthlyNanos: monthlyNanos, hourlyNanos: hourlyNanos)
                })
        },
        regions: Offer.regions.map { PricingV1.Region(region: $0, name: $0, regionClass: .ml) },
        termDiscounts: [1, 2, 3, 6, 12].map { PricingV1.TermDiscount(months: $0, factorMillionths: 1_000_000) })
}
