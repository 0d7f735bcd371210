import BillingCore

/// A message that crosses the wire: a value, decoded with every field checked and encoded straight into the outgoing
/// buffer. The conforming types are generated in BillingAPI.
public protocol WireMessage: Hashable, Sendable {
    /// The full name in the schema, "billing.order.v1.Order".
    static var messageName: String { get }

    init()

    /// - Throws: `RPCError` with `invalidArgument`, reason "call.malformed" for bytes that are no such message, or
    ///   "field.*" with the path of the field that broke a rule.
    init(wire bytes: UnsafeRawBufferPointer, limits: WireLimits) throws(RPCError)

    /// Appends the encoding. Equal values append equal bytes, so a fingerprint can be taken from them.
    func encode(into buffer: inout WireBuffer)
}

extension WireMessage {
    public func encoded() -> [UInt8] {
        var buffer = WireBuffer()
        encode(into: &buffer)
        return buffer.withUnsafeBytes { Array($0) }
    }

    public init(wire bytes: [UInt8], limits: WireLimits = .batch) throws(RPCError) {
        // `withUnsafeBytes` cannot rethrow a typed error, so the outcome leaves the closure as a value.
        let outcome = bytes.withUnsafeBytes { raw in
            Result { () throws(RPCError) -> Self in try Self(wire: raw, limits: limits) }
        }
        self = try outcome.get()
    }

    /// Tells two requests under one idempotency key apart: a hash of the decoded fields, encoded anew by us, never of
    /// the bytes that a peer sent.
    public var fingerprint: Int64 { Int64(bitPattern: FNV1a.hash64(encoded())) }
}

/// What one call may hold; the classes are listed in Proto/README.md.
public struct WireLimits: Hashable, Sendable {
    /// Bytes of a whole ZeroMQ message.
    public var messageBytes: Int
    /// Items of any repeated field.
    public var items: Int
    /// Memory that decoding one body may take.
    public var arenaBytes: Int

    public init(messageBytes: Int, items: Int, arenaBytes: Int) {
        self.messageBytes = messageBytes
        self.items = items
        self.arenaBytes = arenaBytes
    }

    /// 64 KiB, 256 items, 1 MiB of arena: every method unless marked otherwise.
    public static let standard = WireLimits(messageBytes: 64 << 10, items: 256, arenaBytes: 1 << 20)
    /// 4 MiB, 4,096 items, 16 MiB of arena: the columnar batches between services.
    public static let batch = WireLimits(messageBytes: 4 << 20, items: 4096, arenaBytes: 16 << 20)
}

/// Growing memory that messages are packed into, without a copy in between.
@frozen
public struct WireBuffer: ~Copyable {
    @usableFromInline var base: UnsafeMutableRawPointer
    @usableFromInline var capacity: Int
    @usableFromInline var filled = 0

    /// Bytes appended.
    @inlinable public var count: Int { filled }

    @inlinable
    public init(capacity: Int = 512) {
        self.capacity = max(capacity, 64)
        base = .allocate(byteCount: self.capacity, alignment: 16)
    }

    @inlinable
    deinit { base.deallocate() }

    /// Adds `byteCount` bytes and lends them, not initialized, to be filled.
    @inlinable
    public mutating func append(byteCount: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
        reserve(byteCount)
        fill(UnsafeMutableRawBufferPointer(start: base + count, count: byteCount))
        filled += byteCount
    }

    /// Lends room for up to `byteCount` bytes, not initialized, and adds as many as `fill` says that it filled.
    @inlinable
    public mutating func append(upTo byteCount: Int, _ fill: (UnsafeMutableRawPointer) -> Int) {
        reserve(byteCount)
        let added = fill(base + count)
        precondition(added >= 0 && added <= byteCount, "a wire buffer was filled past the room that was asked for")
        filled += added
    }

    /// Lends bytes that were appended earlier, as a length that is known only afterwards needs.
    @inlinable
    public mutating func overwrite(at offset: Int, byteCount: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
        precondition(offset >= 0 && offset + byteCount <= count, "overwriting past the end of a wire buffer")
        fill(UnsafeMutableRawBufferPointer(start: base + offset, count: byteCount))
    }

    /// Forgets all but the first `newCount` bytes; the memory stays.
    @inlinable
    public mutating func truncate(to newCount: Int) {
        precondition(newCount >= 0 && newCount <= count, "truncating a wire buffer past its end")
        filled = newCount
    }

    @inlinable
    public func withUnsafeBytes<T, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> T) throws(E) -> T {
        try body(UnsafeRawBufferPointer(start: base, count: count))
    }

    @inlinable
    mutating func reserve(_ more: Int) { if count + more > capacity { grow(by: more) } }

    @usableFromInline
    mutating func grow(by more: Int) {
        let larger = max(capacity * 2, count + more)
        let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        moved.copyMemory(from: base, byteCount: count)
        base.deallocate()
        (base, capacity) = (moved, larger)
    }
}
