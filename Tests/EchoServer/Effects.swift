import BillingCore
import Glibc
import RPC
import Synchronization

/// The keys that took effect, a line each in a file that outlives the process.
final class Effects: Sendable {
    private let file: Int32
    private let keys: Mutex<Set<String>>

    /// - Throws: `RPCError` when the file cannot be opened or read.
    init(path: String) throws {
        file = open(path, O_RDWR | O_CREAT | O_APPEND, 0o600)
        guard file >= 0 else { throw Self.failure("open \(path)") }
        var (content, chunk) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 16))
        while case let count = read(file, &chunk, chunk.count), count != 0 {
            guard count > 0 else { throw Self.failure("read \(path)") }
            content += chunk[..<count]
        }
        keys = Mutex(Set(content.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }))
    }

    /// Returns when the effect of `key` is durable.
    /// - Returns: whether it is new.
    func add(_ key: String) throws -> Bool {
        try keys.withLock { keys in
            guard !keys.contains(key) else { return false }
            let line = Array("\(key)\n".utf8)
            guard write(file, line, line.count) == line.count, fdatasync(file) == 0 else { throw Self.failure("write") }
            keys.insert(key)
            return true
        }
    }

    private static func failure(_ what: String) -> RPCError {
        RPCError(.internalError, "echo.file", "Cannot \(what): error \(errno).")
    }
}
