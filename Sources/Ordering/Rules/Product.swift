import BillingCore

/// What is sold, as coupons and bills name it (domain 1). The raw values are those of the wire.
enum Product: String, CaseIterable, Hashable, Sendable {
    case cloudPhone = "cloud-phone"
    case natGateway = "nat-gateway"
    case eip
    case sharedBandwidth = "shared-bandwidth"
    case oss

    /// - Parameter item: of a metered resource; empty for a group.
    init?(item: String) {
        guard !item.isEmpty else {
            self = .cloudPhone
            return
        }
        guard let known = Product(rawValue: item), known != .cloudPhone else { return nil }
        self = known
    }

    /// What names the product where a resource is metered; empty for a group.
    var item: String { self == .cloudPhone ? "" : rawValue }

    /// For people, and for whoever groups bills by it.
    var name: String {
        switch self {
        case .cloudPhone: "cloud phone"
        case .natGateway: "NAT gateway"
        case .eip: "EIP"
        case .sharedBandwidth: "Internet Shared Bandwidth"
        case .oss: "OSS"
        }
    }

    /// What the list price of metered use is for.
    var priceUnit: String {
        switch self {
        case .cloudPhone: "instance-hour"
        case .natGateway, .eip: "hour"
        case .sharedBandwidth: "Mbps-hour"
        case .oss: "GiB-month"
        }
    }

    /// What metered use is counted in.
    var quantityUnit: String { self == .oss ? "GiB-hour" : priceUnit }
}
