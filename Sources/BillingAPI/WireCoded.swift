import CProtobufC
import RPC

/// What the generated code adds to a message so that protobuf-c can read and write it: the C struct that mirrors it.
protocol WireCoded: WireMessage {
    /// The struct of protoc-c. Its first member is a `ProtobufCMessage`.
    associatedtype CStruct

    /// protobuf-c's constant description of `CStruct`.
    static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> { get }

    /// Copies a decoded C struct, checking every field.
    init(copying c: UnsafeMutablePointer<CStruct>, _ limits: WireLimits) throws(RPCError)

    /// Initializes `c`, with everything that it points at in `arena`.
    func fill(_ c: UnsafeMutablePointer<CStruct>, in arena: inout Arena)
}

extension WireCoded {
    /// - Throws: `RPCError` "call.too_large" above a limit, "call.malformed" for other bytes that are no such message,
    ///   "field.*" from the checks.
    static func decode(_ bytes: UnsafeRawBufferPointer, _ limits: WireLimits) throws(RPCError) -> Self {
        guard bytes.count <= limits.messageBytes else {
            throw .tooLarge(Self.messageName, "\(bytes.count) bytes", "\(limits.messageBytes) bytes")
        }
        return try Arena.withArena(cap: limits.arenaBytes) { arena throws(RPCError) in
            var allocator = arena.allocator
            let unpacked = protobuf_c_message_unpack(
                descriptor, &allocator, bytes.count, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
            guard let unpacked else {
                if arena.pointee.isExhausted {
                    throw .tooLarge(Self.messageName, "more memory", "\(limits.arenaBytes) bytes")
                }
                throw .malformed(Self.messageName, bytes.count)
            }
            // protobuf-c allocated it as the struct that `descriptor` describes, whose first member it returned.
            return try Self(copying: UnsafeMutableRawPointer(unpacked).assumingMemoryBound(to: CStruct.self), limits)
        }
    }

    /// Appends the encoding. protobuf-c writes fields in the order of their numbers and nothing else, so equal values
    /// give equal bytes.
    func pack(into buffer: inout WireBuffer) {
        Arena.withArena(cap: .max) { arena in
            let c = UnsafeMutableRawPointer(arena.pointee.store(self)).assumingMemoryBound(to: ProtobufCMessage.self)
            // The worst that a member of a C struct grows by is from 4 bytes to 12: a negative `int32` takes 10 and its
            // tag 2, field numbers being below 2048 (`Proto/generate` sees to it). Asking protobuf-c for the size takes
            // as long as packing, so that is left to messages for which three times as much would be waste.
            let bound = 3 * arena.pointee.used
            let room = bound <= 4096 ? bound : protobuf_c_message_get_packed_size(c)
            buffer.append(upTo: room) { protobuf_c_message_pack(c, $0.assumingMemoryBound(to: UInt8.self)) }
        }
    }
}
