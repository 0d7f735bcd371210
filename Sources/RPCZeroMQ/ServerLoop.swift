import BillingCore
import CZeroMQ
import DequeModule
import Logging
import RPC
import Synchronization

/// A server's socket and what it has in hand. Lives on its reactor's thread.
final class ServerLoop: ReactorSocket, ReactorPart, @unchecked Sendable {
    // `@unchecked`: tasks that answer carry a reference, but `reply` and all else is run by the reactor's thread alone,
    // which `answered` makes sure of. The one exception, `published`, has a mutex.

    /// One client's connection.
    final class Peer: @unchecked Sendable {
        // `@unchecked`: as for `ServerLoop`, to which it belongs.
        let id: RoutingID
        @exclusivity(unchecked) var inFlight = 0
        @exclusivity(unchecked) var outbox = Outbox()
        /// Whether `outbox` waits to be flushed.
        @exclusivity(unchecked) var isReady = false
        /// Messages that the socket could not take yet.
        var backlog: Deque<(bytes: [UInt8], records: Int)> = []
        var backlogBytes = 0

        init(_ id: RoutingID) { self.id = id }

        var isIdle: Bool { inFlight == 0 && backlog.isEmpty && !isReady }
    }

    /// A call whose handler may wait.
    private struct StartedCall {
        let header: RecordHeader
        let method: MethodDescriptor
        let peer: Peer
        let start: MonotonicTime
        let work: Router.Work
    }

    /// A task that answers calls whose handlers may wait, one after the other: making a task for each takes longer than
    /// most handlers do.
    private final class Worker: ReplyPort, @unchecked Sendable {
        // `@unchecked`: as for `ServerLoop`, to which it belongs.
        private let server: ServerLoop
        /// What it answers now.
        @exclusivity(unchecked) private var call: StartedCall?
        /// Resumed when there is another one, or none will come.
        @exclusivity(unchecked) private var rest: UnsafeContinuation<Void, Never>?

        init(_ server: ServerLoop, _ call: StartedCall) {
            self.server = server
            self.call = call
        }

        func start(on reactor: Reactor) {
            _ = Task.immediate(executorPreference: reactor) {
                while self.call != nil {
                    await self.work()
                    guard self.server.keepsWorkers else { return }
                    await withUnsafeContinuation {
                        self.rest = $0
                        self.server.idleWorkers.append(self)
                    }
                }
            }
        }

        /// A function of its own, so that nothing of the call is kept while the worker is idle.
        private func work() async {
            if let call { await call.work(self) }
            call = nil
        }

        func answer(_ call: StartedCall) {
            self.call = call
            rest.take()?.resume()
        }

        func end() { rest.take()?.resume() }

        func answer(packing pack: (inout WireBuffer) -> Router.ReplyMarks) {
            guard let call, server.finished(call) else { return }
            server.reply(to: call.header, call.method, call.peer, packing: pack)
        }

        func fail(_ error: any Error) {
            guard let call, server.finished(call) else { return }
            server.fail(error, call.header, call.method, call.peer)
        }
    }

    /// Messages and records that are read before others get a turn.
    private static let burstMessages = 64
    private static let burstRecords: UInt64 = 512
    /// Idle peers are forgotten above this number.
    private static let keptPeers = 1024
    private static let backlogRetryMilliseconds: Int64 = 5
    /// Between the last reply and closing: a connection that is closed at once may be reset, and the reply lost with it.
    private static let settleMilliseconds: Int64 = 100
    /// Idle workers are kept up to this number.
    private static let keptWorkers = 256

    let socket: ZeroMQSocket
    let monitor: SocketMonitor
    /// What was bound, with the port that was chosen for port 0.
    let endpoint: String
    /// The statistics as of the last turn.
    let published = Published<ServerStatistics>(ServerStatistics())

    // Each holds the other until the server is closed or the reactor ends.
    private let reactor: Reactor
    private let configuration: ZeroMQServer.Configuration
    private let bootID: UInt64
    private let logger: Logger
    @exclusivity(unchecked) private var machine: ServerMachine
    @exclusivity(unchecked) private var peers: [RoutingID: Peer] = [:]
    @exclusivity(unchecked) private var ready: [Peer] = []
    @exclusivity(unchecked) private var idleWorkers: [Worker] = []
    private var backlogged: [Peer] = []
    /// When the backlogged peers are tried again; a router does not tell when one of them has room.
    private var backlogWake = MonotonicTime.never
    private var malformedLog = LogThrottle()
    private var droppedLog = LogThrottle()
    private let routingFrame = ZeroMQFrame()
    private let frame = ZeroMQFrame()
    private var isClosed = false
    private var drainWaiters: [UnsafeContinuation<Void, Never>] = []
    private var drainEnd: MonotonicTime?
    /// Whether all is answered and the last replies are given time to leave.
    private var isSettling = false

