import BillingAPI
import BillingCore

/// A bill line in the terms of FOCUS 1.0.
struct FocusLine {
    /// The allowed values, of which there are no taxes here.
    enum Category: String {
        case usage = "Usage"
        case purchase = "Purchase"
        case credit = "Credit"
        case adjustment = "Adjustment"
    }

    private let line: OrderV1.BillLine

    init(_ line: OrderV1.BillLine) { self.line = line }

    var category: Category {
        switch line.itemKind {
        case .payAsYouGoBill: line.roundDownLine ? .credit : .usage
        // FOCUS: "positive or negative charges ... including refunds".
        case .subscriptionOrder, .refund: .purchase
        case .adjustment, .unspecified: .adjustment
        }
    }

    /// Whether it is of something that has a price.
    var isPriced: Bool { category == .usage || category == .purchase }

    /// The billing month, which begins at midnight of UTC+8.
    var month: Period {
        if let month = Input.monthIfWellFormed(String(line.billingPeriod.prefix(7))) { return month }
        let start = Timestamp(milliseconds: start)
        return Period(BillingCalendar.month(of: start), BillingCalendar.monthEnd(of: start))
    }

    /// Adjustments have no use; theirs is the instant.
    private var start: Int64 { line.usageStart == 0 ? line.postedAt : line.usageStart }

    /// To the second, as FOCUS has instants, and not empty: the end of one slice stays the start of the next.
    var period: (start: Timestamp, end: Timestamp) {
        let second = Int64.millisecondsPerSecond
        let start = start / second * second
        let end = max(line.usageEnd / second * second, start + second)
        return (Timestamp(milliseconds: start), Timestamp(milliseconds: end))
    }

    /// "cloud phone instance acp.basic.small in cn-hangzhou".
    var description: String {
        if line.itemKind == .adjustment { return line.reason.isEmpty ? line.billingItem : line.reason }
        var text = line.itemKind == .refund ? "refund of " + line.billingItem : line.billingItem
        if !line.specification.isEmpty { text += " " + line.specification }
        return line.region.isEmpty ? text : text + " in " + line.region
    }

    var unitPrice: ExportCell {
        isPriced && !line.priceUnit.isEmpty ? .number(FixedPoint.format(line.listPriceNanos, decimals: 9)) : .nothing
    }

    var pricingUnit: String { isPriced ? FocusLine.unit(line.priceUnit) : "" }

    /// How many of the units that the price is for: of a price by the month of what is counted by the hour, the hours'
    /// part of their month, half up. What comes back in a refund is money, and no number of units.
    var pricingQuantity: ExportCell {
        guard isPriced, line.itemKind != .refund, !line.priceUnit.isEmpty else { return .nothing }
        guard line.priceUnit != line.quantityUnit, line.priceUnit.hasSuffix("-month"),
            line.quantityUnit.hasSuffix("hour")
        else { return .number(FixedPoint.format(line.quantityThousandths, decimals: 3)) }
        let hours = (month.end - month.start) / .millisecondsPerHour
        let billionths = Int128(line.quantityThousandths) * 1_000_000
        return .number(FixedPoint.format(Rounding.halfUp.divide(billionths, by: Int128(hours)), decimals: 9))
    }

    var consumedQuantity: ExportCell {
        category == .usage && !line.quantityUnit.isEmpty
            ? .number(FixedPoint.format(line.quantityThousandths, decimals: 3)) : .nothing
    }

    var consumedUnit: String { category == .usage ? FocusLine.unit(line.quantityUnit) : "" }

    /// "instance-hour" as FOCUS writes units: "Instance-Hours".
    private static func unit(_ unit: String) -> String {
        unit.isEmpty
            ? ""
            : unit.split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined(separator: "-") + "s"
    }

    /// What belongs to no service: the fraction of a cent of a month, and what was adjusted by hand.
    private var isOfAccount: Bool { line.itemKind == .adjustment || line.roundDownLine }

    /// What each product is called, and FOCUS's category of it, by the product's code.
    private static let products: [String: (name: String, category: String)] = [
        "cloud-phone": ("Cloud Phone", "Compute"), "nat-gateway": ("NAT Gateway", "Networking"),
        "eip": ("Elastic IP Address", "Networking"),
        "shared-bandwidth": ("Internet Shared Bandwidth", "Networking"),
        "oss": ("Object Storage Service", "Storage"),
    ]

    var service: String { isOfAccount ? "Account" : FocusLine.products[line.product]?.name ?? line.product }

    var serviceCategory: String { isOfAccount ? "Other" : FocusLine.products[line.product]?.category ?? "Other" }

    var resourceType: String {
        if line.resourceID.isEmpty { return "" }
        return line.groupID == line.resourceID ? "Instance group" : service
    }

    /// What is sold: how it is billed, what, and where.
    var sku: String {
        guard isPriced else { return "" }
        let what = line.specification.isEmpty ? line.product : line.specification
        return "\(line.billingMethod.word)/\(what)/\(line.region)"
    }

    /// Its price in one version of the price list.
    var skuPrice: String { sku.isEmpty || line.priceListVersion == 0 ? "" : "\(sku)/\(line.priceListVersion)" }
}
