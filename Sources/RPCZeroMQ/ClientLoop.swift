import BillingCore
import CZeroMQ
import DequeModule
import Logging
import RPC
import Synchronization

/// A client's socket and the calls that wait for replies. Lives on its reactor's thread.
final class ClientLoop: ReactorSocket, @unchecked Sendable {
    // `@unchecked`: channels carry a reference, and reach it through `Reactor.submit`.

    private static let burstMessages = 64
    /// Pauses and deadlines are looked at no more often than this, since all calls are looked through.
    private static let tickInterval = Duration.milliseconds(2)

    let socket: ZeroMQSocket
    let monitor: SocketMonitor
    /// The statistics as of the last turn.
    private let published: Published<ClientStatistics>

    private unowned let reactor: Reactor
    private let endpoint: String
    private let configuration: ZeroMQChannel.Configuration
    private let logger: Logger
    private var random: any RandomNumberGenerator & Sendable
    private var statistics = ClientStatistics()
    private var pending: [UInt64: PendingCall] = [:]
    private var queue: Deque<PendingCall> = []
    private var sentCount = 0
    private(set) var nextWake = ContinuousClock.Instant.never
    /// Whether calls wait until the socket can be written to, which is news of it.
    private var waitsToWrite = false
    /// The server's last known life; `0` before its first reply.
    private var bootID: UInt64 = 0
    private var message = WireBuffer(capacity: 4096)
    private var batch: [PendingCall] = []
    private let frame = ZeroMQFrame()
    private var malformedLog = LogThrottle()
    private var isClosed = false

    /// - Throws: `RPCError` "call.no_resources", "call.channel_closed".
    init(
        on reactor: Reactor, _ endpoint: Endpoint, _ configuration: ZeroMQChannel.Configuration,
        random: any RandomNumberGenerator & Sendable, published: Published<ClientStatistics>
    ) throws(RPCError) {
        reactor.preconditionOnThread()
        guard let context = reactor.context else { throw .stopped }
        var logger = reactor.logger
        logger[metadataKey: LogKey.endpoint] = "\(endpoint)"
        self.reactor = reactor
        self.endpoint = endpoint.text
        self.configuration = configuration
        self.logger = logger
        self.random = random
        self.published = published
        socket = try context.socket(.dealer)
        socket.setCommonOptions()
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
        try socket.connect(endpoint.text)
        reactor.add(self)
    }

    // MARK: Calls

    func begin(_ call: PendingCall) {
        guard !isClosed else { return call.finish(.failure(.stopped)) }
        guard !call.isCancelled.load(ordering: .relaxed) else {
            return call.finish(.failure(.cancelled(call.method)))
        }
        guard pending.count < configuration.queuedCalls else {
            return call.finish(
                .failure(
                    RPCError(
                        .resourceExhausted, "call.overloaded",
                        "\(configuration.queuedCalls) calls to \(endpoint) wait already; try again in a moment.",
                        retryAfterMilliseconds: 20)))
        }
        statistics.calls += 1
        pending[call.id] = call
        queue.append(call)
        wake(by: call.deadline.instant)
    }

    func cancel(_ call: PendingCall) {
        guard pending[call.id] === call else { return }
        end(call, .failure(.cancelled(call.method)))
    }

    private func end(_ call: PendingCall, _ outcome: Result<Record, RPCError>) {
        pending[call.id] = nil
        if call.phase == .sent { sentCount -= 1 }
        call.finish(outcome)
    }

    private func enqueue(_ call: PendingCall) {
        if call.phase == .sent { sentCount -= 1 }
        call.phase = .queued
        statistics.retries += 1
        queue.append(call)
    }

    private func pause(_ call: PendingCall, _ pause: Duration) {
        if call.phase == .sent { sentCount -= 1 }
        call.phase = .pausing
        call.wake = reactor.now.advanced(by: pause)
        wake(by: call.wake)
    }

    private func wake(by instant: ContinuousClock.Instant) { if instant < nextWake { nextWake = instant } }

    // MARK: Receiving

    func receive() -> Bool {
        guard !isClosed else { return false }
        for _ in 0..<Self.burstMessages {
            guard socket.receive(into: frame) else { return false }
            statistics.messagesReceived += 1
            guard !frame.hasMore else {
                malformed(RecordFault(.notOneFrame(frames: 1 + socket.drainFrames(after: frame)), nil))
                continue
            }
            var reader = RecordReader(frame.bytes)
            while true {
                do throws(RecordFault) {
                    guard let record = try reader.next() else { break }
                    guard record.header.kind == .reply else { throw RecordFault(.wrongKind, nil) }
                    received(record)
                } catch {
                    malformed(error)
                }
            }
        }
        return true
    }

    private func received(_ record: Record) {
        let boot = record.header.bootID
        if boot != bootID {
            if bootID != 0 { serverRestarted(except: record.header.callID) }
            bootID = boot
        }
        guard let call = pending[record.header.callID], call.wasSent else {
            statistics.lateReplies += 1
            return
        }
        guard record.header.status != 0, call.isRetrySafe else { return end(call, .success(record)) }
        let refusal = RPCError(refusal: record)
        let pause = configuration.retry.pause(
            afterRefusal: refusal, attempt: call.attempt, isRetrySafe: true, using: &random)
        guard let pause, reactor.now.advanced(by: pause) < call.deadline.instant else {
            return end(call, .success(record))
        }
        self.pause(call, pause)
    }

