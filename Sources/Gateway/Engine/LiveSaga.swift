import RPC
import Synchronization

/// A saga that this process works on, for whoever waits for it or asks how it goes.
final class LiveSaga: Sendable {
    /// How the step at hand goes.
    struct Progress: Hashable, Sendable {
        var attempts = 0
        var lastError = ""
    }

    enum Ending: Sendable {
        case finished(SagaRecord)
        /// This process stopped working on it; the journal and its next reader go on.
        case left
    }

    /// Rung to end a pause between two attempts.
    let wake = Bell()
    private let over = Bell()
    private struct State {
        var progress = Progress()
        var isParked = false
        var ending: Ending?
    }

    private let state = Mutex(State())

    var progress: Progress {
        get { state.withLock { $0.progress } }
        set { state.withLock { $0.progress = newValue } }
    }

    /// Nobody should wait for it any more; it is tried again slowly.
    func park() {
        state.withLock { $0.isParked = true }
        over.ring()
    }

    func end(_ ending: Ending) {
        state.withLock { $0.ending = ending }
        over.ring()
    }

    /// Waits for the end; `nil` when the saga is parked first.
    func endingUnlessParked() async -> Ending? {
        while true {
            let seen = over.rings
            let (ending, isParked) = state.withLock { ($0.ending, $0.isParked) }
            if ending != nil || isParked { return ending }
            await over.wait(after: seen, until: .after(milliseconds: 60_000))
        }
    }

    /// Waits for the end; `nil` when the deadline came first.
    func ending(until deadline: Deadline) async -> Ending? {
        while true {
            let seen = over.rings
            if let ending = state.withLock({ $0.ending }) { return ending }
            if deadline.hasPassed { return nil }
            await over.wait(after: seen, until: deadline)
        }
    }
}
