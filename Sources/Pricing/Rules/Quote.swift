import BillingCore

/// What a group would cost at the prices of one instant.
struct Quote: Hashable, Sendable {
    let specification: Specification
    let region: Region
    let instances: UInt32
    let version: UInt32
    let price: InstancePrice
    /// The unit of a group created at that instant.
    let billingUnit: BillingUnit
    /// Pay-as-you-go for all instances.
    let hour: Money
    let unit: Money
    /// `nil` when no duration was asked for.
    let subscription: SubscriptionQuote?
}

/// A subscription, and pay-as-you-go for the same time beside it.
struct SubscriptionQuote: Hashable, Sendable {
    let months: UInt32
    let order: OrderPrice
    /// The term if it was paid at the instant of the quote (domain 5.2).
    let term: Period
    let payAsYouGo: Money
    /// The hours of use from which the subscription is the cheaper one, rounded up; `nil` when an hour costs nothing.
    let breakEvenHours: Int64?
}

extension PriceListVersion {
    /// - Parameter months: 0 for pay-as-you-go alone.
    /// - Throws: `PricingError` for what is not sold.
    func quote(
        specification name: String, region id: String, instances: UInt32, months: UInt32, at instant: Timestamp
    ) throws(PricingError) -> Quote {
        let specification = try specification(name)
        let region = try region(id)
        try InstanceCount.check(instances)
        let price = specification.price(in: region.regionClass)
        let unit = billingUnit(ofGroupCreatedAt: instant)
        let accrual = Accrual(hourly: price.hourly, instances: instances)
        return Quote(
            specification: specification, region: region, instances: instances, version: version, price: price,
            billingUnit: unit, hour: accrual.amount(afterMilliseconds: .millisecondsPerHour),
            unit: accrual.amount(afterMilliseconds: unit.milliseconds),
            subscription: months == 0
                ? nil
                : subscription(
                    price.monthly, instances, try termDiscount(months: months), beside: accrual, at: instant))
    }

    private func subscription(
        _ monthly: UnitPrice, _ instances: UInt32, _ discount: TermDiscount, beside accrual: Accrual,
        at instant: Timestamp
    ) -> SubscriptionQuote {
        let order = OrderPrice(monthly: monthly, instances: instances, discount: discount)
        let term = Period(instant, BillingCalendar.termEnd(start: instant, months: Int(discount.months)))
        return SubscriptionQuote(
            months: discount.months, order: order, term: term,
            payAsYouGo: accrual.amount(afterMilliseconds: term.milliseconds),
            breakEvenHours: accrual.nanosPerHour == 0
                ? nil
                : Rounding.ceiling.divide(Int128(order.total.micros) * 1000, by: Int128(accrual.nanosPerHour)))
    }
}
