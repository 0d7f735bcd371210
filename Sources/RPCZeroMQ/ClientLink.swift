import BillingCore
import CZeroMQ
import Logging
import RPC

/// One connection of a channel: a DEALER socket and what is known of the server at its other end. Lives on its
/// reactor's thread.
///
/// A server that was killed is known by its connection, which ends at once. One that is frozen or cut off keeps its
/// connection until ZeroMQ's heartbeats miss it, and one that hangs keeps it for ever; so a link that owes replies and
/// is silent is probed, then ejected, and gets no calls as long as another link does better. Any reply readmits it.
final class ClientLink: ReactorSocket {
    private static let burstMessages = 64
    /// After so long a silence, with replies owed, the server is asked whether it lives.
    private static let probeAfterMilliseconds: Int64 = 500
    /// After so long a silence the link is ejected.
    private static let ejectAfterMilliseconds: Int64 = 1000

    // `@exclusivity(unchecked)`, here and elsewhere in this module: what every call touches is touched by one thread, and
    // never while another access to it is open, so the run-time check of each access (6 % of a call) finds nothing.

    /// Unlike that of any other link of the same channel; never `0`.
    let id: Int
    let endpoint: Endpoint
    let socket: ZeroMQSocket
    let monitor: SocketMonitor
    /// Calls in messages to here, sent or being filled, that are not answered.
    @exclusivity(unchecked) private(set) var outstanding = 0
    /// How many calls its server answers soon, if that is to be learnt.
    @exclusivity(unchecked) private var limit: ConcurrencyLimit
    private let isLearning: Bool
    private let window: Int
    /// Records sent here altogether.
    @exclusivity(unchecked) private(set) var recordsSent: UInt64 = 0
    private(set) var isEjected = false
    private(set) var ejections: UInt64 = 0
    /// A server that refuses for now gets no calls until then, if there is another.
    var restsUntil = MonotonicTime(nanoseconds: 0)
    /// Whether its endpoint is not the service's any more.
    var isRetired = false
    /// The server's last known life; `0` before its first reply.
    var bootID: UInt64 = 0
    /// Whether calls wait until the socket can be written to, which is news of it.
    @exclusivity(unchecked) private(set) var waitsToWrite = false
    /// The message that is filled for this link, and the ids of its calls.
    @exclusivity(unchecked) var message = WireBuffer(capacity: 4096)
    @exclusivity(unchecked) var batch: [UInt64] = []
    /// Since when replies are owed without a word from the server.
    @exclusivity(unchecked) private(set) var silentSince: MonotonicTime?
    private var probedAt: MonotonicTime?
    private let frame = ZeroMQFrame()
    private let logger: Logger
    private unowned let owner: ClientLoop
    private unowned let reactor: Reactor
    private var isClosed = false

    /// - Throws: `RPCError` "call.no_resources", "call.channel_closed".
    init(
        to endpoint: Endpoint, for owner: ClientLoop, on reactor: Reactor, id: Int,
        _ configuration: ZeroMQChannel.Configuration
    ) throws(RPCError) {
        reactor.preconditionOnThread()
        guard let context = reactor.context else { throw .stopped }
        var logger = reactor.logger
        logger[metadataKey: LogKey.endpoint] = "\(endpoint)"
        self.id = id
        self.endpoint = endpoint
        window = configuration.window
        isLearning = configuration.holdsBack
        limit = ConcurrencyLimit(maximum: window)
        self.owner = owner
        self.reactor = reactor
        self.logger = logger
        socket = try context.socket(.dealer)
        // A dead or frozen server is noticed within 3 s: at most one interval passes before the heartbeat that it
        // misses, then the timeout.
        socket.set(ZMQ_HEARTBEAT_IVL, 700)
        socket.set(ZMQ_HEARTBEAT_TIMEOUT, 2000)
        socket.set(ZMQ_HEARTBEAT_TTL, 3000)
        socket.set(ZMQ_HANDSHAKE_IVL, 3000)
        socket.set(ZMQ_IMMEDIATE, 1)
        socket.set(ZMQ_LINGER, 0)
        socket.set(ZMQ_SNDHWM, 256)
        socket.set(ZMQ_RCVHWM, 256)
        socket.set(ZMQ_RECONNECT_IVL, 20)
        socket.set(ZMQ_RECONNECT_IVL_MAX, 1000)
        socket.set(ZMQ_CONNECT_TIMEOUT, 3000)
        socket.set(ZMQ_MAXMSGSIZE, wide: Int64(WireLimits.batch.messageBytes))
        if endpoint.isIPv6 { socket.set(ZMQ_IPV6, 1) }
        monitor = try SocketMonitor(socket, in: context, logger: logger)
        SocketPreparation.apply(to: socket, isServer: false)
        try socket.connect(endpoint.text)
        reactor.add(self)
    }

