import BillingAPI
import BillingCore
package import RPC
package import Storage

/// Price-list versions, quotes and all price arithmetic. Knows no account and no group, and calls nobody.
///
/// Answers come from a value in memory that never changes, so no handler waits.
package struct PricingService: Sendable {
    let prices: PriceList

    /// Publishes the catalog's new versions and serves all that are published.
    /// - Parameter catalog: the text of the file that people edit.
    /// - Throws: an error with one clear sentence as its description: the catalog cannot be read, with line, key and
    ///   value; or it edits a published version; `StorageError`.
    package static func start(database: any Database, catalog: String) async throws -> PricingService {
        let versions = try PriceCatalog.versions(in: catalog)
        return PricingService(
            prices: try await database.write { try PriceListStore(transaction: $0).publish(versions) })
    }

    package func register(in router: inout Router) {
        router.handle(PricingV1.Prices.listPrices, listPrices)
        router.handle(PricingV1.Prices.quote, quote)
        router.handle(PricingV1.Prices.rate, rate)
        router.handle(PricingV1.Prices.consumed, consumed)
        router.requireAll(PricingV1.Prices.all)
    }
}
