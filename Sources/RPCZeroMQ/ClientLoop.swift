import BillingCore
import DequeModule
import Logging
import RPC
import Synchronization

/// The calls of one channel, and the links that they travel over: which call goes where, when it is sent again, and when
/// it ends. Lives on its reactor's thread.
final class ClientLoop: ReactorPart, @unchecked Sendable {
    // `@unchecked`: channels carry a reference, and reach it through `Reactor.submit`. What is not `let` or behind a
    // mutex is touched by the reactor's thread alone.

    /// Pauses and deadlines are looked at no more often than this, since all calls are looked through.
    private static let tickMilliseconds: Int64 = 2
    /// While replies are owed by a server with an alternative, its silence is looked at so often.
    private static let watchMilliseconds: Int64 = 100

    /// The statistics as of the last turn.
    let published = Published(ClientStatistics())
    // Each holds the other until the channel is closed or the reactor ends.
    private let reactor: Reactor
    private let endpoints: [Endpoint]
    private let configuration: ZeroMQChannel.Configuration
    private var random: any RandomNumberGenerator & Sendable
    @exclusivity(unchecked) private var statistics = ClientStatistics()
    @exclusivity(unchecked) private var pending: CallTable
    /// The ids of calls that are to be sent; one whose call has ended meanwhile finds none.
    @exclusivity(unchecked) private var queue: Deque<UInt64> = []
    /// Whether calls are left in the queue although there is a server, which has calls in hand.
    @exclusivity(unchecked) private var isHeldBack = false
    @exclusivity(unchecked) private var links: [ClientLink] = []
    /// Among equals the link after this one is next.
    private var lastPick = 0
    private var linksMade = 0
    @exclusivity(unchecked) private(set) var nextWake = MonotonicTime.never
    private var watchWake = MonotonicTime.never
    private var malformedLog = LogThrottle()
    private var isOpen = false
    private var isClosed = false

    init(
        on reactor: Reactor, _ endpoints: [Endpoint], _ configuration: ZeroMQChannel.Configuration,
        random: any RandomNumberGenerator & Sendable
    ) {
        var random = random
        self.reactor = reactor
        self.endpoints = endpoints
        self.configuration = configuration
        pending = CallTable(firstTurn: UInt32.random(in: 1...0x7fff_ffff, using: &random))
        self.random = random
    }

    // MARK: Links

    /// Starts to connect.
    func open() {
        guard !isOpen, !isClosed else { return }
        isOpen = true
        reactor.add(part: self)
        // Names wait for their addresses, which a `NameWatch` tells.
        connect(to: endpoints.filter { !$0.isName })
    }

    /// Adds links to endpoints that have none; those to endpoints that are not named any more get no further calls, and
    /// are closed once they owe no replies.
    func connect(to endpoints: [Endpoint]) {
        guard isOpen, !isClosed else { return }
        for link in links { link.isRetired = !endpoints.contains(link.endpoint) }
        for link in links where link.isRetired && link.outstanding == 0 { link.close() }
        links.removeAll { $0.isRetired && $0.outstanding == 0 }
        for endpoint in endpoints where !links.contains(where: { $0.endpoint == endpoint }) {
            do throws(RPCError) {
                links.append(try ClientLink(to: endpoint, for: self, on: reactor, id: linksMade + 1))
                linksMade += 1
            } catch {
                reactor.logger.error(
                    "a channel cannot be opened", metadata: [LogKey.endpoint: "\(endpoint)", LogKey.error: "\(error)"])
            }
        }
    }

    var linkStatistics: [LinkStatistics] {
        links.map {
            LinkStatistics(
                endpoint: $0.endpoint.text, isConnected: $0.isConnected(), isEjected: $0.isEjected,
                outstanding: $0.outstanding, recordsSent: $0.recordsSent, ejections: $0.ejections)
        }
    }

    // MARK: Calls

    func begin(_ call: PendingCall) {
        open()
        guard !isClosed else { return call.finish(.failure(.stopped)) }
        guard !call.isCancelled.load(ordering: .relaxed) else {
            return call.finish(.failure(.cancelled(call.method)))
        }
        guard pending.count < configuration.queuedCalls, !comesTooLate(call) else {
            return call.finish(
                .failure(
                    RPCError(
                        .resourceExhausted, "call.overloaded",
                        "\(pending.count) calls to \(endpointText) wait already; try again in a moment.",
                        retryAfterMilliseconds: 20)))
        }
        statistics.calls += 1
        call.begun = reactor.now
        pending.insert(call)
        queue.append(call.id)
        wake(by: call.deadline.instant)
        if queue.count >= Outbox.eagerRecords(underWay: pending.count) { flush() }
    }

