import BillingCore
import Logging
public import RPC
import Synchronization

/// What a channel has done since it was made.
public struct ClientStatistics: Hashable, Sendable {
    public var calls: UInt64 = 0
    /// Records sent, and the ZeroMQ messages that held them.
    public var recordsSent: UInt64 = 0
    public var messagesSent: UInt64 = 0
    public var messagesReceived: UInt64 = 0
    /// Records sent again.
    public var retries: UInt64 = 0
    /// Replies that nobody waited for any more, or that came twice.
    public var lateReplies: UInt64 = 0
    public var malformed: UInt64 = 0
    public var disconnections: UInt64 = 0

    public init() {}
}

/// What a channel knows of one of its endpoints.
public struct LinkStatistics: Hashable, Sendable {
    public var endpoint: String
    /// Whether a server is connected that takes messages.
    public var isConnected: Bool
    /// Whether the server owes replies and is silent, so that it gets no calls while another one does better.
    public var isEjected: Bool
    /// Calls sent there that are not answered, and how many it is given at a time.
    public var outstanding: Int
    public var callLimit: Int
    public var recordsSent: UInt64
    public var ejections: UInt64
}

/// Reaches a service at one endpoint or several, each a DEALER socket on a reactor, shared by any number of calls at
/// once.
///
/// With several endpoints each call goes to the one with the fewest calls outstanding. One that is gone, or owes replies
/// and is silent for a second, gets no calls until it is back; calls that it took with it are sent elsewhere if they are
/// safe to repeat. A name with several addresses is as many endpoints, and is looked up again every few seconds.
public final class ZeroMQChannel: Channel {
    public struct Configuration: Hashable, Sendable {
        public var retry: RetryPolicy
        /// Calls that one server may have in hand for this channel, at the most; further ones wait here. Not above the
        /// server's `Admission.callsPerPeer`.
        public var window: Int
        /// Whether the channel learns how many calls a server answers soon, gives it no more at a time, and refuses with
        /// "call.overloaded" what would wait here for too long. A program that measures servers does without.
        public var holdsBack: Bool
        /// Calls that may wait for their replies altogether; further ones are refused with "call.overloaded".
        public var queuedCalls: Int

        public init(
            retry: RetryPolicy = RetryPolicy(), window: Int = 1024, holdsBack: Bool = true, queuedCalls: Int = 65_536
        ) {
            precondition(window > 0 && queuedCalls >= window)
            self.retry = retry
            self.window = window
            self.holdsBack = holdsBack
            self.queuedCalls = queuedCalls
        }
    }

    private let reactor: Reactor
    private let loop: ClientLoop
    private let names: NameWatch?

    /// Starts to connect in the background; the service may come up later.
    /// - Parameters:
    ///   - endpoint: "tcp://HOST:PORT" or "ipc://PATH"; several with commas between them.
    ///   - random: where jitter and the first call id come from.
    /// - Throws: `RPCError` "call.endpoint_malformed".
    public init(
        reactor: Reactor, endpoint: String, configuration: Configuration = Configuration(),
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) throws(RPCError) {
        var endpoints: [Endpoint] = []
        for text in endpoint.split(separator: ",", omittingEmptySubsequences: false) {
            endpoints.append(try Endpoint(text.trimmed))
        }
        let loop = ClientLoop(on: reactor, endpoints, configuration, random: random)
        self.reactor = reactor
        self.loop = loop
        reactor.submit { loop.open() }
        names = endpoints.contains(where: \.isName) ? NameWatch(endpoints, for: loop, on: reactor) : nil
    }

    /// Closing is a matter of the reactor's thread.
    deinit { close() }

    /// As of the reactor's last turn.
    public var statistics: ClientStatistics { loop.published.value.withLock { $0 } }

    /// Each endpoint's state now; none after `close`.
    public func links() async -> [LinkStatistics] {
        let loop = loop
        return (try? await reactor.perform { () throws(RPCError) in loop.linkStatistics }.get()) ?? []
    }

    /// Ends the calls that wait, with "call.channel_closed" or, if they were sent, "call.outcome_unknown". Safe to
    /// repeat.
    public func close() {
        let loop = loop
        names?.stop()
        reactor.submit { loop.close() }
    }

    @inlinable
    public func call<Request, Reply>(
        _ method: Method<Request, Reply>, _ request: Request, _ options: CallOptions
    ) async throws(RPCError) -> Response<Reply> {
        // The message is made here, on the caller's thread; the reactor copies it once, into what it sends.
        let limits = method.descriptor.limits
        let call = try PendingCall(
            method.descriptor, hasKey: options.key != nil, options.deadline,
            WireBuffer.calling(method, request, options))
        let outcome: Result<Response<Reply>, RPCError> = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                call.deliver = { continuation.resume(returning: Result(reading: $0, limits)) }
                do throws(RPCError) { try begin(call) } catch { call.finish(.failure(error)) }
            }
        } onCancel: {
            cancel(call)
        }
        return try outcome.get()
    }

    /// Sends `request` as `call` does, for programs that keep many calls going without a task for each.
    /// - Parameter completion: called once, on the reactor's thread, which it must not hold up; it may send further
    ///   calls.
    /// - Throws: `RPCError` for a request that cannot be sent, or when the reactor has ended; `completion` is not called
    ///   then.
    @inlinable
    public func send<Request, Reply>(
        _ method: Method<Request, Reply>, _ request: Request, _ options: CallOptions,
        then completion: @escaping @Sendable (Result<Response<Reply>, RPCError>) -> Void
    ) throws(RPCError) {
        let limits = method.descriptor.limits
        let call = try PendingCall(
            method.descriptor, hasKey: options.key != nil, options.deadline,
            WireBuffer.calling(method, request, options))
        call.deliver = { completion(Result(reading: $0, limits)) }
        try begin(call)
    }

    /// - Throws: `RPCError` "call.channel_closed" if the reactor has ended; `call` has no outcome then.
    @usableFromInline
    func begin(_ call: PendingCall) throws(RPCError) {
        let loop = loop
        let isBegun =
            if reactor.isOnThread { loop.begin(call) } else {
                reactor.submit { if !loop.begin(call) { call.finish(.failure(.stopped)) } }
            }
        guard isBegun else { throw .stopped }
    }

    @usableFromInline
    func cancel(_ call: PendingCall) {
        let loop = loop
        call.isCancelled.store(true, ordering: .relaxed)
        reactor.submit { loop.cancel(call) }
    }
}

extension Substring {
    fileprivate var trimmed: String {
        var rest = self
        while rest.first == " " { rest.removeFirst() }
        while rest.last == " " { rest.removeLast() }
        return String(rest)
    }
}
