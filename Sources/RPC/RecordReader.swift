public import BillingCore

/// A record as it lies in a received message. Its parts are lent: they end with the message.
@usableFromInline
package struct Record {
    package let header: RecordHeader
    package let key: UnsafeRawBufferPointer
    package let account: UnsafeRawBufferPointer
    @usableFromInline package let body: UnsafeRawBufferPointer

    @usableFromInline package var isSuccess: Bool { header.status == 0 }
    @usableFromInline package var isReplay: Bool { header.isReplay }
    @usableFromInline package var effectiveAt: Timestamp? { header.effectiveAt }

    /// Bytes of the whole record.
    package var byteCount: Int { RecordHeader.byteCount + key.count + account.count + body.count }

    /// Whether it says that the server has more calls than it can take for now.
    package var isOverload: Bool {
        header.status == Status.resourceExhausted.rawValue && header.retryAfterMilliseconds > 0
    }

    /// Whether it answers `WireBuffer.appendProbe`.
    package var isProbeReply: Bool { header.callID == RecordHeader.probeID }
}

/// Why bytes are no record of version 1.
package struct RecordFault: Error, Hashable, Sendable {
    package enum Problem: Hashable, Sendable {
        case truncated(bytes: Int)
        case foreignMagic(UInt16)
        case unknownVersion(UInt8)
        case unknownKind(UInt8)
        case unknownFlags(UInt8)
        case reservedNotZero
        case pastTheEnd(claimed: Int, available: Int)
        case keyTooLong(Int)
        case accountTooLong(Int)
        case keyNotPrintable
        case accountNotPrintable
        case instantOutOfRange(Int64)
        /// A request where a reply belongs, or the other way round.
        case wrongKind
        case notOneFrame(frames: Int)
    }

    /// What could be read of the sender's identity, so that a request can be answered.
    package struct Origin: Hashable, Sendable {
        package var kind: RecordKind
        package var methodID: UInt32
        package var callID: UInt64
    }

    package let problem: Problem
    package let origin: Origin?

    package init(_ problem: Problem, _ origin: Origin?) {
        self.problem = problem
        self.origin = origin
    }

    package var rpcError: RPCError { RPCError(.invalidArgument, "call.malformed", "The call cannot be read: \(text).") }

    package var text: String {
        switch problem {
        case .truncated(let bytes): "a record has a header of \(RecordHeader.byteCount) bytes, \(bytes) are there"
        case .foreignMagic(let magic): "a record starts with b111, this one with \(String(magic, radix: 16))"
        case .unknownVersion(let version): "this program speaks version \(RecordHeader.version), not \(version)"
        case .unknownKind(let kind): "\(kind) is no kind of record"
        case .unknownFlags(let flags): "flags \(flags) are not known"
        case .reservedNotZero: "the reserved bytes 66 to 71 are not zero"
        case .pastTheEnd(let claimed, let available): "it claims \(claimed) bytes, \(available) are there"
        case .keyTooLong(let length): "its key has \(length) bytes, at most \(RecordHeader.maximumKeyBytes) are allowed"
        case .accountTooLong(let length):
            "its account has \(length) bytes, at most \(RecordHeader.maximumAccountBytes) are allowed"
        case .keyNotPrintable: "its key is not printable ASCII without spaces"
        case .accountNotPrintable: "its account is not printable ASCII without spaces"
        case .instantOutOfRange(let instant): "\(instant) is no instant between 1970 and 9999"
        case .wrongKind: "requests go to servers and replies to clients"
        case .notOneFrame(let frames): "a message has one frame, this one \(frames)"
        }
    }
}

extension RecordHeader {
    fileprivate var origin: RecordFault.Origin { RecordFault.Origin(kind: kind, methodID: methodID, callID: callID) }
}

/// Cuts a message into its records.
package struct RecordReader {
    private var rest: UnsafeRawBufferPointer
    private var isAtStart = true

    package init(_ message: UnsafeRawBufferPointer) { rest = message }

    /// The next record, or `nil` at the end. After an error about lengths or the header nothing further can be found in
    /// the message, and `nil` follows; after one about a record's texts, the next record does.
    package mutating func next() throws(RecordFault) -> Record? {
        guard !rest.isEmpty || isAtStart else { return nil }
        isAtStart = false
        let bytes = rest
        rest = UnsafeRawBufferPointer(rebasing: rest[rest.endIndex...])
        let header = try RecordHeader(bytes)
        let (keyLength, accountLength) = (Int(header.keyLength), Int(header.accountLength))
        let length = RecordHeader.byteCount + keyLength + accountLength + Int(header.bodyLength)
        guard length <= bytes.count else {
            throw RecordFault(.pastTheEnd(claimed: length, available: bytes.count), header.origin)
        }
        rest = UnsafeRawBufferPointer(rebasing: bytes[length...])

        let keyEnd = RecordHeader.byteCount + keyLength
        let accountEnd = keyEnd + accountLength
        let record = Record(
            header: header,
            key: UnsafeRawBufferPointer(rebasing: bytes[RecordHeader.byteCount..<keyEnd]),
            account: UnsafeRawBufferPointer(rebasing: bytes[keyEnd..<accountEnd]),
            body: UnsafeRawBufferPointer(rebasing: bytes[accountEnd..<length]))
        if let problem = Self.problem(in: record) { throw RecordFault(problem, header.origin) }
        return record
    }

    private static func problem(in record: Record) -> RecordFault.Problem? {
        let instant = record.header.effectiveAtMilliseconds
        if record.key.count > RecordHeader.maximumKeyBytes { return .keyTooLong(record.key.count) }
        if record.account.count > RecordHeader.maximumAccountBytes { return .accountTooLong(record.account.count) }
        if !record.key.allSatisfy(isPrintable) { return .keyNotPrintable }
        if !record.account.allSatisfy(isPrintable) { return .accountNotPrintable }
        if instant < Timestamp.earliest.milliseconds || instant > Timestamp.latest.milliseconds {
            return .instantOutOfRange(instant)
        }
        return nil
    }

    private static func isPrintable(_ byte: UInt8) -> Bool { (0x21...0x7e).contains(byte) }
}
