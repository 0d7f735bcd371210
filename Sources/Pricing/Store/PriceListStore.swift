import BillingCore
import Storage

/// The published versions, each kept as its `document`.
struct PriceListStore {
    let transaction: any Transaction

    /// In order of number.
    /// - Throws: `CatalogError` for a document that this program cannot read.
    func published() throws -> [PriceListVersion] {
        try transaction.all("SELECT document FROM price_list ORDER BY version") { row in
            try PriceCatalog.version(in: row.text(0))
        }
    }

    /// Publishes what is new in the catalog and makes the price list of all published versions, those included that the
    /// catalog no longer has. Repeating it changes nothing.
    /// - Throws: `PriceListError.edited` when the catalog changes a published version; others when a new one cannot
    ///   follow. Nothing is published then.
    func publish(_ catalog: [PriceListVersion]) throws -> PriceList {
        for version in catalog { try complete(version) }
        let published = try published()
        for version in catalog {
            guard let known = published.first(where: { $0.version == version.version }) else { continue }
            guard known == version else {
                let newest = max(published.map(\.version).max() ?? 0, catalog.map(\.version).max() ?? 0)
                throw PriceListError.edited(version.version, next: newest + 1)
            }
        }
        let new = catalog.filter { version in !published.contains { $0.version == version.version } }
        if let last = published.last, let early = new.first(where: { $0.version < last.version }) {
            throw PriceListError.notAfter(early.version, earlier: last.version)
        }
        let prices = try PriceList(published + new)
        for version in new { try insert(version) }
        return prices
    }

    func insert(_ version: PriceListVersion) throws {
        try transaction.execute(
            "INSERT INTO price_list (version, effective_at, document, form) VALUES (?, ?, ?, 2)",
            .integer(Int64(version.version)), .integer(version.effectiveFrom.milliseconds), .text(version.document))
    }

    /// Adds to a version that was published in form 1 what that form could not hold, once, when the catalog has all
    /// else of it unchanged. Groups and orders do not see what is added.
    private func complete(_ version: PriceListVersion) throws {
        let number = SQLValue.integer(Int64(version.version))
        let early = try transaction.all(
            "SELECT document FROM price_list WHERE version = ? AND form = 1", number
        ) { row in try PriceCatalog.version(in: row.text(0)) }
        guard let known = early.first, known == version.inFormOne else { return }
        try transaction.execute(
            "UPDATE price_list SET document = ?, form = 2 WHERE version = ?", .text(version.document), number)
    }
}

extension PriceListVersion {
    /// This version without what documents of form 1 do not hold.
    fileprivate var inFormOne: PriceListVersion {
        PriceListVersion(
            version: version, effectiveFrom: effectiveFrom, billingUnits: billingUnits, termDiscounts: termDiscounts,
            regions: regions, specifications: specifications, valueAddedItems: [], unconditionalRefundDays: 0)
    }
}
