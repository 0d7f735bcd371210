import Glibc

/// Where an export goes: standard output, or a file that appears when it is whole. Keeps a little back, so that many
/// small pieces are few writes.
final class ExportOutput {
    private static let bufferLimit = 65_536

    private let terminal: Terminal
    private let path: String?
    private var descriptor: Int32 = -1
    private var buffer = ""

    /// - Parameter path: the file; `nil` for standard output.
    /// - Throws: `CommandFailure` when the file cannot be written.
    init(_ path: String?, _ terminal: Terminal) throws {
        self.path = path
        self.terminal = terminal
        guard let path else { return }
        descriptor = open(ExportOutput.partial(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        if descriptor < 0 { throw ExportOutput.failure(path) }
    }

    /// What was begun and not finished is taken away.
    deinit {
        guard let path, descriptor >= 0 else { return }
        close(descriptor)
        unlink(ExportOutput.partial(path))
    }

    func write(_ text: String) throws {
        buffer += text
        if buffer.utf8.count >= ExportOutput.bufferLimit { try flush() }
    }

    /// Writes the rest, and gives the file its name.
    func finish() throws {
        try flush()
        guard let path else { return }
        guard fsync(descriptor) == 0, rename(ExportOutput.partial(path), path) == 0 else {
            throw ExportOutput.failure(path)
        }
        close(descriptor)
        descriptor = -1
    }

    private func flush() throws {
        defer { buffer.removeAll(keepingCapacity: true) }
        guard let path else { return terminal.write(buffer) }
        try buffer.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if written < 0 {
                    if errno == EINTR { continue }
                    throw ExportOutput.failure(path)
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
    }

    private static func partial(_ path: String) -> String { path + ".part" }

    private static func failure(_ path: String) -> CommandFailure {
        CommandFailure(
            .usage, "'\(path)' cannot be written: \(String(cString: strerror(errno))).",
            next: "name a file in a folder that you can write to with --output, or leave it out.")
    }
}
