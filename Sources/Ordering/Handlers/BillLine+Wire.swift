import BillingAPI
import BillingCore

extension OrderV1.BillLine {
    /// A sum, with nothing but its amounts.
    init(sumOf amounts: BillAmounts) {
        self.init(
            grossMicros: amounts.gross.micros, discountMicros: amounts.discount.micros,
            roundDownMicros: amounts.roundDown.micros, couponMicros: amounts.coupon.micros,
            payableMicros: amounts.payable.micros, paidMicros: amounts.paid.micros,
            outstandingMicros: amounts.outstanding.micros, status: OrderV1.LineStatus(amounts.status),
            lines: amounts.lines)
    }

    /// A sum, with the field filled in that it is grouped by.
    /// - Parameter now: decides whether its month is final; `nil` when the call has no instant.
    init(_ row: BillSummary.Row, period: StatisticalPeriod, grouping kind: BillGrouping, now: Timestamp?) {
        self.init(sumOf: row.amounts)
        billingPeriod = period.text(row.period)
        grouping = row.grouping
        if let now, let finalAt = period.finalAt(row.period) { final = now >= finalAt }
        switch kind {
        case .group: groupID = row.grouping
        case .item: billingItem = row.grouping
        case .specification: specification = row.grouping
        case .region: region = row.grouping
        case .billingMethod: billingMethod = BillingMethod(text: row.grouping)?.wire() ?? .unspecified
        case .specificationAndRegion:
            let parts = row.grouping.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
            specification = String(parts.first ?? "")
            region = String(parts.dropFirst().first ?? "")
        case .product: product = row.grouping
        case .account: accountID = row.grouping
        case .none: break
        }
    }

    /// A line.
    /// - Parameter now: decides whether its month is final; `nil` when the call has no instant.
    init(_ found: FoundLine, now: Timestamp?) {
        let (source, line) = (found.source, found.line)
        self.init(sumOf: line.amounts)
        lineID = line.id(of: found.account)
        accountID = found.account.text
        billingPeriod = BillingCalendar.date(of: line.start).description
        itemKind = source.kind.wire()
        billingMethod = source.kind.method?.wire() ?? .unspecified
        product = source.product.rawValue
        billingItem = source.billingItem
        groupID = source.groupID
        region = source.region
        specification = source.specification
        usageStart = source.usageStart(of: line).milliseconds
        usageEnd = line.end.milliseconds
        listPriceNanos = line.listPrice.nanos
        priceListVersion = UInt32(line.priceListVersion)
        orderID = source.orderID
        refundID = source.refundID
        network = source.network
        size = Int64(source.instances)
        billingUnit = source.billingUnit?.wire() ?? .unspecified
        reason = source.note
        postedAt = line.postedAt.milliseconds
        let month = StatisticalPeriod.month
        if let now, let finalAt = month.finalAt(month.number(of: line.start)) { final = now >= finalAt }
        switch source.kind {
        case .payAsYouGoBill:
            resourceID = source.resourceID
            roundDownLine = source.isRoundDown
            if !source.isRoundDown {
                priceUnit = source.product.priceUnit
                quantityUnit = source.product.quantityUnit
                quantityThousandths = source.quantityThousandths(of: line)
            }
            billID = line.sequence == 0 ? "" : "bill-\(line.sequence)"
        case .subscriptionOrder:
            resourceID = source.groupID
            priceUnit = "instance-month"
            quantityUnit = "instance-month"
            quantityThousandths = Int64(source.instances * source.months) * 1000
        case .refund:
            resourceID = source.groupID
            priceUnit = "instance-month"
        case .adjustment: break
        }
    }
}

extension OrderV1.LineStatus {
    init(_ status: BillAmounts.Status) {
        switch status {
        case .paid: self = .paid
        case .partlyPaid: self = .partlyPaid
        case .unpaid: self = .unpaid
        }
    }
}
