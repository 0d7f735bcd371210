import BillingCore

/// An amount recomputed from stored inputs, with its arithmetic in sentences that a customer can follow (domain 9.5).
struct Explanation: Hashable, Sendable {
    let amount: Money
    var discount = Money.zero
    /// What the version has for one unit, whatever is stored; zero of what was consumed.
    var listPrice = UnitPrice(nanos: 0)
    let steps: [String]
}

extension PriceList {
    /// A slice of a group: `A(end) - A(start)` (domain 2.5).
    /// - Throws: `PricingError` for inputs that no slice can have.
    func explainGroup(
        specification: String, region: String, instances: UInt32, anchor: Timestamp, unit: BillingUnit, slice: Period,
        version number: UInt32
    ) throws(PricingError) -> Explanation {
        try InstanceCount.check(instances)
        let price = try version(number).price(of: specification, in: region).hourly
        guard anchor <= slice.start else {
            throw .sliceBeforeAnchor(0, start: slice.start.milliseconds, anchor: anchor.milliseconds)
        }
        let priced = try priced(specification: specification, region: region, version: number)
        guard priced.inForceFrom <= slice.start else { throw .notYetSold(slice: 0, at: slice.start) }
        let base = max(anchor, priced.from)
        let accrual = Accrual(hourly: price, instances: instances)
        let (before, after) = (slice.start - base, slice.end - base)
        let (earlier, later) = (
            accrual.amount(afterMilliseconds: before), accrual.amount(afterMilliseconds: after)
        )
        let amount = later - earlier
        var begin = "Time is counted from \(BillingCalendar.format(base)), "
        begin +=
            base == anchor
            ? "in units of \(unit.words)."
            : "when price list \(priced.version) took effect, which changed the price."
        if priced.version != number, priced.inForceFrom > anchor {
            begin += " Price list \(number) left the price as it was."
        }
        return Explanation(
            amount: amount, listPrice: price,
            steps: [
                "Price list \(number): one phone costs \(price) USD an hour; the group has "
                    + "\(count(instances, "phone")).",
                begin,
                "A, the cost since then, is \(price) x \(instances) x hours, floored to 0.000001 USD.",
                "At the end of the slice, after \(span(after)): A = \(later).",
                "At its start, after \(span(before)): A = \(earlier).",
                "The slice of \(span(slice.milliseconds)) costs \(later) - \(earlier) = \(amount) USD.",
            ])
    }

    /// The price of a group in a version that was in force.
    /// - Returns: since when that version is in force; and since when the price is what it is, with the version that
    ///   brought it.
    /// - Throws: `PricingError.unknownVersion`, `.unknownSpecification`, `.unknownRegion`; `.notYetSold` for a version
    ///   that has no price or no time.
    private func priced(
        specification: String, region: String, version number: UInt32
    ) throws(PricingError) -> (inForceFrom: Timestamp, from: Timestamp, version: UInt32) {
        let effectiveFrom = try version(number).effectiveFrom
        let steps = timelines.steps[try timeline(specification: specification, region: region)]
        guard let step = steps.first(where: { $0.version == number }),
            let first = steps.first(where: { $0.effectiveFrom == step.pricedFrom })
        else { throw .notYetSold(slice: 0, at: effectiveFrom) }
        return (effectiveFrom, Timestamp(milliseconds: step.pricedFrom), first.version)
    }

    /// A slice of a value-added item: its clock hour whole (domain 2.5).
    /// - Throws: `PricingError` for inputs that no slice can have.
    func explainItem(
        _ id: String, region: String, quantity: Int64, slice: Period, version number: UInt32
    ) throws(PricingError) -> Explanation {
        try Quantity.check(quantity)
        let version = try version(number)
        let item = try version.valueAddedItem(id)
        let price = item.price(in: try version.region(region).regionClass)
        let hour = BillingCalendar.hour(of: slice.start)
        guard slice.end <= hour.adding(milliseconds: .millisecondsPerHour) else {
            throw .severalHours(0, start: slice.start.milliseconds, end: slice.end.milliseconds)
        }
        let amount = Money(micros: item.unit.micros(price, quantity: quantity, inHourOf: slice.start))
        var steps = [
            "Price list \(number): \(item.name) costs \(price) USD per \(item.unit.rawValue).",
            "The clock hour from \(BillingCalendar.format(hour)) was touched, and is charged whole.",
        ]
        switch item.unit {
        case .hour: steps.append("\(price) x \(quantity), floored to 0.000001 USD = \(amount) USD.")
        case .megabitHour: steps.append("\(price) x \(quantity) Mbps, floored to 0.000001 USD = \(amount) USD.")
        case .gibibyteMonth:
            let hours = BillingCalendar.hoursOfMonth(holding: slice.start)
            steps.append("That calendar month has \(hours) hours, and \(quantity) GiB were stored.")
            steps.append("\(price) x \(quantity) / \(hours), floored to 0.000001 USD = \(amount) USD.")
        }
        return Explanation(amount: amount, listPrice: price, steps: steps)
    }

