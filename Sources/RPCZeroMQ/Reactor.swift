import BillingCore
import CZeroMQ
import Glibc
public import Logging
public import RPC
import Synchronization

/// A thread that owns sockets for life, and a Swift executor. Tasks that prefer it run where their sockets are, so a
/// reply reaches the task that waits for it, or leaves the process, without a change of threads.
///
/// One turn reads every readable socket in a burst, runs what became runnable, and sends everything that is ready in one
/// go. Between turns it sleeps in `poll` on the sockets' descriptors; other threads wake it through an eventfd, and only
/// if it sleeps. `zmq_poll` would do the same and ask the system about each socket several times a turn, which was most
/// of the processor time of a call.
public final class Reactor: SerialExecutor, TaskExecutor, @unchecked Sendable {
    // `@unchecked`: what other threads touch is the inbox, behind a mutex, and `let`s. All other properties are touched
    // by the reactor's thread alone, which `run` enters first and last; `preconditionOnThread` guards the entrances.

    private enum Errand {
        case job(UnownedJob)
        case work(@Sendable () -> Void)
    }

    private struct Inbox {
        var errands: [Errand] = []
        /// Whether the thread sleeps or is about to, so that whoever adds an errand must wake it.
        var isSleeping = false
        var isClosed = false
        var stopWaiters: [UnsafeContinuation<Void, Never>] = []
    }

    /// When giving way to others takes longer than this, somebody else has work for the processor.
    private static let crowdedNanoseconds: Int64 = 30_000
    private static let jobRounds = 8

    /// How long the thread stays awake for what may come, before it sleeps.
    private let awakeNanoseconds: Int64

    let logger: Logger
    private let name: String
    private let inbox = Mutex(Inbox())
    private let wakeDescriptor: Int32
    private let threadID = Atomic<UInt>(0)

    // The reactor's thread alone:
    private(set) var context: ZeroMQContext?
    @exclusivity(unchecked) private var sockets: [any ReactorSocket] = []
    @exclusivity(unchecked) private var parts: [any ReactorPart] = []
    @exclusivity(unchecked) private var localJobs: [UnownedJob] = []
    @exclusivity(unchecked) private var runningJobs: [UnownedJob] = []
    private var takenErrands: [Errand] = []
    @exclusivity(unchecked) private var pollItems: [pollfd] = []
    /// Whether the last rest ended within `awakeNanoseconds`, so that it is worth while to stay awake in the next one.
    private var newsComeSoon = false
    private var isStopping = false
    /// The monotonic clock at the last turn.
    @exclusivity(unchecked) private(set) var now = MonotonicTime.now

    /// Starts a thread.
    /// - Parameters:
    ///   - name: shown by the system's tools, up to 15 bytes of it.
    ///   - awakeMicroseconds: how long the thread waits awake for more, if it did not wait longer the last time and
    ///     nobody else wants the processor. Falling asleep and being woken is most of the time of a call that is alone;
    ///     staying awake counts as processor time. `0`: it sleeps at once.
    /// - Throws: `RPCError` "call.no_resources".
    public static func start(
        name: String = "reactor", awakeMicroseconds: Int = 200, logger: Logger = Logger(label: "rpc")
    ) throws(RPCError) -> Reactor {
        let reactor = try Reactor(name: name, awakeMicroseconds: awakeMicroseconds, logger: logger)
        // The thread holds the reactor until it ends.
        let held = Unmanaged.passRetained(reactor)
        var thread = pthread_t()
        let status = pthread_create(&thread, nil, { reactorThread($0) }, held.toOpaque())
        guard status == 0 else {
            held.release()
            throw RPCError(.resourceExhausted, "call.no_resources", "The system refuses a thread, code \(status).")
        }
        pthread_detach(thread)
        return reactor
    }

    private init(name: String, awakeMicroseconds: Int, logger: Logger) throws(RPCError) {
        awakeNanoseconds = Int64(awakeMicroseconds) * 1000
        var logger = logger
        logger[metadataKey: LogKey.reactor] = "\(name)"
        self.logger = logger
        self.name = name
        wakeDescriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        guard wakeDescriptor >= 0 else {
            throw RPCError(.resourceExhausted, "call.no_resources", "The system refuses an event descriptor.")
        }
        context = try ZeroMQContext()
    }

    deinit { close(wakeDescriptor) }

