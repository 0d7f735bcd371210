import Synchronization

/// How far long work has come, on standard error: a line that is written over on a terminal, few lines in a pipe.
final class Progress: Sendable {
    private struct State {
        var lastShown: ContinuousClock.Instant
        var isLineOpen = false
    }

    private let terminal: Terminal
    private let interval: Duration
    private let state: Mutex<State>

    /// The first line appears one interval later, so that short work stays silent.
    init(_ terminal: Terminal, now: ContinuousClock.Instant = .now) {
        self.terminal = terminal
        interval = terminal.canOverwrite ? .milliseconds(100) : .seconds(5)
        state = Mutex(State(lastShown: now))
    }

    /// Shows `text` unless something was shown a moment ago; then `text` is not even made.
    func update(now: ContinuousClock.Instant = .now, _ text: () -> String) {
        state.withLock { state in
            guard now - state.lastShown >= interval else { return }
            state.lastShown = now
            state.isLineOpen = terminal.canOverwrite
            // Carriage return, the text, and "erase to the end of the line".
            terminal.writeError(terminal.canOverwrite ? "\r\(text())\u{1b}[K" : text() + "\n")
        }
    }

    /// Takes the line away, so that other output starts on a clean one.
    func end() {
        state.withLock { state in
            guard state.isLineOpen else { return }
            state.isLineOpen = false
            terminal.writeError("\r\u{1b}[K")
        }
    }
}
