package import BillingCore

/// Whether a record asks or answers.
package enum RecordKind: UInt8, Hashable, Sendable {
    case request = 1
    case reply = 2
}

/// The fixed part of a record: 72 bytes, little-endian, as listed in Proto/README.md. Key, account and body follow it.
package struct RecordHeader: Hashable, Sendable {
    package static let byteCount = 72
    package static let magic: UInt16 = 0xb111
    package static let version: UInt8 = 1
    /// Bytes that an account id may take in a record.
    package static let maximumAccountBytes = 64
    /// Bytes that an idempotency key may take in a record.
    package static let maximumKeyBytes = 64

    /// "billing.common.v1.Health/Check": answered by every server, to the end.
    static let healthID = FNV1a.hash32("billing.common.v1.Health/Check".utf8)
    /// The call id of probes.
    static let probeID = UInt64.max

    package var kind: RecordKind
    /// Replies: whether the reply was recorded for the key earlier.
    package var isReplay = false
    /// Replies: gRPC's number, `0` for success. Kept raw, since a peer may know more statuses than we do.
    package var status: UInt8 = 0
    package var keyLength: UInt16 = 0
    package var methodID: UInt32 = 0
    package var bodyLength: UInt32 = 0
    /// Chosen by the caller, told back in the reply; unique among the caller's outstanding calls.
    package var callID: UInt64 = 0
    /// Unix milliseconds; `0`: none.
    package var effectiveAtMilliseconds: Int64 = 0
    /// Fencing epoch of a saga; `0`: none.
    package var epoch: UInt64 = 0
    package var traceID: UInt64 = 0
    /// Replies: drawn by the server when it started.
    package var bootID: UInt64 = 0
    /// Requests: how much longer the caller waits; `0`: it has given up.
    package var budgetMilliseconds: UInt32 = 0
    /// Replies: when a retry may be worth it; `0`: nothing is known.
    package var retryAfterMilliseconds: UInt32 = 0
    package var accountLength: UInt16 = 0

    package init(_ kind: RecordKind) { self.kind = kind }

    package var effectiveAt: Timestamp? {
        effectiveAtMilliseconds == 0 ? nil : Timestamp(milliseconds: effectiveAtMilliseconds)
    }

    /// Where the fields lie that are read before, or written after, the rest.
    package enum Offset {
        static let kind = 3
        static let methodID = 8
        static let bodyLength = 12
        static let callID = 16
        static let budget = 56
    }

    /// - Precondition: `bytes` has 72 bytes.
    func write(to bytes: UnsafeMutableRawBufferPointer) {
        bytes.store(Self.magic, at: 0)
        bytes.store(Self.version, at: 2)
        bytes.store(kind.rawValue, at: Offset.kind)
        bytes.store(isReplay ? 1 : 0 as UInt8, at: 4)
        bytes.store(status, at: 5)
        bytes.store(keyLength, at: 6)
        bytes.store(methodID, at: Offset.methodID)
        bytes.store(bodyLength, at: Offset.bodyLength)
        bytes.store(callID, at: Offset.callID)
        bytes.store(effectiveAtMilliseconds, at: 24)
        bytes.store(epoch, at: 32)
        bytes.store(traceID, at: 40)
        bytes.store(bootID, at: 48)
        bytes.store(budgetMilliseconds, at: Offset.budget)
        bytes.store(retryAfterMilliseconds, at: 60)
        bytes.store(accountLength, at: 64)
        bytes.store(0 as UInt16, at: 66)
        bytes.store(0 as UInt32, at: 68)
    }

    /// Reads a header and checks what can be checked without the rest of the record.
    /// - Throws: `RecordFault` for anything that version 1 does not allow.
    init(_ bytes: UnsafeRawBufferPointer) throws(RecordFault) {
        let available = bytes.count
        guard available >= Self.byteCount else {
            throw RecordFault(.truncated(bytes: available), Self.origin(of: bytes))
        }
        let origin = Self.origin(of: bytes)
        let magic = bytes.load(UInt16.self, at: 0)
        guard magic == Self.magic else { throw RecordFault(.foreignMagic(magic), origin) }
        let version = bytes.load(UInt8.self, at: 2)
        guard version == Self.version else { throw RecordFault(.unknownVersion(version), origin) }
        let kindNumber = bytes.load(UInt8.self, at: Offset.kind)
        guard let kind = RecordKind(rawValue: kindNumber) else { throw RecordFault(.unknownKind(kindNumber), origin) }
        self.kind = kind
        let flags = bytes.load(UInt8.self, at: 4)
        guard flags & ~1 == 0 else { throw RecordFault(.unknownFlags(flags), origin) }
        isReplay = flags & 1 != 0
        status = bytes.load(UInt8.self, at: 5)
        keyLength = bytes.load(UInt16.self, at: 6)
        methodID = bytes.load(UInt32.self, at: Offset.methodID)
        bodyLength = bytes.load(UInt32.self, at: Offset.bodyLength)
        callID = bytes.load(UInt64.self, at: Offset.callID)
        effectiveAtMilliseconds = bytes.load(Int64.self, at: 24)
        epoch = bytes.load(UInt64.self, at: 32)
        traceID = bytes.load(UInt64.self, at: 40)
        bootID = bytes.load(UInt64.self, at: 48)
        budgetMilliseconds = bytes.load(UInt32.self, at: Offset.budget)
        retryAfterMilliseconds = bytes.load(UInt32.self, at: 60)
        accountLength = bytes.load(UInt16.self, at: 64)
        guard bytes.load(UInt16.self, at: 66) == 0, bytes.load(UInt32.self, at: 68) == 0 else {
            throw RecordFault(.reservedNotZero, origin)
        }
    }

    /// Who sent a record that cannot be read further, if that much can be told: magic, kind, method id and call id keep
    /// their places in all versions.
    private static func origin(of bytes: UnsafeRawBufferPointer) -> RecordFault.Origin? {
        guard bytes.count >= Offset.callID + 8, bytes.load(UInt16.self, at: 0) == magic,
            let kind = RecordKind(rawValue: bytes.load(UInt8.self, at: Offset.kind))
        else { return nil }
        return RecordFault.Origin(
            kind: kind, methodID: bytes.load(UInt32.self, at: Offset.methodID),
            callID: bytes.load(UInt64.self, at: Offset.callID))
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func load<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type, at offset: Int) -> Number {
        Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
    }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate func store<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at offset: Int) {
        storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self)
    }
}

