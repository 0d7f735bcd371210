import Synchronization

/// The price list that is served.
final class PublishedPrices: Sendable {
    private let current: Mutex<PriceList>

    init(_ prices: PriceList) { current = Mutex(prices) }

    var prices: PriceList { current.withLock { $0 } }

    /// Versions are only ever added, so the longer list is the later one, in whatever order publications get here.
    func replace(by prices: PriceList) {
        current.withLock { if prices.versions.count > $0.versions.count { $0 = prices } }
    }
}
