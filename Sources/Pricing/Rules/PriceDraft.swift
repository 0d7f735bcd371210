import BillingCore

/// One price, discount, policy or billing unit that differs between two versions.
struct PriceChange: Hashable, Sendable {
    /// "acp.basic.small ML hourly".
    let what: String
    /// Nano-dollars, millionths of a discount, days, or seconds of a billing unit; 0 when it is new.
    let before: Int64
    let after: Int64
}

extension PriceListVersion {
    /// What is priced or billed otherwise than in `earlier`, in the order of this version.
    func changes(from earlier: PriceListVersion) -> [PriceChange] {
        let before = Dictionary(earlier.pricedThings) { first, _ in first }
        let ofPrices = pricedThings.compactMap { what, after in
            before[what] == after ? nil : PriceChange(what: what, before: before[what] ?? 0, after: after)
        }
        return ofPrices + unitChanges(from: earlier)
    }

    /// Whether this version sells the same things in the same places at the same prices by the same rules, from its
    /// instant on.
    func hasSameContent(as earlier: PriceListVersion) -> Bool {
        let alike = PriceListVersion(
            version: earlier.version, effectiveFrom: earlier.effectiveFrom, billingUnits: earlier.billingUnits,
            termDiscounts: termDiscounts, regions: regions, specifications: specifications,
            valueAddedItems: valueAddedItems, unconditionalRefundDays: unconditionalRefundDays)
        return alike == earlier && unitChanges(from: earlier).isEmpty
    }

    /// The spans of creation whose groups are billed by another unit than in `earlier`. Groups that are created before
    /// this version's instant have the unit of another version, so what it says of them means nothing.
    private func unitChanges(from earlier: PriceListVersion) -> [PriceChange] {
        let later = (billingUnits + earlier.billingUnits).compactMap(\.createdBefore).filter { $0 > effectiveFrom }
        var spans: [(start: Timestamp, end: Timestamp?, before: BillingUnit, after: BillingUnit)] = []
        for start in Set([effectiveFrom] + later).sorted() {
            let (before, after) = (
                earlier.billingUnit(ofGroupCreatedAt: start), billingUnit(ofGroupCreatedAt: start)
            )
            if let last = spans.last, (last.before, last.after) == (before, after) { continue }
            if !spans.isEmpty { spans[spans.count - 1].end = start }
            spans.append((start, nil, before, after))
        }
        return spans.filter { $0.before != $0.after }.map { span in
            let start = BillingCalendar.format(span.start)
            let end = span.end.map { " to " + BillingCalendar.format($0) } ?? ""
            return PriceChange(
                what: "billing unit of groups created from \(start)\(end)",
                before: span.before.milliseconds / .millisecondsPerSecond,
                after: span.after.milliseconds / .millisecondsPerSecond)
        }
    }

    private var pricedThings: [(String, Int64)] {
        var things: [(String, Int64)] = []
        for each in specifications {
            for regionClass in RegionClass.allCases {
                let price = each.price(in: regionClass)
                things.append(("\(each.name) \(regionClass.rawValue) monthly", price.monthly.nanos))
                things.append(("\(each.name) \(regionClass.rawValue) hourly", price.hourly.nanos))
            }
        }
        for each in valueAddedItems {
            for regionClass in RegionClass.allCases {
                things.append(("\(each.id) \(regionClass.rawValue)", each.price(in: regionClass).nanos))
            }
        }
        for each in termDiscounts {
            things.append(("term discount \(each.months) months", Int64(each.factorMillionths)))
        }
        things.append(("unconditional refund days", Int64(unconditionalRefundDays)))
        return things
    }
}

extension PriceList {
    /// - Throws: `DraftError` unless `draft` could be published at `instant` as the next version, and would have an effect.
    func check(_ draft: PriceListVersion, at instant: Timestamp) throws(DraftError) {
        guard draft.version == newest.version + 1 else { throw .version(draft.version, next: newest.version + 1) }
        guard draft.effectiveFrom > instant else { throw .tooEarly(draft.effectiveFrom, now: instant) }
        do throws(PriceListError) {
            try draft.checkFollows(newest)
        } catch {
            throw .sequence(error)
        }
        guard !draft.hasSameContent(as: newest) else { throw .noEffect(newest.version) }
    }
}

