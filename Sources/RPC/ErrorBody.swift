import BillingCore

/// The body of a refusal, `billing.common.v1.Error`: the one message that the transport itself reads and writes, so its
/// codec is here by hand. Texts are cut to bounds on the way out and checked on the way in.
struct ErrorBody: Hashable {
    var reason = ""
    var message = ""
    var field = ""
    var value = ""

    /// Bytes that each text may take; longer ones are cut at a character.
    static let bounds = (reason: 64, message: 1024, field: 128, value: 256)

    init() {}

    init(_ error: RPCError) {
        reason = error.reason.cut(to: Self.bounds.reason)
        message = error.message.cut(to: Self.bounds.message)
        field = error.field.cut(to: Self.bounds.field)
        value = error.value.cut(to: Self.bounds.value)
    }

    func encode(into buffer: inout WireBuffer) {
        for (number, text) in [(1, reason), (2, message), (3, field), (4, value)] as [(UInt8, String)]
        where !text.isEmpty {
            let length = text.utf8.count
            // At most 1024 (see `bounds`), so two bytes of varint are enough.
            buffer.append(byteCount: length < 128 ? 2 : 3) { bytes in
                bytes[0] = number << 3 | 2
                bytes[1] = UInt8(length & 127) | (length < 128 ? 0 : 128)
                if length >= 128 { bytes[2] = UInt8(length >> 7) }
            }
            buffer.append(text: text)
        }
    }

    /// `nil` for bytes that are no such message. Unknown fields are skipped, as protobuf asks.
    init?(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let tag = Self.varint(&rest), tag >> 3 != 0 else { return nil }
            switch tag & 7 {
            case 0: guard Self.varint(&rest) != nil else { return nil }
            case 1: guard Self.skip(8, &rest) else { return nil }
            case 5: guard Self.skip(4, &rest) else { return nil }
            case 2:
                guard let length = Self.varint(&rest), length <= UInt64(rest.count) else { return nil }
                let content = rest.prefix(Int(length))
                rest = rest.dropFirst(Int(length))
                guard (1...4).contains(tag >> 3) else { continue }
                guard let text = String(validating: content, as: UTF8.self) else { return nil }
                switch tag >> 3 {
                case 1: reason = text
                case 2: message = text
                case 3: field = text
                default: value = text
                }
            default: return nil
            }
        }
    }

    private static func varint(_ rest: inout Slice<UnsafeRawBufferPointer>) -> UInt64? {
        var number: UInt64 = 0
        for shift in stride(from: 0, to: 70, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            guard shift < 63 || byte <= 1 else { return nil }
            number |= UInt64(byte & 127) << UInt64(shift)
            if byte < 128 { return number }
        }
        return nil
    }

    private static func skip(_ count: Int, _ rest: inout Slice<UnsafeRawBufferPointer>) -> Bool {
        guard rest.count >= count else { return false }
        rest = rest.dropFirst(count)
        return true
    }
}

extension String {
    fileprivate func cut(to bytes: Int) -> String {
        guard utf8.count > bytes else { return self }
        // `utf8` indices may fall into the middle of a scalar; step back to where one starts.
        var end = utf8.index(startIndex, offsetBy: bytes)
        while end > startIndex, end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}

extension Response {
    /// Reads a reply that ended well or badly.
    /// - Throws: the refusal that it carries; "call.malformed_reply" when it cannot be read.
    @inlinable
    package init(_ record: Record, limits: WireLimits) throws(RPCError) {
        guard record.isSuccess else { throw RPCError(refusal: record) }
        self.init(
            try Message(wire: record.body, limits: limits), isReplay: record.isReplay, effectiveAt: record.effectiveAt)
    }
}

extension RPCError {
    /// The refusal in a reply with a status other than 0.
    @usableFromInline
    package init(refusal record: Record) {
        let header = record.header
        guard let body = ErrorBody(record.body) else {
            self.init(
                .internalError, "call.malformed_reply",
                "The service refused call \(String(header.callID, radix: 16)) with status \(header.status), and the "
                    + "refusal cannot be read.")
            return
        }
        self.init(
            Status(rawValue: header.status) ?? .unknown, body.reason, body.message, field: body.field,
            value: body.value, retryAfterMilliseconds: header.retryAfterMilliseconds, isReplay: header.isReplay)
    }
}