    /// - Throws: `RPCError` "server.endpoint_in_use", "server.endpoint_unusable", "call.no_resources".
    init(
        on reactor: Reactor, _ endpoint: Endpoint, _ router: Router, _ configuration: ZeroMQServer.Configuration,
        bootID: UInt64
    ) throws(RPCError) {
        reactor.preconditionOnThread()
        guard let context = reactor.context else { throw .stopped }
        var logger = reactor.logger
        logger[metadataKey: LogKey.endpoint] = "\(endpoint)"
        self.reactor = reactor
        self.configuration = configuration
        self.bootID = bootID
        machine = ServerMachine(router: router, admission: configuration.admission)
        socket = try context.socket(.router)
        // A dead or frozen client is noticed within a few seconds, and one that connects without a word shown out.
        socket.set(ZMQ_HEARTBEAT_IVL, 1000)
        socket.set(ZMQ_HEARTBEAT_TIMEOUT, 3000)
        socket.set(ZMQ_HEARTBEAT_TTL, 3000)
        socket.set(ZMQ_HANDSHAKE_IVL, 3000)
        socket.set(ZMQ_ROUTER_MANDATORY, 1)
        socket.set(ZMQ_ROUTER_HANDOVER, 0)
        socket.set(ZMQ_LINGER, 1000)
        socket.set(ZMQ_SNDHWM, configuration.sendQueueMessages)
        socket.set(ZMQ_RCVHWM, configuration.receiveQueueMessages)
        socket.set(ZMQ_BACKLOG, 256)
        socket.set(ZMQ_MAXMSGSIZE, wide: Int64(configuration.limits.messageBytes))
        if endpoint.isIPv6 { socket.set(ZMQ_IPV6, 1) }
        monitor = try SocketMonitor(socket, in: context, logger: logger)
        SocketPreparation.apply(to: socket, isServer: true)
        try socket.bind(endpoint)
        self.endpoint = socket.lastEndpoint
        logger[metadataKey: LogKey.endpoint] = "\(socket.lastEndpoint)"
        self.logger = logger
        reactor.add(self)
        reactor.add(part: self)
        logger.info("listening")
    }

    // MARK: A turn of the reactor

    var nextTick: MonotonicTime { min(backlogWake, drainEnd ?? .never) }

    func receive() -> Bool {
        let callsBefore = machine.statistics.calls
        for _ in 0..<Self.burstMessages {
            guard !isClosed, socket.receive(into: routingFrame) else { return false }
            receiveMessage()
            if machine.statistics.calls - callsBefore >= Self.burstRecords { return true }
        }
        return true
    }

    private func receiveMessage() {
        machine.statistics.messagesReceived += 1
        let id = RoutingID(routingFrame.bytes)
        guard routingFrame.hasMore, socket.receive(into: frame) else {
            return malformed(RecordFault(.notOneFrame(frames: 0), nil), from: nil)
        }
        if frame.hasMore {
            let extra = socket.drainFrames(after: frame)
            return malformed(RecordFault(.notOneFrame(frames: 1 + extra), nil), from: nil)
        }
        guard let id else {
            return malformed(RecordFault(.notOneFrame(frames: 1), nil), from: nil)
        }
        let peer = peer(id)
        var reader = RecordReader(frame.bytes)
        while true {
            do throws(RecordFault) {
                guard let record = try reader.next() else {
                    if peer.outbox.isEager(endOfMessage: true, inFlight: peer.inFlight) { send(to: peer) }
                    return
                }
                guard record.header.kind == .request else { throw RecordFault(.wrongKind, nil) }
                answer(record, from: peer)
            } catch {
                malformed(error, from: peer)
            }
        }
    }

    private func peer(_ id: RoutingID) -> Peer {
        if let peer = peers[id] { return peer }
        if peers.count >= Self.keptPeers { peers = peers.filter { !$0.value.isIdle } }
        let peer = Peer(id)
        peers[id] = peer
        return peer
    }

