import CZeroMQ
import Glibc
import Synchronization

/// Catches SIGTERM and SIGINT, so that a program can finish its calls before it ends.
///
/// The handler does the two things that a signal handler may: it sets a flag and writes to an eventfd. A thread that reads
/// the eventfd does the rest.
public enum ShutdownSignal {
    private struct State {
        var isInstalled = false
        var received: Int32?
        var waiters: [CheckedContinuation<Int32, Never>] = []
    }

    private static let state = Mutex(State())
    /// `0` until the first signal.
    private static let first = Atomic<Int32>(0)
    private static let descriptor = eventfd(0, Int32(EFD_CLOEXEC))

    /// From now on the first of these signals is told by `wait` instead of ending the program. A second one ends it
    /// with status 128 + its number, for whoever does not want to wait for the calls. Safe to repeat; called first thing.
    public static func install() {
        let isFirst = state.withLock { state in
            defer { state.isInstalled = true }
            return !state.isInstalled
        }
        guard isFirst else { return }
        // Both are made here, so that the handler finds them made.
        precondition(descriptor >= 0 && first.load(ordering: .relaxed) == 0, "no descriptor for signals")
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { _ in
                ShutdownSignal.read()
                return nil
            }, nil)
        precondition(status == 0, "no thread for signals")
        pthread_detach(thread)
        for number in [SIGTERM, SIGINT] { signal(number, { ShutdownSignal.handle($0) }) }
    }

    /// Waits for the first signal; returns its number, at once when it has come already.
    public static func wait() async -> Int32 {
        install()
        return await withCheckedContinuation { continuation in
            let received = state.withLock { state in
                if state.received == nil { state.waiters.append(continuation) }
                return state.received
            }
            if let received { continuation.resume(returning: received) }
        }
    }

    private static func handle(_ number: Int32) {
        if first.exchange(number, ordering: .relaxed) != 0 { _exit(128 + number) }
        eventfd_write(descriptor, 1)
    }

    private static func read() {
        var count: eventfd_t = 0
        while eventfd_read(descriptor, &count) != 0 {}
        let number = first.load(ordering: .relaxed)
        let waiters = state.withLock { state in
            state.received = number
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: number) }
    }
}
