import BillingAPI
import BillingCore
import RPC

extension PricingService {
    /// The version asked for by its number, else the one in force at the instant asked for, or of the call; and what is
    /// published to follow after that instant.
    func listPrices(
        _ request: PricingV1.ListPricesRequest, _ call: CallContext
    ) throws -> Response<PricingV1.ListPricesReply> {
        let instant = try call.instant(or: request.at)
        let prices = prices
        let version =
            request.version == 0 ? try prices.inForce(at: instant) : try prices.version(request.version)
        return Response(
            PricingV1.ListPricesReply(
                version: version.version, effectiveAt: version.effectiveFrom.milliseconds,
                specifications: version.specifications.map(PricingV1.Specification.init),
                regions: version.regions.map {
                    PricingV1.Region(region: $0.id, name: $0.name, regionClass: CommonV1.RegionClass($0.regionClass))
                },
                termDiscounts: version.termDiscounts.map {
                    PricingV1.TermDiscount(months: $0.months, factorMillionths: $0.factorMillionths)
                },
                valueAddedItems: version.valueAddedItems.map(PricingV1.ValueAddedItem.init),
                scheduled: prices.versions.filter { $0.effectiveFrom > instant }.map {
                    PricingV1.ScheduledVersion(version: $0.version, effectiveAt: $0.effectiveFrom.milliseconds)
                }))
    }

    /// What a group would cost by either billing method, at the instant asked for, or of the call.
    func quote(_ request: PricingV1.QuoteRequest, _ call: CallContext) throws -> Response<PricingV1.QuoteReply> {
        let instant = try call.instant(or: request.at)
        let quote = try prices.inForce(at: instant).quote(
            specification: request.specification, region: request.region, instances: request.instances,
            months: request.months, at: instant)
        return Response(PricingV1.QuoteReply(quote))
    }
}

extension CallContext {
    /// - Parameter at: milliseconds, or 0 for the instant of the call.
    func instant(or at: Int64) throws -> Timestamp {
        at == 0 ? try instant() : try Timestamp(checked: at, field: "at")
    }
}

extension PricingV1.Specification {
    fileprivate init(_ specification: Specification) {
        self.init(
            edition: specification.edition, specification: specification.name, vcpus: specification.vcpus,
            memoryGib: specification.memoryGiB, diskGib: specification.diskGiB,
            prices: RegionClass.allCases.map { regionClass in
                let price = specification.price(in: regionClass)
                return PricingV1.RegionalPrice(
                    regionClass: CommonV1.RegionClass(regionClass), monthlyNanos: price.monthly.nanos,
                    hourlyNanos: price.hourly.nanos)
            })
    }
}

extension PricingV1.ValueAddedItem {
    fileprivate init(_ item: ValueAddedItem) {
        self.init(
            item: item.id, name: item.name, priceUnit: item.unit.rawValue,
            prices: RegionClass.allCases.map {
                PricingV1.ValueAddedPrice(
                    regionClass: CommonV1.RegionClass($0), priceNanos: item.price(in: $0).nanos)
            }, isExample: item.isExample)
    }
}

extension PricingV1.QuoteReply {
    fileprivate init(_ quote: Quote) {
        self.init(
            specification: quote.specification.name, region: quote.region.id, instances: quote.instances,
            regionClass: CommonV1.RegionClass(quote.region.regionClass), priceListVersion: quote.version,
            billingUnit: CommonV1.BillingUnit(quote.billingUnit), hourlyNanos: quote.price.hourly.nanos,
            monthlyNanos: quote.price.monthly.nanos, hourMicros: quote.hour.micros, unitMicros: quote.unit.micros)
        guard let subscription = quote.subscription else { return }
        months = subscription.months
        factorMillionths = subscription.order.factorMillionths
        grossMicros = subscription.order.gross.micros
        discountMicros = subscription.order.discount.micros
        totalMicros = subscription.order.total.micros
        termStart = subscription.term.start.milliseconds
        termEnd = subscription.term.end.milliseconds
        payAsYouGoMicros = subscription.payAsYouGo.micros
        breakEvenHours = subscription.breakEvenHours ?? 0
        listNanos = subscription.order.listNanos
    }
}

extension CommonV1.RegionClass {
    fileprivate init(_ regionClass: RegionClass) {
        switch regionClass {
        case .mainland: self = .ml
        case .international: self = .int
        }
    }
}

extension CommonV1.BillingUnit {
    fileprivate init(_ unit: BillingUnit) {
        switch unit {
        case .second: self = .second
        case .fourHours: self = .fourHours
        }
    }
}
