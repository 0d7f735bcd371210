/// The kinds of things that have ids, each with the prefix its ids carry.
public protocol IdentifierKind: Sendable {
    static var prefix: String { get }
}

/// An id such as "acct-0k7v2m9q4x1c8r5t": the kind's prefix, then lowercase letters, digits and hyphens, 64 bytes in
/// all at most.
public struct Identifier<Kind: IdentifierKind>: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let text: String

    /// - Throws: `IdentifierError.malformed` naming the text and the expected prefix.
    public init(_ text: String) throws(IdentifierError) {
        guard IdentifierForm.matches(text, prefix: Kind.prefix) else { throw .malformed(text, prefix: Kind.prefix) }
        self.text = text
    }

    /// A new id from 80 random bits.
    public init(from generator: any IdentifierGenerator) { text = Kind.prefix + generator.next() }

    public var description: String { text }
    public static func < (left: Self, right: Self) -> Bool { left.text < right.text }
}

/// How ids are written.
enum IdentifierForm {
    static func matches(_ text: String, prefix: String) -> Bool {
        let bytes = text.utf8
        return bytes.count > prefix.utf8.count && bytes.count <= 64 && text.hasPrefix(prefix)
            && bytes.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
            }
    }
}

public enum AccountKind: IdentifierKind { public static let prefix = "acct-" }
public enum GroupKind: IdentifierKind { public static let prefix = "ag-" }
public enum InstanceKind: IdentifierKind { public static let prefix = "acp-" }
public enum OrderKind: IdentifierKind { public static let prefix = "ord-" }
public enum RefundKind: IdentifierKind { public static let prefix = "ref-" }
public enum PaymentKind: IdentifierKind { public static let prefix = "pay-" }
public enum SagaKind: IdentifierKind { public static let prefix = "saga-" }
public enum CouponKind: IdentifierKind { public static let prefix = "cpn-" }
public enum AdjustmentKind: IdentifierKind { public static let prefix = "adj-" }

public typealias AccountID = Identifier<AccountKind>
public typealias GroupID = Identifier<GroupKind>
public typealias InstanceID = Identifier<InstanceKind>
public typealias OrderID = Identifier<OrderKind>
public typealias RefundID = Identifier<RefundKind>
public typealias PaymentID = Identifier<PaymentKind>
public typealias SagaID = Identifier<SagaKind>
public typealias CouponID = Identifier<CouponKind>
public typealias AdjustmentID = Identifier<AdjustmentKind>

public enum IdentifierError: BillingError, Hashable {
    case malformed(String, prefix: String)
    case malformedResource(String)

    public var status: Status { .invalidArgument }
    public var reason: String { "id.malformed" }
    public var message: String {
        switch self {
        case .malformed(let text, let prefix): "'\(text)' is not an id of this kind; those start with '\(prefix)'."
        case .malformedResource(let text):
            "'\(text)' is not the id of a resource; those start with 'nat-', 'eip-', 'bw-' or 'oss-'."
        }
    }
    public var value: String {
        switch self {
        case .malformed(let text, _), .malformedResource(let text): text
        }
    }
}

/// Where new ids come from: an argument of whoever makes them, so that tests and simulations can repeat a run.
public protocol IdentifierGenerator: Sendable {
    /// 16 characters of Crockford's base 32 in lowercase, 80 bits.
    func next() -> String
}

/// Ids from the system's random numbers.
public struct RandomIdentifierGenerator: IdentifierGenerator {
    public init() {}

    public func next() -> String {
        var random = SystemRandomNumberGenerator()
        return Base32.text(high: random.next(), low: random.next())
    }
}

public enum Base32 {
    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    /// 16 characters from the lower 40 bits of each word.
    public static func text(high: UInt64, low: UInt64) -> String {
        String(unsafeUninitializedCapacity: 16) { buffer in
            for (offset, word) in [high, low].enumerated() {
                for position in 0..<8 {
                    buffer[offset * 8 + position] = alphabet[Int(word >> UInt64(5 * (7 - position)) & 31)]
                }
            }
            return 16
        }
    }
}
