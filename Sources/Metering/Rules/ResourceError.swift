package import BillingCore

/// Why something cannot be done with value-added resources.
package enum ResourceError: BillingError, Hashable {
    /// Also for a resource of another account, which is answered as if it did not exist.
    case notFound(ResourceID)
    /// The resource is overdue or released; what is asked needs an active one.
    case notActive(ResourceID, ResourceStatus)
    /// A network is what groups are attached to; without one that is not released there is none.
    case noGroups(network: String, region: String)
    case regionAmbiguous(network: String, regions: [String])
    case quantity(field: String, Int64, largest: Int64)
    /// A field without which the request makes no sense.
    case missing(field: String)
    /// One account has more things than a reply can hold.
    case accountTooLarge(AccountID, things: Int)

    package var status: Status {
        switch self {
        case .notFound: .notFound
        case .notActive, .noGroups, .regionAmbiguous: .failedPrecondition
        case .quantity, .missing: .invalidArgument
        case .accountTooLarge: .resourceExhausted
        }
    }

    package var reason: String {
        switch self {
        case .notFound: "resource.not_found"
        case .notActive: "resource.not_active"
        case .noGroups: "network.no_groups"
        case .regionAmbiguous: "network.region_ambiguous"
        case .quantity: "resource.quantity"
        case .missing: "resource.missing_field"
        case .accountTooLarge: "resource.account_too_large"
        }
    }

    package var message: String {
        switch self {
        case .notFound(let id): "There is no resource '\(id)' in this account."
        case .notActive(let id, let status): "The resource '\(id)' is \(status)."
        case .noGroups(let network, let region):
            region.isEmpty
                ? "No network '\(network)' of this account has groups; create a group in it first."
                : "The network '\(network)' in \(region) has no groups; create a group in it first."
        case .regionAmbiguous(let network, let regions):
            "There is a network '\(network)' in \(regions.joined(separator: ", ")); name the region."
        case .quantity(let field, let value, let largest): "\(field) is 1 to \(largest), not \(value)."
        case .missing(let field): "The field \(field) is missing."
        case .accountTooLarge(let account, let things):
            "The account '\(account)' has \(things) things that are billed, more than one reply can hold."
        }
    }

    package var field: String {
        switch self {
        case .notFound, .notActive: "resource_id"
        case .noGroups: "network"
        case .regionAmbiguous: "region"
        case .quantity(let field, _, _), .missing(let field): field
        case .accountTooLarge: ""
        }
    }

    package var value: String {
        switch self {
        case .notFound(let id), .notActive(let id, _): id.text
        case .noGroups(let network, let region): region.isEmpty ? network : "\(network) in \(region)"
        case .regionAmbiguous(_, let regions): regions.joined(separator: ", ")
        case .quantity(_, let value, _): String(value)
        case .missing: ""
        case .accountTooLarge(let account, _): account.text
        }
    }
}
