import BillingAPI
import BillingCore

/// The slices of a batch in the order of settlement, as the columns that pricing and order take.
struct UsageBatch {
    private struct Item {
        let account: AccountID
        let segment: AccruingSegment
        let period: Period
    }

    private let hour: Timestamp
    private let items: [Item]

    init(_ batch: CutBatch) {
        hour = batch.hour
        items = batch.accounts.flatMap { account in
            account.plan.slices.map { slice in
                Item(account: account.account, segment: account.segments[slice.segment], period: slice.period)
            }
        }
    }

    /// The batch in parts of at most `largest` slices, none if it has no slices. An account is settled as a whole, so a part
    /// ends between two accounts; only one that has more slices than a part by itself is divided.
    func ranges(of largest: Int) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var (first, lastAccount) = (0, 0)
        for index in items.indices {
            if items[index].account != items[lastAccount].account { lastAccount = index }
            guard index - first == largest else { continue }
            let end = lastAccount > first ? lastAccount : index
            ranges.append(first..<end)
            first = end
        }
        return first < items.count ? ranges + [first..<items.count] : ranges
    }

    /// In one hour each segment has one slice, so resource and slice number are the same.
    func rateRequest(_ range: Range<Int>) -> PricingV1.RateRequest {
        var request = PricingV1.RateRequest()
        request.resources.reserveCapacity(range.count)
        request.resource.reserveCapacity(range.count)
        request.start.reserveCapacity(range.count)
        request.end.reserveCapacity(range.count)
        for (index, item) in items[range].enumerated() {
            request.resources.append(PricingV1.RatedResource(item.segment))
            request.resource.append(UInt32(index))
            request.start.append(item.period.start.milliseconds)
            request.end.append(item.period.end.milliseconds)
        }
        return request
    }

    /// - Throws: `CutError.ratingMismatch` unless the rated parts make up exactly the slices, in their order.
    func postRequest(_ range: Range<Int>, _ rated: PricingV1.RateReply) throws(CutError) -> OrderV1.PostUsageRequest {
        guard coversExactly(items[range], rated) else { throw .ratingMismatch(hour: hour) }
        var request = OrderV1.PostUsageRequest(cutAt: hour.milliseconds)
        request.resources = items[range].map { OrderV1.UsageResource($0.account, $0.segment) }
        request.prices = rated.prices
        request.resource = rated.slice
        request.start = rated.start
        request.end = rated.end
        request.price = rated.price
        request.grossMicros = rated.grossMicros
        return request
    }

    private func coversExactly(_ items: ArraySlice<Item>, _ rated: PricingV1.RateReply) -> Bool {
        let count = rated.slice.count
        guard rated.start.count == count, rated.end.count == count, rated.price.count == count,
            rated.grossMicros.count == count, rated.price.allSatisfy({ Int($0) < rated.prices.count })
        else { return false }
        var part = 0
        for (index, item) in items.enumerated() {
            var covered = item.period.start.milliseconds
            while part < count, Int(rated.slice[part]) == index, rated.start[part] == covered,
                rated.end[part] > covered
            {
                covered = rated.end[part]
                part += 1
            }
            guard covered == item.period.end.milliseconds else { return false }
        }
        return part == count
    }
}

extension PricingV1.RatedResource {
    /// What the price of a stretch of use depends on.
    init(_ segment: AccruingSegment) {
        switch segment.thing {
        case .group(_, let specification, let instances, _):
            self.init(
                specification: specification, region: segment.region, instances: UInt32(instances),
                anchor: segment.anchor.milliseconds)
        case .resource(let id, _, let quantity):
            self.init(region: segment.region, item: id.kind.item, quantity: quantity)
        }
    }
}

extension OrderV1.UsageResource {
    /// What bills tell of the thing that was used. A resource has neither a group nor an anchor, so its description stays
    /// the same from line to line but for the size.
    fileprivate init(_ account: AccountID, _ segment: AccruingSegment) {
        switch segment.thing {
        case .group(let id, let specification, let instances, let unit):
            self.init(
                accountID: account.text, resourceID: id.text, groupID: id.text, specification: specification,
                region: segment.region, instances: UInt32(instances), createdAt: segment.createdAt.milliseconds,
                anchor: segment.anchor.milliseconds, billingUnit: CommonV1.BillingUnit(unit))
        case .resource(let id, let network, let quantity):
            self.init(
                accountID: account.text, resourceID: id.text, region: segment.region,
                createdAt: segment.createdAt.milliseconds, billingUnit: .clockHour, item: id.kind.item,
                quantity: quantity, network: network)
        }
    }
}
