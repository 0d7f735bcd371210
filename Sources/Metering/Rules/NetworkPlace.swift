/// One network of an account: its name is unique within a region.
package struct NetworkPlace: Hashable, Sendable {
    package let network: String
    package let region: String

    package init(network: String, region: String) {
        self.network = network
        self.region = region
    }

    /// The network that a request means.
    /// - Parameters:
    ///   - region: empty: the one region in which there is a network of this name.
    ///   - regions: where the account has a network of this name.
    /// - Throws: `ResourceError.noGroups` if there is none, `.regionAmbiguous` if `region` is needed to tell which.
    package init(network: String, region: String, among regions: Set<String>) throws(ResourceError) {
        guard region.isEmpty else {
            guard regions.contains(region) else { throw .noGroups(network: network, region: region) }
            self.init(network: network, region: region)
            return
        }
        guard let only = regions.first else { throw .noGroups(network: network, region: "") }
        guard regions.count == 1 else { throw .regionAmbiguous(network: network, regions: regions.sorted()) }
        self.init(network: network, region: only)
    }
}
