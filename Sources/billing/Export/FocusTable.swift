import BillingAPI
import BillingCore

/// Bill lines as FOCUS 1.0 has them (the FinOps Foundation's cost and usage specification), all its columns in the order
/// of the foundation's sample data. What we do not have is missing; nothing is made up.
///
/// Where that is not what one may expect:
/// - The sample has a column `Id` more, which is no part of the specification.
/// - Instants are "2024-09-18T22:00:00Z", as the specification wants; the sample has "2024-09-18 22:00:00".
/// - A refund is a `Purchase` of a negative amount, with the price of what was bought and without `PricingQuantity`, which
///   the specification wants of a purchase: what comes back is no number of units.
/// - `ChargeClass` is "Correction" for every adjustment. The specification means corrections of a period that was invoiced
///   before; that is what adjustments are for (domain 9.4), but a line does not say what it corrects.
struct FocusTable {
    /// Who sells, publishes and invoices.
    private static let provider = "Cloud Phone"

    /// The customers' names, by account.
    let accountNames: [String: String]
    /// By region.
    let regionNames: [String: String]

    var columns: [ExportColumn] {
        func text(_ name: String, _ value: @escaping (OrderV1.BillLine) -> String) -> ExportColumn {
            ExportColumn(name: name) { .filled(value($0)) }
        }
        func money(_ name: String, _ micros: @escaping (OrderV1.BillLine) -> Int64) -> ExportColumn {
            ExportColumn(name: name) { .number(Money(micros: micros($0)).description) }
        }
        func missing(_ name: String) -> ExportColumn { ExportColumn(name: name) { _ in .nothing } }
        return [
            missing("AvailabilityZone"), money("BilledCost") { $0.payableMicros },
            text("BillingAccountId") { $0.accountID }, text("BillingAccountName") { accountNames[$0.accountID] ?? "" },
            text("BillingCurrency") { _ in "USD" }, text("BillingPeriodEnd") { FocusLine($0).month.end.description },
            text("BillingPeriodStart") { FocusLine($0).month.start.description },
            text("ChargeCategory") { FocusLine($0).category.rawValue },
            text("ChargeClass") { $0.itemKind == .adjustment ? "Correction" : "" },
            text("ChargeDescription") { FocusLine($0).description },
            text("ChargeFrequency") { FocusLine($0).category == .usage ? "Usage-Based" : "One-Time" },
            text("ChargePeriodEnd") { FocusLine($0).period.end.description },
            text("ChargePeriodStart") { FocusLine($0).period.start.description },
            missing("CommitmentDiscountCategory"), missing("CommitmentDiscountId"),
            missing("CommitmentDiscountName"), missing("CommitmentDiscountStatus"), missing("CommitmentDiscountType"),
            ExportColumn(name: "ConsumedQuantity") { FocusLine($0).consumedQuantity },
            text("ConsumedUnit") { FocusLine($0).consumedUnit },
            // Nobody has a price of his own.
            money("ContractedCost") { $0.grossMicros },
            ExportColumn(name: "ContractedUnitPrice") { FocusLine($0).unitPrice },
            money("EffectiveCost") { $0.grossMicros - $0.discountMicros - $0.roundDownMicros },
            text("InvoiceIssuerName") { _ in FocusTable.provider }, money("ListCost") { $0.grossMicros },
            ExportColumn(name: "ListUnitPrice") { FocusLine($0).unitPrice },
            text("PricingCategory") { FocusLine($0).isPriced ? "Standard" : "" },
            ExportColumn(name: "PricingQuantity") { FocusLine($0).pricingQuantity },
            text("PricingUnit") { FocusLine($0).pricingUnit }, text("ProviderName") { _ in FocusTable.provider },
            text("PublisherName") { _ in FocusTable.provider }, text("RegionId") { $0.region },
            text("RegionName") { regionNames[$0.region] ?? "" }, text("ResourceId") { $0.resourceID },
            missing("ResourceName"), text("ResourceType") { FocusLine($0).resourceType },
            text("ServiceCategory") { FocusLine($0).serviceCategory }, text("ServiceName") { FocusLine($0).service },
            text("SkuId") { FocusLine($0).sku },
            text("SkuPriceId") { FocusLine($0).skuPrice }, missing("SubAccountId"), missing("SubAccountName"),
            missing("Tags"),
        ]
    }
}