    private func answer(_ record: Record, from peer: Peer) {
        let header = record.header
        switch machine.received(record, from: .local, inFlightOfPeer: peer.inFlight, at: reactor.now) {
        case .refuse(let error):
            refuse(error, header, peer)
        case .answer(let handler, let context):
            reply(to: header, context.method, peer) { buffer in try handler(record.body, context, &buffer) }
        case .start(let handler, let context):
            peer.inFlight += 1
            do {
                let work = try handler(record.body, context)
                let call = StartedCall(
                    header: header, method: context.method, peer: peer, start: reactor.now, work: work)
                if let worker = idleWorkers.popLast() {
                    worker.answer(call)
                } else {
                    Worker(self, call).start(on: reactor)
                }
            } catch {
                finished(peer, reactor.now)
                fail(error, header, context.method, peer)
            }
        }
    }

    private func finished(_ peer: Peer, _ start: MonotonicTime) {
        peer.inFlight -= 1
        machine.finished(start, at: reactor.now)
    }

    /// A task that prefers the reactor is on its thread when it has an answer, unless the reactor has ended.
    /// - Returns: `false` if it has, and this server with it.
    private func finished(_ call: StartedCall) -> Bool {
        guard reactor.isOnThread else { return false }
        finished(call.peer, call.start)
        return true
    }

    /// Whether a worker is to wait for another call.
    private var keepsWorkers: Bool { reactor.isOnThread && !isClosed && idleWorkers.count < Self.keptWorkers }

    private func fail(_ error: any Error, _ header: RecordHeader, _ method: MethodDescriptor, _ peer: Peer) {
        if !RPCError.isTellable(error) {
            machine.statistics.internalErrors += 1
            logger.logFailure(error, header, method)
        }
        refuse(RPCError(error, callID: header.callID), header, peer)
    }

    private func malformed(_ fault: RecordFault, from peer: Peer?) {
        machine.statistics.malformed += 1
        if let suppressed = malformedLog.admit(at: reactor.now) {
            logger.notice(
                "a call cannot be read",
                metadata: [LogKey.cause: "\(fault.text)", LogKey.suppressed: "\(suppressed)"])
        }
        guard let peer, let origin = fault.origin, origin.kind == .request else { return }
        var header = RecordHeader(.request)
        (header.methodID, header.callID) = (origin.methodID, origin.callID)
        refuse(fault.rpcError, header, peer)
    }

    private func reply(
        to header: RecordHeader, _ method: MethodDescriptor, _ peer: Peer,
        packing pack: (inout WireBuffer) throws -> Router.ReplyMarks
    ) {
        do {
            try peer.outbox.append(to: header, limits: method.limits, bootID: bootID, packing: pack)
            replied(to: peer)
        } catch {
            fail(error, header, method, peer)
        }
    }

    private func refuse(_ error: RPCError, _ header: RecordHeader, _ peer: Peer) {
        peer.outbox.append(error, to: header, bootID: bootID)
        replied(to: peer)
    }

    private func replied(to peer: Peer) {
        machine.statistics.replies += 1
        if peer.outbox.isEager(endOfMessage: false, inFlight: peer.inFlight) { return send(to: peer) }
        guard !peer.isReady else { return }
        peer.isReady = true
        ready.append(peer)
    }

    // MARK: Sending

    func flush() {
        for peer in ready {
            peer.isReady = false
            send(to: peer)
        }
        ready.removeAll(keepingCapacity: true)
        published.value.withLock { $0 = machine.statistics }
        if let end = drainEnd, !isSettling, machine.statistics.inFlight == 0, backlogged.isEmpty {
            isSettling = true
            drainEnd = min(end, reactor.now.advanced(milliseconds: Self.settleMilliseconds))
        }
    }

    private func send(to peer: Peer) {
        peer.outbox.takeMessages { bytes, records in
            if !peer.backlog.isEmpty || !send(bytes, records, to: peer) { postpone(bytes, records, peer) }
        }
    }

    /// - Returns: `false` when the peer's queue is full.
    private func send(_ bytes: UnsafeRawBufferPointer, _ records: Int, to peer: Peer) -> Bool {
        // The first frame decides: a router takes the second one for the same peer, or drops both.
        switch peer.id.withUnsafeBytes({ socket.send($0, more: true) }) {
        case .wouldBlock:
            return false
        case .unroutable:
            dropped(records, of: peer, "the peer is gone")
        case .done:
            if socket.send(bytes) == .done {
                machine.statistics.messagesSent += 1
            } else {
                dropped(records, of: peer, "the peer went while it was answered")
            }
        }
        return true
    }

