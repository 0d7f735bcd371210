/// The value-added resources that there are (domain 1). The raw values are stored.
public enum ResourceKind: Int64, Hashable, Sendable, CaseIterable {
    case natGateway = 1
    case eip = 2
    case sharedBandwidth = 3
    case oss = 4

    /// The code of the item in price lists and on bills.
    public var item: String {
        switch self {
        case .natGateway: "nat-gateway"
        case .eip: "eip"
        case .sharedBandwidth: "shared-bandwidth"
        case .oss: "oss"
        }
    }

    /// What the ids of this kind start with.
    public var idPrefix: String {
        switch self {
        case .natGateway: "nat-"
        case .eip: "eip-"
        case .sharedBandwidth: "bw-"
        case .oss: "oss-"
        }
    }
}

/// The id of a value-added resource, as "nat-0k7v2m9q4x1c8r5t": written as other ids are, with a prefix that tells the
/// resource's kind.
public struct ResourceID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let kind: ResourceKind
    public let text: String

    /// - Throws: `IdentifierError.malformedResource` naming the text.
    public init(_ text: String) throws(IdentifierError) {
        guard let kind = ResourceKind.allCases.first(where: { IdentifierForm.matches(text, prefix: $0.idPrefix) })
        else {
            throw .malformedResource(text)
        }
        self.kind = kind
        self.text = text
    }

    /// A new id from 80 random bits.
    public init(_ kind: ResourceKind, from generator: any IdentifierGenerator) {
        self.kind = kind
        text = kind.idPrefix + generator.next()
    }

    public var description: String { text }
    public static func < (left: Self, right: Self) -> Bool { left.text < right.text }
}
