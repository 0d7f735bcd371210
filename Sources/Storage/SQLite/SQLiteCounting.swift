import Foundation

/// The counters, shared by the threads of one database.
///
/// `@unchecked Sendable`: every access to `values` holds `lock`.
final class SQLiteCounting: @unchecked Sendable {
    private let lock = NSLock()
    private var values = SQLiteCounters()

    var current: SQLiteCounters { lock.withLock { values } }

    func change(_ body: (inout SQLiteCounters) -> Void) { lock.withLock { body(&values) } }
}