    private func postpone(_ bytes: UnsafeRawBufferPointer, _ records: Int, _ peer: Peer) {
        guard peer.backlogBytes + bytes.count <= configuration.backlogBytesPerPeer else {
            return dropped(records, of: peer, "the peer does not read its replies")
        }
        if peer.backlog.isEmpty {
            backlogged.append(peer)
            backlogWake = min(backlogWake, reactor.now.advanced(milliseconds: Self.backlogRetryMilliseconds))
        }
        peer.backlog.append((Array(bytes), records))
        peer.backlogBytes += bytes.count
    }

    private func dropped(_ records: Int, of peer: Peer, _ cause: String) {
        machine.statistics.droppedReplies += UInt64(records)
        if let suppressed = droppedLog.admit(at: reactor.now) {
            logger.notice(
                "replies dropped",
                metadata: [
                    LogKey.cause: "\(cause)", LogKey.peer: "\(peer.id)", LogKey.suppressed: "\(suppressed)",
                ])
        }
    }

    func tick() {
        backlogged.removeAll { peer in
            while let next = peer.backlog.first {
                guard next.bytes.withUnsafeBytes({ send($0, next.records, to: peer) }) else { return false }
                peer.backlogBytes -= next.bytes.count
                peer.backlog.removeFirst()
            }
            return true
        }
        backlogWake = backlogged.isEmpty ? .never : reactor.now.advanced(milliseconds: Self.backlogRetryMilliseconds)
        if let drainEnd, drainEnd <= reactor.now {
            if machine.statistics.inFlight > 0 {
                logger.warning(
                    "the grace period is over with calls in flight",
                    metadata: [LogKey.inFlight: "\(machine.statistics.inFlight)"])
            }
            close()
        }
    }

    func readEvents() {
        guard !isClosed else { return }
        while let event = monitor.next() {
            if event == .disconnected { machine.statistics.disconnections += 1 }
        }
    }

    // MARK: The end

    /// Refuses new calls and closes when those in flight are answered, or when the grace period is over.
    func drain(graceMilliseconds: Int64, _ waiter: UnsafeContinuation<Void, Never>) {
        guard !isClosed else { return waiter.resume() }
        drainWaiters.append(waiter)
        guard drainEnd == nil else { return }
        // The socket stays bound: unbinding would cut the connections that wait for their replies.
        machine.statistics.isDraining = true
        drainEnd = reactor.now.advanced(milliseconds: graceMilliseconds)
        logger.info("draining", metadata: [LogKey.inFlight: "\(machine.statistics.inFlight)"])
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        for peer in backlogged { dropped(peer.backlog.reduce(0) { $0 + $1.records }, of: peer, "the server stops") }
        backlogged = []
        for worker in idleWorkers { worker.end() }
        idleWorkers = []
        drainEnd = nil
        published.value.withLock { $0 = machine.statistics }
        socket.stopMonitor()
        monitor.socket.close()
        socket.close()
        reactor.remove(self)
        reactor.remove(part: self)
        logger.info("stopped")
        for waiter in drainWaiters { waiter.resume() }
        drainWaiters = []
    }
}

/// A value that a reactor's thread writes and any thread reads.
final class Published<Value: Sendable>: Sendable {
    let value: Mutex<Value>

    init(_ value: Value) { self.value = Mutex(value) }
}

/// The id that a router gives to a connection, or that a client chose: up to 16 bytes. Clients leave the choice to us.
struct RoutingID: Hashable, CustomStringConvertible {
    private let low: UInt64
    private let high: UInt64
    private let count: Int

    /// `nil` for a longer one.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= 16 else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: bytes) }
        (low, high) = words
        count = bytes.count
    }

    func withUnsafeBytes<Outcome>(_ body: (UnsafeRawBufferPointer) -> Outcome) -> Outcome {
        Swift.withUnsafeBytes(of: (low, high)) { body(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
    }

    var description: String {
        withUnsafeBytes { $0.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() }
    }
}

extension RPCError {
    static let stopped = RPCError(
        .unavailable, "call.channel_closed", "The connection was closed by this program; nothing was sent.")
}
