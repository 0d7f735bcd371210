public import BillingCore

/// The instant on a monotonic clock after which nobody waits for an answer any more.
public struct Deadline: Hashable, Comparable, Sendable {
    public let instant: MonotonicTime

    public init(_ instant: MonotonicTime) { self.instant = instant }

    public static func after(milliseconds: Int64) -> Deadline {
        Deadline(MonotonicTime.now.advanced(milliseconds: milliseconds))
    }

    /// What is left, never negative.
    public var remainingMilliseconds: Int64 { max(0, MonotonicTime.now.nanoseconds(until: instant) / 1_000_000) }

    public var hasPassed: Bool { instant <= .now }
    public static func < (left: Deadline, right: Deadline) -> Bool { left.instant < right.instant }
}

/// Makes a write safe to repeat: 16 to 64 printable ASCII bytes without spaces, made and kept by the caller before it
/// sends.
public struct IdempotencyKey: Hashable, Sendable, CustomStringConvertible {
    public let text: String

    /// - Throws: `RPCError` "call.key_malformed".
    public init(_ text: String) throws(RPCError) {
        guard (16...64).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw RPCError(
                .invalidArgument, "call.key_malformed",
                "An idempotency key has 16 to 64 printable ASCII characters without spaces; this one has "
                    + "\(text.utf8.count) bytes.", field: "key", value: String(text.prefix(64)))
        }
        self.text = text
    }

    public init(from generator: any IdentifierGenerator) { text = "key-" + generator.next() }

    public var description: String { text }
}

/// Who calls, as the transport knows it; never what a message claims.
public enum Caller: Hashable, Sendable {
    /// A peer on loopback, ipc or in this process, which needs no keys.
    case local
}

/// What a handler knows about its call besides the request.
public struct CallContext: Sendable {
    public var method: MethodDescriptor
    public var caller: Caller
    /// The account the call is for; empty when it is for none.
    public var account: String
    public var key: IdempotencyKey?
    /// The instant the gateway stamped; business time. `nil` on a call that no gateway stamped.
    public var effectiveAt: Timestamp?
    /// The fencing epoch of the saga that sends this step; `0` outside sagas.
    public var epoch: UInt64
    public var traceID: UInt64
    public var deadline: Deadline

    public init(
        method: MethodDescriptor, caller: Caller, account: String, key: IdempotencyKey?, effectiveAt: Timestamp?,
        epoch: UInt64, traceID: UInt64, deadline: Deadline
    ) {
        self.method = method
        self.caller = caller
        self.account = account
        self.key = key
        self.effectiveAt = effectiveAt
        self.epoch = epoch
        self.traceID = traceID
        self.deadline = deadline
    }

    /// The stamped instant.
    /// - Throws: `RPCError` "call.not_stamped" when the call did not come through a gateway.
    public func instant() throws(RPCError) -> Timestamp {
        guard let effectiveAt else {
            throw RPCError(
                .invalidArgument, "call.not_stamped",
                "This method needs the instant that a gateway stamps; call it through the gateway.",
                field: "effective_at")
        }
        return effectiveAt
    }

    /// The account, checked.
    /// - Throws: `RPCError` "call.account_missing"; `IdentifierError` for a malformed one.
    public func accountID() throws -> AccountID {
        guard !account.isEmpty else {
            throw RPCError(
                .invalidArgument, "call.account_missing", "This method needs the account it is for.", field: "account")
        }
        return try AccountID(account)
    }

    /// The options of a call made on behalf of this one: same account, instant, trace and deadline; without its key.
    public var onward: CallOptions {
        CallOptions(
            account: account, effectiveAt: effectiveAt, epoch: epoch, traceID: traceID, deadline: deadline)
    }
}

/// What a caller says besides the request.
public struct CallOptions: Sendable {
    public var account: String
    public var key: IdempotencyKey?
    public var effectiveAt: Timestamp?
    public var epoch: UInt64
    public var traceID: UInt64
    public var deadline: Deadline

    public init(
        account: String = "", key: IdempotencyKey? = nil, effectiveAt: Timestamp? = nil, epoch: UInt64 = 0,
        traceID: UInt64 = 0, deadline: Deadline
    ) {
        self.account = account
        self.key = key
        self.effectiveAt = effectiveAt
        self.epoch = epoch
        self.traceID = traceID
        self.deadline = deadline
    }
}

/// A reply with what its header says. Handlers return one and clients get one, so a gateway passes it on as it is.
@dynamicMemberLookup
@frozen
public struct Response<Message: WireMessage>: Sendable {
    public var message: Message
    /// Whether the reply was recorded for the call's key earlier and is told again.
    public var isReplay: Bool
    /// The instant at which the operation took effect; `nil` where time plays no part.
    public var effectiveAt: Timestamp?

    @inlinable
    public init(_ message: Message, isReplay: Bool = false, effectiveAt: Timestamp? = nil) {
        self.message = message
        self.isReplay = isReplay
        self.effectiveAt = effectiveAt
    }

    public subscript<Value>(dynamicMember path: KeyPath<Message, Value>) -> Value { message[keyPath: path] }
}

/// A way to reach one service: over ZeroMQ, or within the process.
public protocol Channel: Sendable {
    /// Sends `request` and waits for its reply. Lost attempts are repeated inside the deadline where that is safe.
    /// - Throws: `RPCError`: the service's refusal; `deadlineExceeded`, the outcome being unknown; `unavailable` when it
    ///   was certainly not executed.
    func call<Request, Reply>(
        _ method: Method<Request, Reply>, _ request: Request, _ options: CallOptions
    ) async throws(RPCError) -> Response<Reply>
}
