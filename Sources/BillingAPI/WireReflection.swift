public import RPC

/// A message that tells its fields by name, for a generic printer. Every generated message conforms.
public protocol WireReflection: WireMessage {
    /// The fields in the order of the schema, named as there. A message or oneof that is absent is left out; other
    /// fields are there even when they have their default value.
    var wireFields: [(name: String, value: WireFieldValue)] { get }
}

/// The value of a field as a generic printer needs it. Units are in the field's name: `*_micros` is money, `*_at` an
/// instant.
public enum WireFieldValue: Sendable {
    case integer(Int64)
    /// A field of type uint64, which holds identifiers and epochs.
    case unsigned(UInt64)
    case boolean(Bool)
    case text(String)
    case bytes([UInt8])
    /// The name in the schema, "ORDER_STATUS_PAID".
    case enumeration(String)
    case message([(name: String, value: WireFieldValue)])
    case list([WireFieldValue])
}
