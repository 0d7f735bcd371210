import BillingCore
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
    /// A server that says that it is unavailable, and not for how long, gets no calls for so long if there is another.
    private static let restMilliseconds: UInt32 = 100

    /// The statistics as of the last turn.
    let published = Published(ClientStatistics())
    // Each holds the other until the channel is closed or the reactor ends.
    private let reactor: Reactor
    private let endpoints: [Endpoint]
    private let configuration: ZeroMQChannel.Configuration
    private var random: any RandomNumberGenerator & Sendable
    @exclusivity(unchecked) private var statistics = ClientStatistics()
    @exclusivity(unchecked) private var pending: CallTable
    @exclusivity(unchecked) private var queue = CallQueue()
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
        // A reactor that is about to end closes no further parts, so this one is closed from the start.
        guard reactor.context != nil else { return isClosed = true }
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
                links.append(try ClientLink(to: endpoint, for: self, on: reactor, id: linksMade + 1, configuration))
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
                outstanding: $0.outstanding, callLimit: $0.callLimit, recordsSent: $0.recordsSent,
                ejections: $0.ejections)
        }
    }

    // MARK: Calls

    /// - Returns: `false`, without an outcome for `call`, if the reactor has ended.
    func begin(_ call: PendingCall) -> Bool {
        open()
        guard !isClosed, pending.count < configuration.queuedCalls, !comesTooLate(call),
            !call.isCancelled.load(ordering: .relaxed)
        else {
            let refusal = refusal(of: call)
            // Not before the caller returns: it may call again when it is told, and would never come to an end.
            return reactor.later { call.finish(.failure(refusal)) }
        }
        statistics.calls += 1
        pending.insert(call)
        queue.append(call, waiting: queue.isHeldBack ? waiting : 0, at: reactor.now)
        wake(by: call.deadline.instant)
        if queue.newCount >= Outbox.eagerRecords(underWay: pending.count) { flush() }
        return true
    }

    private func refusal(of call: PendingCall) -> RPCError {
        if isClosed { return .stopped }
        if call.isCancelled.load(ordering: .relaxed) { return .cancelled(call.method) }
        return RPCError(
            .resourceExhausted, "call.overloaded",
            "\(pending.count) calls to \(endpointText) wait already; try again in a moment.", retryAfterMilliseconds: 20
        )
    }

    /// Whether `call` would wait too long behind others: calls are made faster than the servers answer them, and the next
    /// one to be sent has waited, or by the number of those before it `call` would wait, for a quarter of the time that
    /// `call` has. What is in the queue will be answered; what would come behind it is better told at once.
    private func comesTooLate(_ call: PendingCall) -> Bool {
        guard queue.isHeldBack, configuration.holdsBack else { return false }
        let patience = reactor.now.nanoseconds(until: call.deadline.instant) / 4
        if queue.expectedNanoseconds(waiting: waiting) >= patience { return true }
        guard let next = queue.firstNew.flatMap({ pending.find($0) }) else { return false }
        return next.queuedAt.nanoseconds(until: reactor.now) >= patience
    }

    /// Calls that no server has in hand.
    private var waiting: Int { pending.count - links.reduce(0) { $0 + $1.outstanding } }

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
        guard call.holdsPlace else { return }
        call.holdsPlace = false
        for index in links.indices where links[index].id == call.linkID { links[index].finishedOne() }
    }

    /// Sends `call` again. One whose server is silent keeps its place there, or a server that hangs would be given all
    /// calls once more with each attempt.
    private func enqueue(_ call: PendingCall) {
        call.phase = .queued
        statistics.retries += 1
        queue.append(again: call.id)
    }

    private func pause(_ call: PendingCall, _ pause: Int64) {
        leaveLink(call)
        call.phase = .pausing
        call.wake = reactor.now.advanced(nanoseconds: pause)
        wake(by: call.wake)
    }

    private func mayRepeat(_ call: PendingCall) -> Bool {
        call.isRetrySafe && call.attempt < configuration.retry.maximumAttempts
    }

    /// What was sent is lost with its connection or its server: it is sent again after a pause, or ends.
    private func lost(_ call: PendingCall) {
        guard call.phase == .sent else { return leaveLink(call) }
        let pause = configuration.retry.pause(
            afterAttempt: call.attempt, isRetrySafe: call.isRetrySafe, using: &random)
        guard let pause else { return end(call, .failure(.outcomeUnknown(call.method))) }
        // What has little time left does not spend it all on waiting.
        self.pause(call, min(pause, reactor.now.nanoseconds(until: call.deadline.instant) / 2))
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
        if call.holdsPlace, call.linkID == link.id {
            if record.isOverload { link.refused() } else { link.answered(call.sentAt) }
        }
        guard record.header.status != 0 else { return end(call, .success(record)) }
        let isUnavailable = record.header.status == Status.unavailable.rawValue
        let rest = max(record.header.retryAfterMilliseconds, isUnavailable ? Self.restMilliseconds : 0)
        if rest > 0 { link.restsUntil = reactor.now.advanced(milliseconds: Int64(rest)) }
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
        let lost = pending.calls.filter { $0.holdsPlace && $0.linkID == link.id }
        guard !lost.isEmpty else { return }
        reactor.logger.notice(
            "connection lost with calls under way",
            metadata: [LogKey.endpoint: "\(link.endpoint)", LogKey.inFlight: "\(lost.count)"])
        for call in lost where call.holdsPlace { self.lost(call) }
    }

    /// A server of another life answered, which knows nothing of what was sent to the former one. Calls that cannot be
    /// sent again may have been sent to this one, so they wait on.
    private func serverRestarted(_ link: ClientLink, except answered: UInt64) {
        reactor.logger.notice("the server has restarted", metadata: [LogKey.endpoint: "\(link.endpoint)"])
        for call in pending.calls
        where call.holdsPlace && call.linkID == link.id && mayRepeat(call) && call.id != answered {
            lost(call)
        }
    }

    // MARK: Sending

    func flush() {
        defer { published.value.withLock { $0 = statistics } }
        guard !queue.isEmpty, !isClosed else { return queue.settled(isHeldBack: false) }
        // Calls that end here tell whoever made them, who may call again and come here once more; so each is taken out before
        // it is looked at.
        while let next = queue.popFirst() {
            guard place(next.id) else {
                queue.putBack(next)
                break
            }
        }
        for link in links where !link.batch.isEmpty { send(link) }
        queue.settled(isHeldBack: !queue.isEmpty && links.contains { $0.outstanding > 0 })
    }

    /// Puts the call `id` into the message of a link, if there is still such a call.
    /// - Returns: `false` if no link takes it at the moment.
    private func place(_ id: UInt64) -> Bool {
        guard let call = pending.find(id), call.phase == .queued else { return true }
        guard let budget = call.deadline.budget(at: reactor.now) else {
            expire(call)
            return true
        }
        guard let link = link(for: call) else { return false }
        if !call.wasSent { queue.left(call, at: reactor.now) }
        if link.message.count + call.message.count > Outbox.sharedMessageBytes, !link.batch.isEmpty {
            send(link)
            // Had the socket no room, another link may take the call.
            return place(id)
        }
        let start = link.message.count
        call.message.withUnsafeBytes { link.message.append(copying: $0) }
        link.message.setBudget(milliseconds: budget, callID: id, ofRecordAt: start)
        link.batch.append(id)
        sent(call, over: link)
        return true
    }

    /// Where `call` goes: to the link with the fewest calls outstanding, among those that are well, and not again to
    /// where it was lost or refused if there is another. `nil` if no link takes a call at the moment.
    private func link(for call: PendingCall) -> ClientLink? {
        if links.count == 1, let link = links.first { return takesCalls(link) && hasRoom(link, call) ? link : nil }
        var best: (index: Int, rank: Int)?
        var isWellOneFull = false
        for offset in 1...max(1, links.count) where !links.isEmpty {
            let index = (lastPick + offset) % links.count
            let link = links[index]
            guard takesCalls(link) else { continue }
            let isUnwell = link.isEjected || link.restsUntil > reactor.now
            guard hasRoom(link, call) else {
                if !isUnwell { isWellOneFull = true }
                continue
            }
            let rank = (isUnwell ? 2 << 32 : 0) + (call.linkID == link.id ? 1 << 32 : 0) + link.outstanding
            if best.map({ rank < $0.rank }) ?? true { best = (index, rank) }
        }
        // What waits for a server that is well is answered before what is given to one that is not.
        guard let best, best.rank < 2 << 32 || !isWellOneFull else { return nil }
        lastPick = best.index
        return links[best.index]
    }

    private func takesCalls(_ link: ClientLink) -> Bool { !link.isRetired && link.lookWhetherWritable() }

    private func hasRoom(_ link: ClientLink, _ call: PendingCall) -> Bool {
        link.outstanding < link.callLimit || call.holdsPlace && call.linkID == link.id
    }

    private func send(_ link: ClientLink) {
        if link.sendMessage() {
            statistics.messagesSent += 1
            statistics.recordsSent += UInt64(link.batch.count)
            if links.count > 1 {
                watchWake = min(watchWake, reactor.now.advanced(milliseconds: Self.watchMilliseconds))
            }
        } else {
            for id in link.batch {
                guard let call = pending.find(id) else { continue }
                leaveLink(call)
                call.wasNotSent()
            }
            queue.prepend(link.batch)
        }
        link.forgetMessage()
    }

    private func sent(_ call: PendingCall, over link: ClientLink) {
        if call.holdsPlace, call.linkID != link.id { leaveLink(call) }
        if !call.holdsPlace {
            call.holdsPlace = true
            link.tookOne()
        }
        call.attempt += 1
        call.phase = .sent
        call.linkID = link.id
        call.sentAt = reactor.now
        call.wake = .never
        guard mayRepeat(call) else { return }
        call.wake = reactor.now.advanced(
            milliseconds: configuration.retry.patienceMilliseconds(attempt: call.attempt))
        wake(by: call.wake)
    }

    /// Sends `call` again if its server has not said a word for as long as an attempt may take. One that answers others
    /// has this call in hand as well, and would only have it twice.
    private func look(whetherLost call: PendingCall) {
        let silentSince = links.first { $0.id == call.linkID }?.silentSince ?? call.sentAt
        call.wake = max(call.sentAt, silentSince).advanced(
            milliseconds: configuration.retry.patienceMilliseconds(attempt: call.attempt))
        if call.wake <= reactor.now { enqueue(call) } else { wake(by: call.wake) }
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
                if call.wake <= now { look(whetherLost: call) } else { wake(by: call.wake) }
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
        if call.holdsPlace { links.first { $0.id == call.linkID }?.didNotAnswer() }
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
        queue.removeAll()
        published.value.withLock { $0 = statistics }
        for link in links { link.close() }
        links = []
        if isOpen { reactor.remove(part: self) }
    }
}
