import BillingAPI
import BillingCore
package import RPC
package import Storage

/// Price-list versions, quotes and all price arithmetic. Knows no account and no group, and calls nobody.
///
/// Answers come from a value in memory that never changes; a publication puts another in its place.
package struct PricingService: Sendable {
    let database: any Database
    private let published: PublishedPrices

    /// All that is published now.
    var prices: PriceList { published.prices }

    /// Serves what is published, after a publication.
    func reload() async throws {
        published.replace(by: try await database.read { try PriceList(PriceListStore(transaction: $0).published()) })
    }

    /// Publishes the catalog's new versions and serves all that are published.
    /// - Parameter catalog: the text of the file that people edit.
    /// - Throws: an error with one clear sentence as its description: the catalog cannot be read, with line, key and
    ///   value; or it edits a published version; `StorageError`.
    package static func start(database: any Database, catalog: String) async throws -> PricingService {
        let versions = try PriceCatalog.versions(in: catalog)
        return PricingService(
            database: database,
            published: PublishedPrices(
                try await database.write { try PriceListStore(transaction: $0).publish(versions) }))
    }

    package func register(in router: inout Router) {
        router.handle(PricingV1.Prices.listPrices, listPrices)
        router.handle(PricingV1.Prices.quote, quote)
        router.handle(PricingV1.Prices.rate, rate)
        router.handle(PricingV1.Prices.consumed, consumed)
        router.handle(PricingV1.Prices.publishPrices, publishPrices)
        router.handle(PricingV1.Prices.compareDraft, compareDraft)
        router.handle(PricingV1.Prices.explain, explain)
        router.requireAll(PricingV1.Prices.all)
    }
}
