import RPC
import Synchronization

/// Lets tasks wait until something changes. Who waits first reads `rings`, then looks at what it waits for, then waits
/// for a later ring, so that none is missed.
final class Bell: Sendable {
    private enum Waiter {
        /// Its timer runs and it is about to wait.
        case coming
        case waiting(CheckedContinuation<Void, Never>)
        /// Its timer ended before it waited.
        case late
    }

    private struct State {
        var rings: UInt64 = 0
        var waiters: [UInt64: Waiter] = [:]
    }

    /// Of all bells: most waits are over long before their deadline, and a timer for each would cost more than the wait.
    private static let deadlines = DeadlineWatch()
    private static let lastID = Atomic<UInt64>(0)

    private let state = Mutex(State())

    var rings: UInt64 { state.withLock { $0.rings } }

    func ring() {
        let woken = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.rings += 1
            var woken: [CheckedContinuation<Void, Never>] = []
            for (id, waiter) in state.waiters {
                switch waiter {
                case .waiting(let continuation):
                    // Off the list, so that nobody resumes it again.
                    state.waiters[id] = nil
                    woken.append(continuation)
                case .coming, .late: continue
                }
            }
            return woken
        }
        for continuation in woken { continuation.resume() }
    }

    /// Waits until the bell rings after its ring number `seen`, or until `timer` ends.
    func wait(after seen: UInt64, timer: @escaping @Sendable () async -> Void) async {
        let id = enlist()
        let alarm = Task {
            await timer()
            self.timeIsUp(for: id)
        }
        await wait(id, after: seen)
        alarm.cancel()
    }

    /// Waits until the bell rings after its ring number `seen`, or until `deadline`.
    func wait(after seen: UInt64, until deadline: Deadline) async {
        let id = enlist()
        Self.deadlines.add(id, deadline) { self.timeIsUp(for: id) }
        await wait(id, after: seen)
        Self.deadlines.remove(id)
    }

    private func enlist() -> UInt64 {
        let id = Self.lastID.wrappingAdd(1, ordering: .relaxed).newValue
        state.withLock { $0.waiters[id] = .coming }
        return id
    }

    private func wait(_ id: UInt64, after seen: UInt64) async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.rings != seen { return true }
                switch state.waiters[id] {
                case .coming:
                    state.waiters[id] = .waiting(continuation)
                    return false
                case .late, .waiting, nil:
                    return true
                }
            }
            if isOver { continuation.resume() }
        }
        _ = state.withLock { $0.waiters.removeValue(forKey: id) }
    }

    private func timeIsUp(for id: UInt64) {
        let continuation = state.withLock { state -> CheckedContinuation<Void, Never>? in
            switch state.waiters[id] {
            case .waiting(let continuation):
                state.waiters[id] = nil
                return continuation
            case .coming:
                state.waiters[id] = .late
                return nil
            case .late, nil:
                return nil
            }
        }
        continuation?.resume()
    }
}
