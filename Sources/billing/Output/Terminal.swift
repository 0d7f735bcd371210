import Glibc

/// Where output goes and answers come from: the process's own streams, or a test's.
struct Terminal: Sendable {
    /// Writes to standard output.
    let write: @Sendable (String) -> Void
    /// Writes to standard error.
    let writeError: @Sendable (String) -> Void
    /// One line of standard input without its end; `nil` at its end.
    let readLine: @Sendable () -> String?
    /// Whether a person can be asked: standard input and error are terminals.
    let canAsk: Bool
    /// Whether a progress line can be written over: standard error is a terminal.
    let canOverwrite: Bool

    static let process = Terminal(
        write: { Terminal.write($0, to: STDOUT_FILENO) }, writeError: { Terminal.write($0, to: STDERR_FILENO) },
        readLine: { Swift.readLine() }, canAsk: isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1,
        canOverwrite: isatty(STDERR_FILENO) == 1)

    /// Writes all of `text`. When nobody reads any more there is nobody to tell either, so the program ends, as other
    /// commands of a pipe do.
    private static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if written < 0 {
                    if errno == EINTR { continue }
                    exit(1)
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
    }
}
