import BillingCore
public import RPC
import Synchronization

/// A service's front door: a ROUTER socket on a reactor, answering what a router knows.
public final class ZeroMQServer: Sendable {
    public struct Configuration: Hashable, Sendable {
        /// `messageBytes` bounds every frame that the socket accepts; whoever sends a larger one is disconnected. The
        /// gateway takes `.standard`, services among themselves `.batch`.
        public var limits: WireLimits
        public var admission: Admission
        /// ZMQ_SNDHWM: messages that wait in the library for one peer.
        public var sendQueueMessages: Int32
        /// ZMQ_RCVHWM: messages of one peer that were read from the network and wait for the reactor. With `limits` it
        /// bounds the memory that a peer can take.
        public var receiveQueueMessages: Int32
        /// Bytes of replies that wait for a peer whose queue is full; further ones are dropped, and the caller asks
        /// again.
        public var backlogBytesPerPeer: Int

        public init(
            limits: WireLimits = .batch, admission: Admission = Admission(), sendQueueMessages: Int32 = 256,
            receiveQueueMessages: Int32 = 64, backlogBytesPerPeer: Int = 8 << 20
        ) {
            self.limits = limits
            self.admission = admission
            self.sendQueueMessages = sendQueueMessages
            self.receiveQueueMessages = receiveQueueMessages
            self.backlogBytesPerPeer = backlogBytesPerPeer
        }
    }

    private let reactor: Reactor
    private let loop: ServerLoop

    /// Binds the endpoint and answers from then on.
    /// - Parameter endpoint: "tcp://127.0.0.1:7410", port 0 for any free one, or "ipc://PATH". Only endpoints of this
    ///   machine: others need keys.
    /// - Parameter vitals: where the service's `Health` finds the server's figures.
    /// - Throws: `RPCError` "server.endpoint_in_use", "server.endpoint_unusable", "server.endpoint_not_local",
    ///   "call.endpoint_malformed", "call.no_resources".
    public static func start(
        on reactor: Reactor, endpoint: String, router: Router, configuration: Configuration = Configuration(),
        vitals: ServerVitals = ServerVitals()
    ) async throws(RPCError) -> ZeroMQServer {
        let endpoint = try Endpoint(endpoint)
        guard endpoint.isLocal else {
            throw RPCError(
                .failedPrecondition, "server.endpoint_not_local",
                "\(endpoint) can be reached from other machines, and calls are not encrypted yet; listen at 127.0.0.1, "
                    + "[::1] or an ipc:// path.", field: "endpoint", value: endpoint.text)
        }
        let loop = await reactor.perform { () throws(RPCError) in
            try ServerLoop(on: reactor, endpoint, router, configuration, bootID: vitals.bootID)
        }
        let server = ZeroMQServer(reactor, try loop.get())
        let published = server.loop.published
        vitals.report { published.value.withLock { $0 } }
        return server
    }

    private init(_ reactor: Reactor, _ loop: ServerLoop) {
        self.reactor = reactor
        self.loop = loop
    }

    /// Where clients connect to.
    public var endpoint: String { loop.endpoint }

    /// As of the reactor's last turn.
    public var statistics: ServerStatistics { loop.published.value.withLock { $0 } }

    /// Refuses new calls with "server.draining", answers those in flight, and closes. Returns when that is done, or when
    /// the grace period is over. Safe to repeat.
    public func shutDown(graceMilliseconds: Int64 = 5000) async {
        await withUnsafeContinuation { waiter in
            if !reactor.submit({ self.loop.drain(graceMilliseconds: graceMilliseconds, waiter) }) { waiter.resume() }
        }
    }
}

extension Reactor {
    /// Runs `work` on the thread and gives back what it made.
    func perform<Value: Sendable>(
        _ work: @escaping @Sendable () throws(RPCError) -> Value
    ) async -> Result<Value, RPCError> {
        await withUnsafeContinuation { continuation in
            let isRunning = submit {
                continuation.resume(returning: Result { () throws(RPCError) in try work() })
            }
            if !isRunning { continuation.resume(returning: .failure(.stopped)) }
        }
    }
}