    /// Whether `call` would wait too long behind others: calls are made faster than the servers answer them, and the next
    /// one to be sent has waited for a quarter of the time that `call` has. What is in the queue will be answered; what
    /// would come behind it is better told at once.
    private func comesTooLate(_ call: PendingCall) -> Bool {
        guard isHeldBack, let next = queue.first.flatMap({ pending.find($0) }) else { return false }
        let patience = reactor.now.nanoseconds(until: call.deadline.instant) / 4
        return next.begun.nanoseconds(until: reactor.now) >= patience
    }

    private var endpointText: String { endpoints.map(\.text).joined(separator: ", ") }

    func cancel(_ call: PendingCall) {
        guard pending.find(call.id) === call else { return }
        end(call, .failure(.cancelled(call.method)))
    }

    /// Delivers the outcome. Whoever gets it may begin calls, or close the channel, before this returns: then calls that
    /// the caller of this goes through may have ended meanwhile, which does no harm.
    private func end(_ call: PendingCall, _ outcome: Result<Record, RPCError>) {
        guard call.phase != .finished else { return }
        leaveLink(call)
        pending.remove(call)
        call.finish(outcome)
    }

    private func leaveLink(_ call: PendingCall) {
        guard call.phase == .sent else { return }
        for index in links.indices where links[index].id == call.linkID { links[index].finishedOne() }
    }

    private func enqueue(_ call: PendingCall) {
        leaveLink(call)
        call.phase = .queued
        statistics.retries += 1
        queue.append(call.id)
    }

    private func pause(_ call: PendingCall, _ pause: Int64) {
        guard call.phase != .finished else { return }
        leaveLink(call)
        call.phase = .pausing
        call.wake = reactor.now.advanced(nanoseconds: pause)
        wake(by: call.wake)
    }

    private func wake(by instant: MonotonicTime) { if instant < nextWake { nextWake = instant } }

    // MARK: Receiving

    /// Takes in a message of replies.
    func received(_ bytes: UnsafeRawBufferPointer, from link: ClientLink) {
        statistics.messagesReceived += 1
        var reader = RecordReader(bytes)
        while true {
            do throws(RecordFault) {
                guard let record = try reader.next() else { return }
                guard record.header.kind == .reply else { throw RecordFault(.wrongKind, nil) }
                received(record, from: link)
            } catch {
                malformed(error)
            }
        }
    }

    private func received(_ record: Record, from link: ClientLink) {
        let boot = record.header.bootID
        if boot != link.bootID {
            if link.bootID != 0 { serverRestarted(link, except: record.header.callID) }
            link.bootID = boot
        }
        guard let call = pending.find(record.header.callID), call.wasSent else {
            if !record.isProbeReply { statistics.lateReplies += 1 }
            return
        }
        guard record.header.status != 0 else { return end(call, .success(record)) }
        if record.header.retryAfterMilliseconds > 0 {
            link.restsUntil = reactor.now.advanced(milliseconds: Int64(record.header.retryAfterMilliseconds))
        }
        guard call.isRetrySafe else { return end(call, .success(record)) }
        let refusal = RPCError(refusal: record)
        let pause = configuration.retry.pause(
            afterRefusal: refusal, attempt: call.attempt, isRetrySafe: true, using: &random)
        guard let pause, reactor.now.advanced(nanoseconds: pause) < call.deadline.instant else {
            return end(call, .success(record))
        }
        self.pause(call, pause)
    }

    func malformed(_ fault: RecordFault) {
        statistics.malformed += 1
        if let suppressed = malformedLog.admit(at: reactor.now) {
            reactor.logger.notice(
                "a reply cannot be read",
                metadata: [
                    LogKey.endpoint: "\(endpointText)", LogKey.cause: "\(fault.text)",
                    LogKey.suppressed: "\(suppressed)",
                ])
        }
    }