    /// The price of an order (domain 5.1).
    /// - Throws: `PricingError` for what the version does not sell.
    func explainOrder(
        specification: String, region: String, instances: UInt32, months: UInt32, version number: UInt32
    ) throws(PricingError) -> Explanation {
        try InstanceCount.check(instances)
        let version = try version(number)
        let monthly = try version.price(of: specification, in: region).monthly
        let discount = try version.termDiscount(months: months)
        let order = OrderPrice(monthly: monthly, instances: instances, discount: discount)
        let list = UnitPrice(nanos: order.listNanos)
        var steps = [
            "Price list \(number): one phone costs \(monthly) USD a month.",
            "\(monthly) x \(count(instances, "phone")) x \(count(months, "month")) = \(list) USD.",
            "Rounded half up to the cent, once for the order: \(order.gross.shortDescription) USD.",
        ]
        if order.discount == .zero {
            steps.append("There is no discount for \(count(months, "month")).")
        } else {
            steps.append(
                "With the discount for \(count(months, "month")): \(list) x "
                    + "\(factor(discount.factorMillionths)), rounded half up to the cent = \(order.total.shortDescription) USD, "
                    + "\(order.discount.shortDescription) USD less.")
        }
        return Explanation(amount: order.gross, discount: order.discount, listPrice: monthly, steps: steps)
    }

    /// What of a paid term is used up at an instant (domain 7.2).
    /// - Throws: `PricingError.unknownVersion`.
    func explainConsumed(
        _ term: PaidTerm, at instant: Timestamp, version number: UInt32
    ) throws(PricingError) -> Explanation {
        let used = term.consumed(at: instant, discounts: try version(number).termDiscounts)
        let list = UnitPrice(nanos: term.listNanos)
        guard used.usedDays > 0 else {
            return Explanation(
                amount: .zero,
                steps: [
                    "The term starts at \(BillingCalendar.format(term.period.start)), later than "
                        + "\(BillingCalendar.format(instant)): nothing of it is used."
                ])
        }
        let discount =
            used.factorMillionths == TermDiscount.fullPriceMillionths
            ? "So long a use has earned no discount: the factor is 1.00."
            : "So long a use has earned the term discount \(factor(used.factorMillionths)) of price list \(number)."
        return Explanation(
            amount: used.consumed,
            steps: [
                "The order's list price is \(list) USD, before discount and rounding.",
                "Its term from \(BillingCalendar.format(term.period.start)) to "
                    + "\(BillingCalendar.format(term.period.end)) has \(count(used.termDays, "day")) of 24 hours, "
                    + "a part counted whole.",
                "Used at \(BillingCalendar.format(instant)): \(count(used.usedDays, "day")), a part counted whole.",
                discount,
                "\(list) / \(used.termDays) x \(used.usedDays) x \(factor(used.factorMillionths)), rounded half up to "
                    + "the cent = \(used.consumed.shortDescription) USD.",
            ])
    }
}

/// "1 month", "3 months".
private func count(_ number: some BinaryInteger, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
}

extension BillingUnit {
    fileprivate var words: String {
        switch self {
        case .second: "a second"
        case .fourHours: "4 hours"
        }
    }
}

/// "1.00" for 1,000,000.
private func factor(_ millionths: UInt32) -> String { FixedPoint.format(Int64(millionths), decimals: 6, atLeast: 2) }

/// "1 h 14 min 30 s".
private func span(_ milliseconds: Int64) -> String {
    let (hours, rest) = milliseconds.quotientAndRemainder(dividingBy: .millisecondsPerHour)
    let (minutes, last) = rest.quotientAndRemainder(dividingBy: 60_000)
    return "\(hours) h \(minutes) min \(FixedPoint.format(last, decimals: 3, atLeast: 0)) s"
}
