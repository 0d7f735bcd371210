import CProtobufC
import RPC

/// Reads the members of a decoded C struct, refusing what protobuf-c lets through: text that is not UTF-8 or holds a
/// NUL, numbers that no enum has, and more items than a call may hold.
enum Checked {
    /// What an enum's zero means.
    enum Zero {
        /// A value like the others: replies, and requests where "May be unspecified." stands above the field.
        case known
        /// Nobody chose a value: refused in a request.
        case specified
    }

    static func string(_ data: ProtobufCBinaryData, _ field: StaticString) throws(RPCError) -> String {
        guard data.len > 0, let start = data.data else { return "" }
        let bytes = UnsafeBufferPointer(start: start, count: data.len)
        let (hasNUL, isASCII) = look(at: UnsafeRawBufferPointer(bytes))
        if hasNUL { throw .embeddedNUL("\(field)", bytes) }
        // ASCII cannot be invalid, and copying it takes a fifth of the time of validating it.
        if isASCII {
            return String(unsafeUninitializedCapacity: bytes.count) {
                _ = $0.initialize(from: bytes); return bytes.count
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notUTF8("\(field)", bytes) }
        return text
    }

    /// Eight bytes at a time. A word has a zero byte if and only if the subtraction borrows into the top bit of a byte
    /// that did not have it set.
    private static func look(at bytes: UnsafeRawBufferPointer) -> (hasNUL: Bool, isASCII: Bool) {
        let (ones, tops) = (0x0101_0101_0101_0101 as UInt64, 0x8080_8080_8080_8080 as UInt64)
        var (zeros, highs) = (0 as UInt64, 0 as UInt64)
        func take(_ word: UInt64) {
            zeros |= (word &- ones) & ~word
            highs |= word
        }
        var offset = 0
        while offset + 8 <= bytes.count {
            take(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        while offset < bytes.count {
            take(UInt64(bytes[offset]) | ones << 8)
            offset += 1
        }
        return (zeros & tops != 0, highs & tops == 0)
    }

    static func blob(_ data: ProtobufCBinaryData) -> [UInt8] {
        Array(UnsafeBufferPointer(start: data.data, count: data.len))
    }

    static func enumeration<Value: WireEnum>(
        _ raw: UInt32, _ field: StaticString, _ zero: Zero
    ) throws(RPCError) -> Value {
        guard let value = Value(rawValue: Int32(bitPattern: raw)) else {
            throw .unknownEnum("\(field)", Int32(bitPattern: raw), Value.self)
        }
        if raw == 0, zero == .specified { throw .unspecifiedEnum("\(field)", Value.self) }
        return value
    }

    static func message<Message: WireCoded>(
        _ c: UnsafeMutablePointer<Message.CStruct>?, _ field: StaticString, _ limits: WireLimits
    ) throws(RPCError) -> Message? {
        guard let c else { return nil }
        do { return try Message(copying: c, limits) } catch { throw error.inside("\(field)") }
    }

    // Repeated fields: where the items are, and how many. The pointer is NULL when there are none.

    /// Copied as one piece of memory.
    static func numbers<Number: FixedWidthInteger>(
        _ count: Int, _ items: UnsafeMutablePointer<Number>?, _ field: StaticString, _ limits: WireLimits
    ) throws(RPCError) -> [Number] {
        try bound(count, field, limits)
        return Array(UnsafeBufferPointer(start: items, count: count))
    }

    static func booleans(
        _ count: Int, _ items: UnsafeMutablePointer<protobuf_c_boolean>?, _ field: StaticString, _ limits: WireLimits
    ) throws(RPCError) -> [Bool] {
        try bound(count, field, limits)
        return UnsafeBufferPointer(start: items, count: count).map { $0 != 0 }
    }

    static func enumerations<Value: WireEnum, CEnum: RawRepresentable<UInt32>>(
        _ count: Int, _ items: UnsafeMutablePointer<CEnum>?, _ field: StaticString, _ limits: WireLimits, _ zero: Zero
    ) throws(RPCError) -> [Value] {
        try each(count, items, field, limits) { item throws(RPCError) in try enumeration(item.rawValue, "", zero) }
    }

    static func strings(
        _ count: Int, _ items: UnsafeMutablePointer<ProtobufCBinaryData>?, _ field: StaticString, _ limits: WireLimits
    ) throws(RPCError) -> [String] {
        try each(count, items, field, limits) { item throws(RPCError) in try string(item, "") }
    }

    static func blobs(
        _ count: Int, _ items: UnsafeMutablePointer<ProtobufCBinaryData>?, _ field: StaticString, _ limits: WireLimits
    ) throws(RPCError) -> [[UInt8]] {
        try each(count, items, field, limits) { item in blob(item) }
    }

    static func messages<Message: WireCoded>(
        _ count: Int, _ items: UnsafeMutablePointer<UnsafeMutablePointer<Message.CStruct>?>?, _ field: StaticString,
        _ limits: WireLimits
    ) throws(RPCError) -> [Message] {
        try each(count, items, field, limits) { item throws(RPCError) in
            guard let item else { preconditionFailure("protobuf-c gave no struct for an item of \(field)") }
            return try Message(copying: item, limits)
        }
    }

    private static func each<C, Value>(
        _ count: Int, _ items: UnsafeMutablePointer<C>?, _ field: StaticString, _ limits: WireLimits,
        _ read: (C) throws(RPCError) -> Value
    ) throws(RPCError) -> [Value] {
        try bound(count, field, limits)
        var values: [Value] = []
        values.reserveCapacity(count)
        for (index, item) in UnsafeBufferPointer(start: items, count: count).enumerated() {
            do { values.append(try read(item)) } catch { throw error.inside("\(field)[\(index)]") }
        }
        return values
    }

    private static func bound(_ count: Int, _ field: StaticString, _ limits: WireLimits) throws(RPCError) {
        guard count <= limits.items else { throw .tooManyItems("\(field)", count, limits.items) }
    }
}