    func connectionLost(_ link: ClientLink) {
        statistics.disconnections += 1
        let lost = pending.calls.filter { $0.phase == .sent && $0.linkID == link.id }
        guard !lost.isEmpty else { return }
        reactor.logger.notice(
            "connection lost with calls under way",
            metadata: [LogKey.endpoint: "\(link.endpoint)", LogKey.inFlight: "\(lost.count)"])
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
    private func serverRestarted(_ link: ClientLink, except answered: UInt64) {
        reactor.logger.notice("the server has restarted", metadata: [LogKey.endpoint: "\(link.endpoint)"])
        for call in pending.calls
        where call.phase == .sent && call.linkID == link.id && call.isRetrySafe && call.id != answered {
            pause(call, configuration.retry.pause(afterAttempt: call.attempt, using: &random))
        }
    }

    // MARK: Sending

    func flush() {
        defer { published.value.withLock { $0 = statistics } }
        guard !queue.isEmpty, !isClosed else {
            isHeldBack = false
            return
        }
        while let id = queue.popFirst() {
            guard let call = pending.find(id), call.phase == .queued else { continue }
            guard let budget = call.deadline.budget(at: reactor.now) else {
                expire(call)
                continue
            }
            guard let link = link(for: call) else {
                queue.prepend(id)
                break
            }
            if link.message.count + call.message.count > Outbox.sharedMessageBytes, !link.batch.isEmpty {
                queue.prepend(id)
                send(link)
                continue
            }
            let start = link.message.count
            call.message.withUnsafeBytes { link.message.append(copying: $0) }
            link.message.setBudget(milliseconds: budget, callID: id, ofRecordAt: start)
            link.batch.append(id)
            sent(call, over: link)
        }
        for link in links where !link.batch.isEmpty { send(link) }
        isHeldBack = !queue.isEmpty && links.contains { $0.outstanding > 0 }
    }

    /// Where `call` goes: to the link with the fewest calls outstanding, among those that are well, and not again to
    /// where it was lost or refused if there is another. `nil` if no link takes a call at the moment.
    private func link(for call: PendingCall) -> ClientLink? {
        if links.count == 1, let link = links.first { return takesCalls(link) ? link : nil }
        var best: (index: Int, rank: Int)?
        for offset in 1...max(1, links.count) where !links.isEmpty {
            let index = (lastPick + offset) % links.count
            let link = links[index]
            guard takesCalls(link) else { continue }
            let load = link.outstanding
            let isUnwell = link.isEjected || link.restsUntil > reactor.now
            let rank = (isUnwell ? 2 << 32 : 0) + (call.linkID == link.id ? 1 << 32 : 0) + load
            if best.map({ rank < $0.rank }) ?? true { best = (index, rank) }
        }
        guard let best else { return nil }
        lastPick = best.index
        return links[best.index]
    }

    private func takesCalls(_ link: ClientLink) -> Bool {
        !link.isRetired && link.outstanding < configuration.window
            && link.lookWhetherWritable()
    }

    private func send(_ link: ClientLink) {
        if link.sendMessage() {
            statistics.messagesSent += 1
            statistics.recordsSent += UInt64(link.batch.count)
            if links.count > 1 {
                watchWake = min(watchWake, reactor.now.advanced(milliseconds: Self.watchMilliseconds))
            }
        } else {
            // Back to the head of the line, in the same order.
            for id in link.batch {
                guard let call = pending.find(id) else { continue }
                leaveLink(call)
                call.wasNotSent()
            }
            queue.prepend(contentsOf: link.batch)
        }
        link.forgetMessage()
    }

    private func sent(_ call: PendingCall, over link: ClientLink) {
        link.tookOne()
        call.attempt += 1
        call.phase = .sent
        call.linkID = link.id
        guard call.isRetrySafe else { return }
        call.wake = reactor.now.advanced(
            milliseconds: configuration.retry.patienceMilliseconds(attempt: call.attempt))
        wake(by: call.wake)
    }

    // MARK: Time

    var nextTick: MonotonicTime { min(nextWake, watchWake) }

    func tick() {
        let now = reactor.now
        if watchWake <= now { watch(now) }
        guard nextWake <= now else { return }
        nextWake = .never
        for call in pending.calls {
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
        nextWake = max(nextWake, now.advanced(milliseconds: Self.tickMilliseconds))
    }

    /// Looks after silent servers. A single one has no alternative, so its silence changes nothing.
    private func watch(_ now: MonotonicTime) {
        watchWake = .never
        guard links.count > 1 else { return }
        for link in links {
            if let next = link.watch(now) { watchWake = min(watchWake, next) }
        }
    }

    private func expire(_ call: PendingCall) {
        let error: RPCError =
            if call.wasSent {
                .deadlineExceeded(call.method)
            } else if links.allSatisfy({ $0.bootID == 0 || $0.waitsToWrite }) {
                .unreachable(endpointText)
            } else {
                .notSentInTime(call.method)
            }
        end(call, .failure(error))
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        for call in pending.calls {
            end(call, .failure(call.wasSent ? .outcomeUnknown(call.method) : .stopped))
        }
        queue = []
        published.value.withLock { $0 = statistics }
        for link in links { link.close() }
        links = []
        if isOpen { reactor.remove(part: self) }
    }
}
