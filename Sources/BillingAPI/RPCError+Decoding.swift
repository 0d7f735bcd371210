import BillingCore
import RPC

/// The refusals of decoding. The reasons are part of the wire contract.
extension RPCError {
    static func malformed(_ message: String, _ byteCount: Int) -> RPCError {
        RPCError(.invalidArgument, "call.malformed", "The \(byteCount) bytes of the body are no \(message).")
    }

    static func tooLarge(_ message: String, _ needed: String, _ limit: String) -> RPCError {
        RPCError(
            .invalidArgument, "call.too_large",
            "The body, a \(message), takes \(needed); this method allows \(limit). Send less in one call.")
    }

    static func tooManyItems(_ field: String, _ count: Int, _ limit: Int) -> RPCError {
        RPCError(
            .invalidArgument, "field.too_many",
            "There are \(count) items; this method takes at most \(limit) in one call.", field: field,
            value: "\(count)")
    }

    static func notUTF8(_ field: String, _ bytes: UnsafeBufferPointer<UInt8>) -> RPCError {
        RPCError(
            .invalidArgument, "field.not_utf8", "The text is not valid UTF-8.", field: field, value: excerpt(bytes))
    }

    static func embeddedNUL(_ field: String, _ bytes: UnsafeBufferPointer<UInt8>) -> RPCError {
        RPCError(
            .invalidArgument, "field.embedded_nul", "The text contains a NUL character.", field: field,
            value: excerpt(bytes))
    }

    static func unknownEnum<Value: WireEnum>(_ field: String, _ number: Int32, _ type: Value.Type) -> RPCError {
        RPCError(
            .invalidArgument, "field.unknown_enum", "No such value; known are \(choices(type)).", field: field,
            value: "\(number)")
    }

    static func unspecifiedEnum<Value: WireEnum>(_ field: String, _ type: Value.Type) -> RPCError {
        RPCError(
            .invalidArgument, "field.enum_unspecified", "A value must be chosen: \(choices(type)).", field: field,
            value: "0")
    }

    /// The same refusal seen from the message that holds the field.
    func inside(_ outer: String) -> RPCError {
        var copy = self
        copy.field = field.isEmpty ? outer : "\(outer).\(field)"
        return copy
    }

    private static func choices<Value: WireEnum>(_ type: Value.Type) -> String {
        Value.allCases.filter { $0.rawValue != 0 }.map(\.wireName).joined(separator: ", ")
    }

    /// The start of the offending text as printable ASCII, the other bytes as \xNN.
    private static func excerpt(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        let shown = bytes.prefix(48).map { byte in
            (0x20...0x7e).contains(byte)
                ? String(UnicodeScalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return shown.joined() + (bytes.count > 48 ? "…" : "")
    }
}
