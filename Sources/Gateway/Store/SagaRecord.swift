import BillingAPI
import BillingCore
import RPC
import Storage

/// One saga as it is kept: what it was asked, frozen, and where it stands.
struct SagaRecord: Hashable, Sendable {
    /// The raw values are stored.
    enum Status: String, Hashable, Sendable, CaseIterable {
        case running = "RUNNING"
        case undoing = "UNDOING"
        case committed = "COMMITTED"
        case aborted = "ABORTED"

        var isFinished: Bool {
            switch self {
            case .running, .undoing: false
            case .committed, .aborted: true
            }
        }
    }

    let sagaID: String
    let account: String
    let definition: String
    /// Old versions of a definition stay in the program until their last saga ended.
    let definitionVersion: Int
    /// The group that no other unfinished saga may be about; empty for a saga about the account alone.
    let groupID: String
    /// The method of the API call that started it, 0 for due work; with `key` it tells a repeat.
    let method: UInt32
    /// `nil` once it ended in a way that the same key may try again.
    var key: String?
    let fingerprint: Int64
    /// `FrozenMessages`: the requests of the steps as far as they were known.
    let input: [UInt8]
    /// The instant that was stamped on the call.
    let effectiveAt: Timestamp
    var status: Status
    /// The name of the step it is at; empty once it ended.
    var step: String
    /// Counts the processes that took it up, from 1; participants refuse a lower one.
    var epoch: UInt64
    /// The process that took it up last.
    var owner: String
    var isParked: Bool
    /// Failed attempts at the current step.
    var attempts: Int
    var lastError: String
    var answer: StoredAnswer?
    let createdAt: Timestamp
    var updatedAt: Timestamp

    var identity: [SQLValue] { [.integer(Partition.of(account)), .text(account), .text(sagaID)] }
}

/// A reply or a refusal as the journal keeps it: the encoded message, or the encoded `common.v1.Error`.
struct StoredAnswer: Hashable, Sendable {
    let status: Status
    let bytes: [UInt8]
    /// When what it tells took effect; `nil` where time plays no part.
    let effectiveAt: Timestamp?

    init(status: Status = .ok, bytes: [UInt8], effectiveAt: Timestamp?) {
        self.status = status
        self.bytes = bytes
        self.effectiveAt = effectiveAt
    }

    init(refusal error: RPCError) {
        let message = CommonV1.Error(
            reason: error.reason, message: error.message, field: error.field, value: error.value)
        self.init(status: error.status, bytes: message.encoded(), effectiveAt: nil)
    }

    /// The refusal that is kept here; `nil` if it is a reply.
    func refusal() throws(RPCError) -> RPCError? {
        guard status != .ok else { return nil }
        let error = try CommonV1.Error(wire: bytes)
        return RPCError(status, error.reason, error.message, field: error.field, value: error.value)
    }

    /// - Throws: the refusal, if it is one, marked as a replay or not; "call.malformed" for bytes of another message.
    func response<Reply: WireMessage>(_: Reply.Type, isReplay: Bool) throws(RPCError) -> Response<Reply> {
        if var refusal = try refusal() {
            refusal.isReplay = isReplay
            throw refusal
        }
        return Response(try Reply(wire: bytes), isReplay: isReplay, effectiveAt: effectiveAt)
    }
}

/// A row of the journal.
struct SagaEventRecord: Hashable, Sendable {
    let sequence: Int
    let step: String
    let kind: SagaEvent.Kind
    let epoch: UInt64
    /// The reply of a step that was done or undone; the error of one that was refused or given up.
    let output: StoredAnswer?
    let at: Timestamp
}

/// Encoded messages one after the other, each behind its length in four bytes, little endian.
struct FrozenMessages: Hashable, Sendable {
    let bytes: [UInt8]

    init(_ messages: any WireMessage...) {
        bytes = messages.reduce(into: []) { bytes, message in
            let encoded = message.encoded()
            withUnsafeBytes(of: UInt32(encoded.count).littleEndian) { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: encoded)
        }
    }

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// The message at `index`, from 0.
    /// - Throws: `RPCError` "saga.journal_damaged" when there is none.
    func message<Message: WireMessage>(_ index: Int, as type: Message.Type = Message.self) throws(RPCError) -> Message {
        var rest = bytes[...]
        for position in 0... {
            guard rest.count >= 4 else { break }
            let count = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            guard rest.count >= count else { break }
            if position == index { return try Message(wire: Array(rest.prefix(count))) }
            rest = rest.dropFirst(count)
        }
        throw RPCError(.dataLoss, "saga.journal_damaged", "The frozen input of a saga has no message \(index).")
    }
}
