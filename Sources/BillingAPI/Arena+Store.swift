import CProtobufC

/// Copies Swift values to where the C structs of an outgoing message can point at them.
extension Arena {
    /// Memory for `count` values of C, not initialized. What we encode ourselves is not capped.
    private mutating func reserve<C>(_ count: Int, of type: C.Type = C.self) -> UnsafeMutablePointer<C> {
        guard let memory = allocate(count * MemoryLayout<C>.stride) else {
            preconditionFailure("an arena for encoding has no cap, and refused \(count) values of \(type)")
        }
        return memory.bindMemory(to: C.self, capacity: count)
    }

    mutating func store(_ text: String) -> ProtobufCBinaryData {
        var text = text
        return text.withUTF8 { store($0) }
    }

    mutating func store(_ blob: [UInt8]) -> ProtobufCBinaryData { blob.withUnsafeBufferPointer { store($0) } }

    private mutating func store(_ bytes: UnsafeBufferPointer<UInt8>) -> ProtobufCBinaryData {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return ProtobufCBinaryData() }
        let copy = reserve(bytes.count, of: UInt8.self)
        copy.initialize(from: start, count: bytes.count)
        return ProtobufCBinaryData(len: bytes.count, data: copy)
    }

    mutating func store<Message: WireCoded>(_ message: Message) -> UnsafeMutablePointer<Message.CStruct> {
        let c = reserve(1, of: Message.CStruct.self)
        message.fill(c, in: &self)
        return c
    }

    // Repeated fields, as the pair of C members: where the items are, and how many.

    mutating func store<Number: FixedWidthInteger>(_ numbers: [Number]) -> (UnsafeMutablePointer<Number>?, Int) {
        guard !numbers.isEmpty else { return (nil, 0) }
        let copy = reserve(numbers.count, of: Number.self)
        numbers.withUnsafeBufferPointer { items in
            // The base address of a buffer that is not empty exists.
            copy.initialize(from: items.baseAddress!, count: items.count)
        }
        return (copy, numbers.count)
    }

    mutating func store(_ booleans: [Bool]) -> (UnsafeMutablePointer<protobuf_c_boolean>?, Int) {
        store(each: booleans) { boolean, _ in boolean ? 1 : 0 }
    }

    mutating func store<Enumeration: WireEnum, CEnum: RawRepresentable<UInt32>>(
        _ values: [Enumeration]
    ) -> (UnsafeMutablePointer<CEnum>?, Int) {
        store(each: values) { value, _ in
            // protoc-c's enums take any number.
            CEnum(rawValue: UInt32(value.rawValue))!
        }
    }

    mutating func store(_ texts: [String]) -> (UnsafeMutablePointer<ProtobufCBinaryData>?, Int) {
        store(each: texts) { text, arena in arena.store(text) }
    }

    mutating func store(_ blobs: [[UInt8]]) -> (UnsafeMutablePointer<ProtobufCBinaryData>?, Int) {
        store(each: blobs) { blob, arena in arena.store(blob) }
    }

    mutating func store<Message: WireCoded>(
        _ messages: [Message]
    ) -> (UnsafeMutablePointer<UnsafeMutablePointer<Message.CStruct>?>?, Int) {
        guard !messages.isEmpty else { return (nil, 0) }
        let structs = reserve(messages.count, of: Message.CStruct.self)
        let pointers = reserve(messages.count, of: UnsafeMutablePointer<Message.CStruct>?.self)
        for (index, message) in messages.enumerated() {
            message.fill(structs + index, in: &self)
            (pointers + index).initialize(to: structs + index)
        }
        return (pointers, messages.count)
    }

    private mutating func store<Value, C>(
        each values: [Value], _ convert: (Value, inout Arena) -> C
    ) -> (UnsafeMutablePointer<C>?, Int) {
        guard !values.isEmpty else { return (nil, 0) }
        let copy = reserve(values.count, of: C.self)
        for (index, value) in values.enumerated() { (copy + index).initialize(to: convert(value, &self)) }
        return (copy, values.count)
    }
}
