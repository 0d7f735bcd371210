import BillingCore
import RPC

/// A refusal as the answers' tables keep it, to be told again word for word: reason, message, field and value, each as
/// its length in four bytes, little endian, and its UTF-8.
struct RecordedRefusal: Hashable {
    let reason: String
    let message: String
    let field: String
    let value: String

    init(_ error: any BillingError) {
        reason = error.reason
        message = error.message
        field = error.field
        value = error.value
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        for text in [reason, message, field, value] {
            withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian) { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: text.utf8)
        }
        return bytes
    }

    /// - Throws: `RPCError` "call.record_damaged" for bytes that `bytes` never gave.
    init(bytes: [UInt8]) throws(RPCError) {
        var rest = bytes[...]
        var texts: [String] = []
        for _ in 0..<4 {
            guard rest.count >= 4 else { throw Self.damaged }
            let count = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            guard rest.count >= count else { throw Self.damaged }
            texts.append(String(decoding: rest.prefix(count), as: UTF8.self))
            rest = rest.dropFirst(count)
        }
        guard rest.isEmpty else { throw Self.damaged }
        (reason, message, field, value) = (texts[0], texts[1], texts[2], texts[3])
    }

    func error(status: Status) -> RPCError {
        RPCError(status, reason, message, field: field, value: value, isReplay: true)
    }

    private static var damaged: RPCError {
        RPCError(.dataLoss, "call.record_damaged", "The recorded answer to this call is damaged; tell the operator.")
    }
}