    private func malformed(_ fault: RecordFault) {
        statistics.malformed += 1
        if let suppressed = malformedLog.admit(at: reactor.now) {
            logger.notice(
                "a reply cannot be read",
                metadata: [LogKey.cause: "\(fault.text)", LogKey.suppressed: "\(suppressed)"])
        }
    }

    func readEvents() {
        while !isClosed, let event = monitor.next() {
            guard event == .disconnected else { continue }
            // Replies that came before the end may still wait to be read.
            while receive() {}
            connectionLost()
        }
    }

    private func connectionLost() {
        statistics.disconnections += 1
        let lost = pending.values.filter { $0.phase == .sent }
        guard !lost.isEmpty else { return }
        logger.notice("connection lost with calls under way", metadata: [LogKey.inFlight: "\(lost.count)"])
        for call in lost {
            if call.isRetrySafe {
                pause(call, configuration.retry.pause(afterAttempt: call.attempt, using: &random))
            } else {
                end(call, .failure(.outcomeUnknown(call.method)))
            }
        }
    }

    /// A server of another life answered, which knows nothing of what was sent to the former one. Calls that cannot be
    /// sent again may have been sent to this one, so they wait on.
    private func serverRestarted(except answered: UInt64) {
        logger.notice("the server has restarted")
        for call in pending.values.filter({ $0.phase == .sent && $0.isRetrySafe && $0.id != answered }) {
            pause(call, configuration.retry.pause(afterAttempt: call.attempt, using: &random))
        }
    }

    // MARK: Sending

    func flush() {
        defer { published.value.withLock { $0 = statistics } }
        guard !queue.isEmpty, sentCount < configuration.window, !isClosed else {
            waitsToWrite = false
            return
        }
        if waitsToWrite, !socket.isWritable { return }
        waitsToWrite = false
        while fillMessage() {
            guard message.withUnsafeBytes({ socket.send($0) }) == .done else {
                // Nobody is connected, or the queue is full: back to the head of the line, in the same order.
                queue.prepend(contentsOf: batch)
                // A connection may have come since the send failed. Its news is told once, so only a look that did not
                // find it says that it is still to come and will wake us.
                guard !socket.isWritable else { continue }
                waitsToWrite = true
                break
            }
            statistics.messagesSent += 1
            statistics.recordsSent += UInt64(batch.count)
            for call in batch { sent(call) }
        }
        batch.removeAll(keepingCapacity: true)
        if message.count > Outbox.sharedMessageBytes { message = WireBuffer(capacity: 4096) }
    }

    /// Takes calls from the queue until they fill a message.
    /// - Returns: `false` when there are none to send.
    private func fillMessage() -> Bool {
        message.truncate(to: 0)
        batch.removeAll(keepingCapacity: true)
        while let call = queue.first, sentCount + batch.count < configuration.window {
            guard call.phase == .queued else {
                queue.removeFirst()
                continue
            }
            guard message.count == 0 || message.count + call.message.count <= Outbox.sharedMessageBytes else { break }
            queue.removeFirst()
            guard let budget = call.deadline.budget(at: reactor.now) else {
                expire(call)
                continue
            }
            let start = message.count
            call.message.withUnsafeBytes { message.append(copying: $0) }
            message.setBudget(milliseconds: budget, ofRecordAt: start)
            batch.append(call)
        }
        return !batch.isEmpty
    }

    private func sent(_ call: PendingCall) {
        call.attempt += 1
        call.phase = .sent
        sentCount += 1
        guard call.isRetrySafe else { return }
        call.wake = reactor.now.advanced(by: configuration.retry.patience(attempt: call.attempt))
        wake(by: call.wake)
    }

    // MARK: Time

    func tick() {
        nextWake = .never
        let now = reactor.now
        for call in Array(pending.values) {
            guard call.deadline.instant > now else {
                expire(call)
                continue
            }
            switch call.phase {
            case .queued, .finished:
                break
            case .sent:
                guard call.isRetrySafe else { break }
                if call.wake <= now { enqueue(call) } else { wake(by: call.wake) }
            case .pausing:
                if call.wake <= now { enqueue(call) } else { wake(by: call.wake) }
            }
            wake(by: call.deadline.instant)
        }
        nextWake = max(nextWake, now.advanced(by: Self.tickInterval))
    }

    private func expire(_ call: PendingCall) {
        let error: RPCError =
            if call.wasSent {
                .deadlineExceeded(call.method)
            } else if bootID == 0 || waitsToWrite {
                .unreachable(endpoint)
            } else {
                .notSentInTime(call.method)
            }
        end(call, .failure(error))
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        for call in Array(pending.values) {
            end(call, .failure(call.wasSent ? .outcomeUnknown(call.method) : .stopped))
        }
        queue = []
        published.value.withLock { $0 = statistics }
        socket.stopMonitor()
        monitor.socket.close()
        socket.close()
        reactor.remove(self)
    }
}
