import Foundation
import Synchronization

/// Where a person, or a file, reads how it goes.
struct Console: Sendable {
    /// Whether a line can be written over.
    let isTerminal: Bool
    /// Columns of the terminal; `nil` if it does not say. A status line that is longer could not be written over.
    var columns: @Sendable () -> Int? = { nil }
    let write: @Sendable (String) -> Void

    static let standardOutput = Console(
        isTerminal: isatty(STDOUT_FILENO) == 1,
        columns: {
            var size = winsize()
            return ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : nil
        },
        write: { text in
            // When nobody reads any more, the run goes on to its end and its report.
            try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
        })

    func line(_ text: String) { write((isTerminal ? "\r\u{1b}[K" : "") + text + "\n") }

    /// A line that the next one replaces; only on a terminal.
    func status(_ text: String) {
        guard isTerminal else { return }
        write("\r\u{1b}[K" + text.prefix(max(1, (columns() ?? .max) - 1)))
    }
}

/// A bar that fills while data are made; a line at the end for a pipe.
final class Progress: Sendable {
    private let console: Console
    private let what: String
    private let count: Int
    private let start = ContinuousClock.now
    private let shown = Mutex(ContinuousClock.now)

    init(_ console: Console, _ what: String, of count: Int) {
        self.console = console
        self.what = what
        self.count = count
    }

    /// Tells how many are done; draws at most ten times a second.
    func show(_ done: Int) {
        guard console.isTerminal else { return }
        shown.withLock { last in
            guard done == 0 || last.duration(to: .now) > .milliseconds(100) else { return }
            last = .now
            console.status(Progress.bar(what, done, of: count))
        }
    }

    /// - Parameter more: what was made besides.
    func finish(with more: String? = nil) {
        let seconds = Double(start.duration(to: .now).nanosecondsClamped) / 1e9
        console.line(
            "Prepared \(Figures.grouped(count)) \(what)\(more.map { " with \($0)" } ?? "") in \(Figures.short(seconds)) s"
        )
    }

    static func bar(_ what: String, _ done: Int, of count: Int) -> String {
        let width = 30
        let filled = count > 0 ? min(width, done * width / count) : width
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
        return "Preparing \(what) [\(bar)] \(Figures.grouped(done)) of \(Figures.grouped(count))"
    }
}
