import Synchronization

/// Fires functions at their deadlines. One sleeping task serves all of them, since most are withdrawn long before they
/// are due and a task for each would pile up until then.
package final class DeadlineWatch: Sendable {
    private struct State {
        var entries: [UInt64: (deadline: Deadline, fire: @Sendable () -> Void)] = [:]
        /// When the sleeping task wakes; `nil` while there is none.
        var wake: Deadline?
    }

    private let state = Mutex(State())

    package init() {}

    package func add(_ id: UInt64, _ deadline: Deadline, _ fire: @escaping @Sendable () -> Void) {
        let mustSleep = state.withLock { state in
            state.entries[id] = (deadline, fire)
            if let wake = state.wake, wake <= deadline { return false }
            state.wake = deadline
            return true
        }
        if mustSleep { sleep(until: deadline) }
    }

    package func remove(_ id: UInt64) { _ = state.withLock { $0.entries.removeValue(forKey: id) } }

    private func sleep(until deadline: Deadline) {
        Task { [weak self] in
            // This task is never cancelled, the only reason for which a sleep throws; waking early would do no harm.
            try? await Task.sleep(for: .nanoseconds(max(0, MonotonicTime.now.nanoseconds(until: deadline.instant))))
            self?.woke(at: deadline)
        }
    }

    private func woke(at deadline: Deadline) {
        let (due, next) = state.withLock { state -> ([@Sendable () -> Void], Deadline?) in
            // An earlier deadline came meanwhile and has a sleeper of its own.
            guard state.wake == deadline else { return ([], nil) }
            let due = state.entries.filter { $0.value.deadline.hasPassed }
            for id in due.keys { state.entries[id] = nil }
            state.wake = state.entries.values.map(\.deadline).min()
            return (due.values.map(\.fire), state.wake)
        }
        for fire in due { fire() }
        if let next { sleep(until: next) }
    }
}
