import BillingCore

/// A method of a service, typed by its messages. The constants are generated in BillingAPI.
public struct Method<Request: WireMessage, Reply: WireMessage>: Sendable {
    public let descriptor: MethodDescriptor

    public init(_ name: String, _ idempotency: Idempotency, _ limits: WireLimits = .standard) {
        descriptor = MethodDescriptor(name: name, idempotency: idempotency, limits: limits)
    }
}

/// What the transport knows of a method.
public struct MethodDescriptor: Hashable, Sendable {
    /// "billing.order.v1.Orders/PayOrder".
    public let name: String
    /// FNV-1a 32 of the name; the generator refuses collisions.
    public let id: UInt32
    public let idempotency: Idempotency
    public let limits: WireLimits

    public init(name: String, idempotency: Idempotency, limits: WireLimits) {
        self.name = name
        self.id = FNV1a.hash32(name.utf8)
        self.idempotency = idempotency
        self.limits = limits
    }

    /// Whether a call may be sent again when its reply is lost.
    public func isRetrySafe(hasKey: Bool) -> Bool {
        switch idempotency {
        case .read, .naturallyIdempotent: true
        case .keyed: hasKey
        }
    }
}

/// Whether and why a repeat does no harm; from `idempotency_level` in the schema.
public enum Idempotency: Hashable, Sendable {
    /// `NO_SIDE_EFFECTS`: changes nothing.
    case read
    /// `IDEMPOTENT`: its own content makes a repeat harmless, as with usage (resource, slice start).
    case naturallyIdempotent
    /// The default: a write that a key makes safe.
    case keyed
}