    /// Closes all sockets, ends the thread, and returns when it has ended. Servers are better shut down first, so that
    /// their calls are finished. Safe to repeat; never called from the reactor's own tasks.
    public func stop() async {
        await withUnsafeContinuation { continuation in
            let isClosed = inbox.withLock { inbox in
                if !inbox.isClosed { inbox.stopWaiters.append(continuation) }
                return inbox.isClosed
            }
            if isClosed { continuation.resume() } else { submit { self.isStopping = true } }
        }
    }

    // MARK: Executor

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if isOnThread {
            localJobs.append(job)
        } else if !post(.job(job)) {
            // The thread has ended; what is left of its tasks ends on the default pool.
            globalConcurrentExecutor.enqueue(job)
        }
    }

    public func checkIsolated() { preconditionOnThread() }

    var isOnThread: Bool { threadID.load(ordering: .relaxed) == UInt(pthread_self()) }

    func preconditionOnThread() { precondition(isOnThread, "touched off the reactor's thread") }

    /// Runs `work` on the thread: at once when called there.
    /// - Returns: `false` if the reactor has stopped.
    @discardableResult
    func submit(_ work: @escaping @Sendable () -> Void) -> Bool {
        if isOnThread {
            work()
            return true
        }
        return post(.work(work))
    }

    /// Runs `work` on the thread, after what runs there now.
    /// - Returns: `false` if the reactor has stopped.
    func later(_ work: @escaping @Sendable () -> Void) -> Bool { post(.work(work)) }

    private func post(_ errand: Errand) -> Bool {
        let (accepted, mustWake) = inbox.withLock { inbox in
            guard !inbox.isClosed else { return (false, false) }
            inbox.errands.append(errand)
            let mustWake = inbox.isSleeping
            inbox.isSleeping = false
            return (true, mustWake)
        }
        if mustWake { eventfd_write(wakeDescriptor, 1) }
        return accepted
    }

    // MARK: The thread

    func add(_ socket: any ReactorSocket) {
        preconditionOnThread()
        sockets.append(socket)
        pollItems = []
    }

    func remove(_ socket: any ReactorSocket) {
        preconditionOnThread()
        sockets.removeAll { $0 === socket }
        pollItems = []
    }

    func add(part: any ReactorPart) {
        preconditionOnThread()
        parts.append(part)
    }

    func remove(part: any ReactorPart) {
        preconditionOnThread()
        parts.removeAll { $0 === part }
    }

    fileprivate func run() {
        threadID.store(UInt(pthread_self()), ordering: .relaxed)
        name_this_thread(name)
        while !isStopping { turn() }
        // What is opened from now on finds no context, so it does not open; the context itself ends after its sockets.
        withExtendedLifetime(context.take()) {
            for part in parts { part.close() }
            runJobs()
            (sockets, parts) = ([], [])
        }
        let (left, waiters) = inbox.withLock { inbox in
            inbox.isClosed = true
            defer { (inbox.errands, inbox.stopWaiters) = ([], []) }
            return (inbox.errands, inbox.stopWaiters)
        }
        for errand in left { run(errand) }
        runJobs()
        threadID.store(0, ordering: .relaxed)
        // Tasks that go on and on do so on the default pool.
        for job in localJobs { globalConcurrentExecutor.enqueue(job) }
        for waiter in waiters { waiter.resume() }
    }

    private func turn() {
        now = MonotonicTime.now
        var isBusy = false
        let sockets = sockets
        for socket in sockets where socket.socket.mayHaveNews && socket.receive() { isBusy = true }
        runJobs()
        takeErrands()
        runJobs()
        for socket in sockets where socket.monitor.socket.mayHaveNews { socket.readEvents() }
        for part in parts where part.nextTick <= now { part.tick() }
        runJobs()
        for part in parts { part.flush() }
        // A monitor tells of events only once it was found empty, so a new one is read before we sleep on it.
        for socket in self.sockets where socket.socket.lookForNews() || socket.monitor.socket.mayHaveNews {
            isBusy = true
        }
        wait(mayRest: !isBusy && localJobs.isEmpty && !isStopping && armForSleep())
    }

    /// Runs what is runnable, and what becomes so by that; but not for ever, since sockets wait for tasks that give way.
    private func runJobs() {
        for _ in 0..<Self.jobRounds where !localJobs.isEmpty {
            swap(&localJobs, &runningJobs)
            for job in runningJobs { job.runSynchronously(on: asUnownedTaskExecutor()) }
            runningJobs.removeAll(keepingCapacity: true)
        }
    }

    private func takeErrands() {
        inbox.withLock { swap(&$0.errands, &takenErrands) }
        for errand in takenErrands { run(errand) }
        takenErrands.removeAll(keepingCapacity: true)
    }

    private func run(_ errand: Errand) {
        switch errand {
        case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
        case .work(let work): work()
        }
    }

    /// Whether nothing has come in meanwhile; from then on who adds something wakes us.
    private func armForSleep() -> Bool {
        inbox.withLock { inbox in
            inbox.isSleeping = inbox.errands.isEmpty
            return inbox.isSleeping
        }
    }

    /// Looks which sockets have news; if `mayRest`, waits until one has, an errand comes or a wake is due.
    private func wait(mayRest: Bool) {
        if pollItems.isEmpty { listDescriptors() }
        if mayRest { rest() } else { look(milliseconds: 0) }
        if pollItems[0].revents != 0 {
            var count: eventfd_t = 0
            eventfd_read(wakeDescriptor, &count)
        }
        for index in sockets.indices {
            if pollItems[1 + 2 * index].revents != 0 { sockets[index].socket.mayHaveNews = true }
            if pollItems[2 + 2 * index].revents != 0 { sockets[index].monitor.socket.mayHaveNews = true }
        }
    }

    /// Waits: awake at first if that paid the last time, then asleep.
    private func rest() {
        var wake = MonotonicTime.never
        for part in parts { wake = min(wake, part.nextTick) }
        let start = MonotonicTime.now
        var hasNews = false
        if newsComeSoon {
            let end = min(wake, start.advanced(nanoseconds: awakeNanoseconds))
            var (before, after) = (start, start)
            repeat {
                before = after
                // Whoever else could run on this processor does: libzmq's thread, or the one that we wait for.
                sched_yield()
                hasNews = look(milliseconds: 0)
                after = MonotonicTime.now
            } while !hasNews && after < end && before.nanoseconds(until: after) < Self.crowdedNanoseconds
        }
        if !hasNews { look(milliseconds: milliseconds(until: wake)) }
        inbox.withLock { $0.isSleeping = false }
        newsComeSoon = start.nanoseconds(until: .now) < awakeNanoseconds
    }

    /// - Returns: whether a descriptor has news; an interrupted look (EINTR) found none.
    @discardableResult
    private func look(milliseconds: Int32) -> Bool { poll(&pollItems, nfds_t(pollItems.count), milliseconds) > 0 }

    /// What `poll` is to look at: our own descriptor, then two of each socket.
    private func listDescriptors() {
        pollItems.append(pollfd(fd: wakeDescriptor, events: Int16(POLLIN), revents: 0))
        for socket in sockets {
            pollItems.append(pollfd(fd: socket.socket.descriptor, events: Int16(POLLIN), revents: 0))
            pollItems.append(pollfd(fd: socket.monitor.socket.descriptor, events: Int16(POLLIN), revents: 0))
        }
    }

    /// Rounded up, so that the instant has come on waking; a minute at most, which bounds what a lost event can cost.
    private func milliseconds(until wake: MonotonicTime) -> Int32 {
        guard wake < .never else { return 60_000 }
        let left = MonotonicTime.now.nanoseconds(until: wake)
        return left <= 0 ? 0 : Int32(min(left / 1_000_000 + 1, 60_000))
    }
}

/// What a reactor asks of each thing that owns a socket. Called on the reactor's thread alone.
protocol ReactorSocket: AnyObject {
    var socket: ZeroMQSocket { get }
    var monitor: SocketMonitor { get }

    /// Reads a burst of messages.
    /// - Returns: whether there may be more.
    func receive() -> Bool
    func readEvents()
}

/// What a reactor asks of a server, and of a channel with all its sockets. Called on the reactor's thread alone.
protocol ReactorPart: AnyObject {
    /// When `tick` is to be called.
    var nextTick: MonotonicTime { get }

    func tick()
    /// Sends what is ready.
    func flush()
    /// Ends everything that waits, and the sockets.
    func close()
}

private func reactorThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { preconditionFailure("a reactor's thread without its reactor") }
    Unmanaged<Reactor>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
