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

/// Reaches a service at one endpoint: a DEALER socket on a reactor, shared by any number of calls at once.
public final class ZeroMQChannel: Channel {
    public struct Configuration: Hashable, Sendable {
        public var retry: RetryPolicy
        /// Calls that the server may have in hand for this channel; further ones wait here. Not above the server's
        /// `Admission.callsPerPeer`.
        public var window: Int
        /// Calls that may wait for their replies altogether; further ones are refused with "call.overloaded".
        public var queuedCalls: Int

        public init(retry: RetryPolicy = RetryPolicy(), window: Int = 4096, queuedCalls: Int = 65_536) {
            precondition(window > 0 && queuedCalls >= window)
            self.retry = retry
            self.window = window
            self.queuedCalls = queuedCalls
        }
    }

    private let line: Line
    private let nextCallID: Atomic<UInt64>

    /// Starts to connect in the background; the service may come up later.
    /// - Parameter random: where jitter and the first call id come from.
    /// - Throws: `RPCError` "call.endpoint_malformed".
    public init(
        reactor: Reactor, endpoint: String, configuration: Configuration = Configuration(),
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) throws(RPCError) {
        var random = random
        nextCallID = Atomic(random.next())
        let line = Line(reactor, try Endpoint(endpoint), configuration, random)
        self.line = line
        reactor.submit { line.open() }
    }

    /// Closing is a matter of the reactor's thread.
    deinit { close() }

    /// As of the reactor's last turn.
    public var statistics: ClientStatistics { line.statistics.value.withLock { $0 } }

    /// Ends the calls that wait, with "call.channel_closed" or, if they were sent, "call.outcome_unknown". Safe to
    /// repeat.
    public func close() {
        let line = line
        line.reactor.submit { line.close() }
    }

    public func call<Request, Reply>(
        _ method: Method<Request, Reply>, _ request: Request, _ options: CallOptions
    ) async throws(RPCError) -> Response<Reply> {
        let descriptor = method.descriptor
        let callID = nextCallID.wrappingAdd(1, ordering: .relaxed).oldValue
        // The message is made here, on the caller's thread; the reactor copies it once, into what it sends.
        let call = PendingCall(
            id: callID, method: descriptor, isRetrySafe: descriptor.isRetrySafe(hasKey: options.key != nil),
            deadline: options.deadline, message: try WireBuffer.calling(method, request, options, callID: callID))
        let line = line
        let outcome: Result<Response<Reply>, RPCError> = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                call.deliver = { outcome in
                    continuation.resume(
                        returning: outcome.flatMap { record in
                            Result { () throws(RPCError) in try Response(record, limits: descriptor.limits) }
                        })
                }
                if !line.reactor.submit({ line.begin(call) }) { call.finish(.failure(.stopped)) }
            }
        } onCancel: {
            call.isCancelled.store(true, ordering: .relaxed)
            line.reactor.submit { line.cancel(call) }
        }
        return try outcome.get()
    }
}

/// The way from a channel to its socket.
private final class Line: @unchecked Sendable {
    // `@unchecked`: `opened` and `isClosed` are touched by the reactor's thread alone.

    let reactor: Reactor
    let statistics = Published(ClientStatistics())
    private let endpoint: Endpoint
    private let configuration: ZeroMQChannel.Configuration
    private let random: any RandomNumberGenerator & Sendable
    private var opened: ClientLoop?
    private var isClosed = false

    init(
        _ reactor: Reactor, _ endpoint: Endpoint, _ configuration: ZeroMQChannel.Configuration,
        _ random: any RandomNumberGenerator & Sendable
    ) {
        self.reactor = reactor
        self.endpoint = endpoint
        self.configuration = configuration
        self.random = random
    }

    /// The socket, made when it is first asked for.
    func loop() throws(RPCError) -> ClientLoop {
        if let opened { return opened }
        guard !isClosed else { throw .stopped }
        let loop = try ClientLoop(on: reactor, endpoint, configuration, random: random, published: statistics)
        opened = loop
        return loop
    }

    func open() {
        do throws(RPCError) { _ = try loop() } catch {
            reactor.logger.error(
                "a channel cannot be opened", metadata: [LogKey.endpoint: "\(endpoint)", LogKey.error: "\(error)"])
        }
    }

    func begin(_ call: PendingCall) {
        do throws(RPCError) { try loop().begin(call) } catch { call.finish(.failure(error)) }
    }

    func cancel(_ call: PendingCall) { opened?.cancel(call) }

    func close() {
        isClosed = true
        opened?.close()
        opened = nil
    }
}