/// Something that is being billed or will be renewed, whose price a draft may change.
enum BilledThing: Hashable, Sendable {
    case payAsYouGo(specification: String, region: String, instances: UInt32)
    /// With the instant where its next term would start, and the months of that.
    case subscription(specification: String, region: String, instances: UInt32, paidThrough: Timestamp, months: UInt32)
    case item(String, region: String, quantity: Int64)

    /// What it pays for all its instances or its quantity, and for how long.
    /// - Throws: `PricingError` for what this version does not sell.
    func price(in version: PriceListVersion) throws(PricingError) -> (amount: Money, per: String) {
        switch self {
        case .payAsYouGo(let name, let region, let instances):
            try InstanceCount.check(instances)
            let price = try version.price(of: name, in: region)
            let accrual = Accrual(hourly: price.hourly, instances: instances)
            return (accrual.amount(afterMilliseconds: .millisecondsPerHour), "hour")
        case .subscription(let name, let region, let instances, _, let months):
            try InstanceCount.check(instances)
            let price = try version.price(of: name, in: region)
            let order = OrderPrice(
                monthly: price.monthly, instances: instances, discount: try version.termDiscount(months: months))
            return (order.total, months == 1 ? "renewal of 1 month" : "renewal of \(months) months")
        case .item(let id, let region, let quantity):
            try Quantity.check(quantity)
            let item = try version.valueAddedItem(id)
            let nanos = Int128(item.price(in: try version.region(region).regionClass).nanos) * Int128(quantity)
            return (
                Money(micros: Rounding.floor.divide(nanos, by: 1000)), item.unit == .gibibyteMonth ? "month" : "hour"
            )
        }
    }

    /// From when a version that starts at `start` is what it pays.
    func pays(from start: Timestamp) -> Timestamp {
        guard case .subscription(_, _, _, let paidThrough, _) = self else { return start }
        return max(start, paidThrough)
    }
}

/// Why a document cannot be the next version of the price list.
enum DraftError: BillingError, Hashable {
    case unreadable(CatalogError)
    case version(UInt32, next: UInt32)
    case tooEarly(Timestamp, now: Timestamp)
    case sequence(PriceListError)
    case noEffect(UInt32)

    var status: Status {
        switch self {
        case .unreadable: .invalidArgument
        case .version, .tooEarly, .sequence, .noEffect: .failedPrecondition
        }
    }

    var reason: String {
        switch self {
        case .unreadable: "price.document"
        case .version: "price.version_number"
        case .tooEarly: "price.too_early"
        case .sequence: "price.cannot_follow"
        case .noEffect: "pricing.no_effect"
        }
    }

    var message: String {
        switch self {
        case .unreadable(let error): error.description
        case .version(let version, let next):
            "The next version of the price list is \(next), and the document is version \(version); write "
                + "'version: \(next)'."
        case .tooEarly(let from, let now):
            "The document takes effect at \(BillingCalendar.format(from)), which is not later than now "
                + "(\(BillingCalendar.format(now))); give it a later effective_from."
        case .sequence(let error): error.description
        case .noEffect(let newest):
            "From its instant on the document says what version \(newest) of the price list says already; change what is "
                + "to change."
        }
    }

    var field: String {
        switch self {
        case .unreadable(let error): error.path.isEmpty ? "document" : "document.\(error.path)"
        case .version: "document.version"
        case .tooEarly: "document.effective_from"
        case .sequence, .noEffect: "document"
        }
    }

    var value: String {
        switch self {
        case .unreadable, .sequence, .noEffect: ""
        case .version(let version, _): String(version)
        case .tooEarly(let from, _): "\(from)"
        }
    }
}
