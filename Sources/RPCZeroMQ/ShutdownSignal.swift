import Dispatch
import Glibc
import Synchronization

/// Catches SIGTERM and SIGINT, so that a program can finish its calls before it ends. Made first thing in a program;
/// from then on the signals have no other effect.
public final class ShutdownSignal: @unchecked Sendable {
    // `@unchecked`: the state has a mutex; the sources, which Dispatch does not mark, are cancelled in `deinit` alone.

    private struct State {
        var received: Int32?
        var waiters: [CheckedContinuation<Int32, Never>] = []
    }

    private let state = Mutex(State())
    private let sources: [any DispatchSourceSignal]

    public init() {
        let signals = [SIGTERM, SIGINT]
        let queue = DispatchQueue(label: "signals")
        sources = signals.map { number in
            // Dispatch sees a signal only if its own action does not end the process first.
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: queue)
        }
        for (source, number) in zip(sources, signals) {
            source.setEventHandler { [weak self] in self?.received(number) }
            source.resume()
        }
    }

    deinit { for source in sources { source.cancel() } }

    /// Waits for the first signal; returns its number, at once when it has come already. A second one ends the process
    /// with status 128 + its number, for whoever does not want to wait for the calls.
    public func wait() async -> Int32 {
        await withCheckedContinuation { continuation in
            let received = state.withLock { state in
                if state.received == nil { state.waiters.append(continuation) }
                return state.received
            }
            if let received { continuation.resume(returning: received) }
        }
    }

    private func received(_ number: Int32) {
        let waiters = state.withLock { state -> [CheckedContinuation<Int32, Never>]? in
            guard state.received == nil else { return nil }
            state.received = number
            defer { state.waiters = [] }
            return state.waiters
        }
        guard let waiters else { _exit(128 + number) }
        for waiter in waiters { waiter.resume(returning: number) }
    }
}