extension WireBuffer {
    /// Appends a whole record; the lengths in `header` are filled in from what is appended.
    /// - Precondition: key and account are within the lengths of the wire.
    package mutating func appendRecord(
        _ header: RecordHeader, key: String = "", account: String = "", body: (inout WireBuffer) -> Void
    ) {
        precondition(
            key.utf8.count <= RecordHeader.maximumKeyBytes && account.utf8.count <= RecordHeader.maximumAccountBytes)
        var header = header
        header.keyLength = UInt16(key.utf8.count)
        header.accountLength = UInt16(account.utf8.count)
        let start = count
        append(byteCount: RecordHeader.byteCount) { header.write(to: $0) }
        append(text: key)
        append(text: account)
        let bodyStart = count
        body(&self)
        // Every sender has compared the whole with a limit of a few MiB, or does so next.
        setBodyLength(count - bodyStart, ofRecordAt: start)
    }

    mutating func setBodyLength(_ length: Int, ofRecordAt start: Int) {
        overwrite(at: start + RecordHeader.Offset.bodyLength, byteCount: 4) { $0.store(UInt32(length), at: 0) }
    }

    /// Writes what is known only on sending into the record that starts at `start`: what is left of the caller's time,
    /// and the call's id on this connection.
    package mutating func setBudget(milliseconds: UInt32, callID: UInt64, ofRecordAt start: Int) {
        overwrite(at: start, byteCount: RecordHeader.byteCount) {
            $0.store(milliseconds, at: RecordHeader.Offset.budget)
            $0.store(callID, at: RecordHeader.Offset.callID)
        }
    }

    /// Appends a call of `Health` to which no program waits for the answer: any answer at all says that the server
    /// lives.
    package mutating func appendProbe() {
        var header = RecordHeader(.request)
        header.methodID = RecordHeader.healthID
        header.callID = RecordHeader.probeID
        header.budgetMilliseconds = 1000
        appendRecord(header) { _ in }
    }

    package mutating func append(copying bytes: UnsafeRawBufferPointer) {
        append(byteCount: bytes.count) { $0.copyMemory(from: bytes) }
    }

    mutating func append(text: String) {
        guard !text.isEmpty else { return }
        var text = text
        text.withUTF8 { append(copying: UnsafeRawBufferPointer($0)) }
    }
}