    // MARK: Receiving

    func receive() -> Bool {
        guard !isClosed else { return false }
        for _ in 0..<Self.burstMessages {
            guard socket.receive(into: frame) else { return false }
            guard !frame.hasMore else {
                owner.malformed(RecordFault(.notOneFrame(frames: 1 + socket.drainFrames(after: frame)), nil))
                continue
            }
            heard()
            owner.received(frame.bytes, from: self)
        }
        return true
    }

    private func heard() {
        silentSince = outstanding > 0 ? reactor.now : nil
        probedAt = nil
        guard isEjected else { return }
        isEjected = false
        logger.notice("the server answers again")
    }

    func readEvents() {
        while !isClosed, let event = monitor.next() {
            guard event == .disconnected else { continue }
            // Replies that came before the end may still wait to be read.
            while receive() {}
            // What they were told to may have closed the channel.
            guard !isClosed else { return }
            // A new connection is evidence enough that the server is there.
            (silentSince, probedAt, isEjected) = (nil, nil, false)
            owner.connectionLost(self)
        }
    }

    // MARK: Sending

    /// Whether a message may be tried. A connection that comes is news once, so this asks only when one was missed.
    func lookWhetherWritable() -> Bool {
        if waitsToWrite, socket.isWritable { waitsToWrite = false }
        return !waitsToWrite
    }

    /// Whether a server is connected that takes messages, as the socket tells it now.
    func isConnected() -> Bool {
        // The look takes the news that a connection came, so what it says must be kept.
        waitsToWrite = !socket.isWritable
        return !waitsToWrite
    }

    /// Hands `message` to the socket.
    /// - Returns: `false` when nobody is connected or the queue is full; news of the socket then tells when to retry.
    func sendMessage() -> Bool {
        while message.withUnsafeBytes({ socket.send($0) }) != .done {
            // A connection may have come since the send failed. Its news is told once, so only a look that did not find
            // it says that it is still to come and will wake us.
            guard socket.isWritable else {
                waitsToWrite = true
                return false
            }
        }
        recordsSent += UInt64(batch.count)
        return true
    }

    func forgetMessage() {
        batch.removeAll(keepingCapacity: true)
        if message.count > Outbox.sharedMessageBytes { message = WireBuffer(capacity: 4096) }
        message.truncate(to: 0)
    }

    /// Calls that it may have outstanding.
    var callLimit: Int { isLearning ? limit.limit : window }

    func tookOne() {
        if outstanding == 0, silentSince == nil { silentSince = reactor.now }
        outstanding += 1
        limit.started(inFlight: outstanding)
    }

    func finishedOne() {
        outstanding -= 1
        // With its last reply. One that only ran out of time leaves the server as silent as it was.
        if outstanding == 0, silentSince == reactor.now { silentSince = nil }
    }

    /// A call that was sent at `start` has its reply.
    func answered(_ start: MonotonicTime) { limit.finished(start, at: reactor.now, inFlight: outstanding - 1) }

    /// A call was refused since the server has too many.
    func refused() { limit.wasRefused(at: reactor.now, inFlight: outstanding - 1) }

    /// A call ran out of time.
    func didNotAnswer() { limit.wasNotAnswered(at: reactor.now, inFlight: outstanding - 1) }

    // MARK: Silence

    /// Probes or ejects a server that owes replies and is silent.
    /// - Returns: when to look again.
    func watch(_ now: MonotonicTime) -> MonotonicTime? {
        guard let silentSince else { return nil }
        let probe = silentSince.advanced(milliseconds: Self.probeAfterMilliseconds)
        guard probe <= now else { return probe }
        if !isEjected, silentSince.advanced(milliseconds: Self.ejectAfterMilliseconds) <= now {
            isEjected = true
            ejections += 1
            logger.notice(
                "ejected: the server owes replies and is silent", metadata: [LogKey.inFlight: "\(outstanding)"])
        }
        if let next = probedAt?.advanced(milliseconds: Self.probeAfterMilliseconds), next > now { return next }
        probedAt = now
        var record = WireBuffer(capacity: 128)
        record.appendProbe()
        if lookWhetherWritable() { _ = record.withUnsafeBytes { socket.send($0) } }
        return now.advanced(milliseconds: Self.probeAfterMilliseconds)
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        socket.stopMonitor()
        monitor.socket.close()
        socket.close()
        reactor.remove(self)
    }
}
