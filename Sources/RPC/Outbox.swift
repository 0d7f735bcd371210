import BillingCore

/// The replies that wait for one peer, written behind each other and cut into messages: what is ready together travels
/// together (Proto/README.md, "Coalescing"). Records are never split; one that exceeds the size of a shared message
/// travels alone.
package struct Outbox: ~Copyable {
    /// Bytes of a message that holds more than one record: what every peer accepts.
    package static let sharedMessageBytes = WireLimits.standard.messageBytes
    private static let leastEagerRecords = 16
    /// Memory above this is given back when the box is emptied.
    private static let keptBytes = 256 << 10

    /// A finished message: its bytes in the buffer, and how many records it has.
    private struct Cut {
        var end: Int
        var records: Int
    }

    private var buffer = WireBuffer(capacity: 4096)
    private var cuts: [Cut] = []
    private var openStart = 0
    private var openRecords = 0

    package init() {}

    package var isEmpty: Bool { buffer.count == 0 }

    /// How many records leave in the middle of a turn, so that whoever gets them can start while we go on: half of what is
    /// under way, within bounds. Larger messages cost less, and smaller ones keep both sides busy.
    package static func eagerRecords(underWay: Int) -> Int { min(max(underWay / 2, leastEagerRecords), 64) }

    /// Whether to send what there is without waiting for the end of the turn.
    /// - Parameters:
    ///   - endOfMessage: whether the message that is answered is answered wholly; a client's messages show how much it
    ///     has under way.
    ///   - inFlight: what the peer has under way besides.
    package func isEager(endOfMessage: Bool, inFlight: Int) -> Bool {
        if endOfMessage { return openRecords >= Self.leastEagerRecords }
        return openRecords >= Self.eagerRecords(underWay: inFlight > 0 ? inFlight + openRecords : .max)
    }

    /// Adds the answer to a request, or a refusal in its stead if it is larger than the method allows.
    /// - Throws: what `pack` throws; nothing is added then.
    package mutating func append(
        to request: RecordHeader, limits: WireLimits, bootID: UInt64,
        packing pack: (inout WireBuffer) throws -> Router.ReplyMarks
    ) throws {
        let start = buffer.count
        buffer.append(byteCount: RecordHeader.byteCount) { _ in }
        var header = RecordHeader(replyTo: request, bootID: bootID)
        do {
            let marks = try pack(&buffer)
            header.isReplay = marks.isReplay
            header.effectiveAtMilliseconds = marks.effectiveAt?.milliseconds ?? 0
        } catch {
            buffer.truncate(to: start)
            throw error
        }
        let size = buffer.count - start
        guard size <= limits.messageBytes else {
            buffer.truncate(to: start)
            return append(
                RPCError(
                    .outOfRange, "call.reply_too_large",
                    "The answer takes \(size) bytes and this method allows \(limits.messageBytes); ask for less at a time."
                ),
                to: request, bootID: bootID)
        }
        header.bodyLength = UInt32(size - RecordHeader.byteCount)
        buffer.overwrite(at: start, byteCount: RecordHeader.byteCount) { header.write(to: $0) }
        appended(from: start)
    }

    /// Adds the refusal of a request.
    package mutating func append(_ error: RPCError, to request: RecordHeader, bootID: UInt64) {
        let start = buffer.count
        var header = RecordHeader(replyTo: request, bootID: bootID)
        header.status = error.status.rawValue
        header.isReplay = error.isReplay
        header.retryAfterMilliseconds = error.retryAfterMilliseconds
        buffer.appendRecord(header) { ErrorBody(error).encode(into: &$0) }
        appended(from: start)
    }

    private mutating func appended(from start: Int) {
        if openRecords > 0, buffer.count - openStart > Self.sharedMessageBytes { cut(at: start) }
        openRecords += 1
    }

    private mutating func cut(at end: Int) {
        cuts.append(Cut(end: end, records: openRecords))
        openStart = end
        openRecords = 0
    }

    /// Lends each message in order with the number of its records, and empties the box.
    package mutating func takeMessages(_ body: (UnsafeRawBufferPointer, _ records: Int) -> Void) {
        guard buffer.count > 0 else { return }
        cut(at: buffer.count)
        buffer.withUnsafeBytes { bytes in
            var start = 0
            for cut in cuts {
                body(UnsafeRawBufferPointer(rebasing: bytes[start..<cut.end]), cut.records)
                start = cut.end
            }
        }
        cuts.removeAll(keepingCapacity: true)
        openStart = 0
        if buffer.count > Self.keptBytes { buffer = WireBuffer(capacity: 4096) } else { buffer.truncate(to: 0) }
    }
}

extension RecordHeader {
    fileprivate init(replyTo request: RecordHeader, bootID: UInt64) {
        self.init(.reply)
        methodID = request.methodID
        callID = request.callID
        traceID = request.traceID
        epoch = request.epoch
        self.bootID = bootID
    }
}
