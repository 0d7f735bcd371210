import Foundation
package import Storage

/// A real database in a temporary directory of its own, which goes with it.
package final class TestDatabase: Database {
    private let database: SQLiteDatabase
    private let directory: TemporaryDirectory

    /// An empty database with the schema of `migrations`.
    package static func make(
        migrations: [Migration], options: SQLiteOptions = SQLiteOptions()
    ) throws -> TestDatabase {
        let directory = try TemporaryDirectory()
        return TestDatabase(
            try SQLiteDatabase.open(directory: directory.path, migrations: migrations, options: options), directory)
    }

    private init(_ database: SQLiteDatabase, _ directory: TemporaryDirectory) {
        self.database = database
        self.directory = directory
    }

    deinit { database.close() }

    package var crashPlan: CrashPlan? { database.crashPlan }
    package var counters: SQLiteCounters { database.counters }
    package var waitingWrites: Int { database.waitingWrites }
    /// Where the database lies, for as long as this object lives.
    package var path: String { directory.path }

    package func write<Value: Sendable>(
        _ lane: WriteLane, _ unit: @escaping @Sendable (any Transaction) throws -> Value
    ) async throws -> Value {
        try await database.write(lane, unit)
    }

    package func read<Value: Sendable>(
        _ body: @escaping @Sendable (any Transaction) throws -> Value
    ) async throws -> Value {
        try await database.read(body)
    }
}

/// A new directory under the system's temporary one, removed with all it holds when this object goes.
package final class TemporaryDirectory: Sendable {
    package let path: String

    package init() throws {
        let url = URL(fileURLWithPath: NSTemporaryDirectory())
            .appendingPathComponent("billing-test-\(UUID().uuidString.lowercased())")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        // What cannot be removed is left to whoever cleans the temporary directory; a test's outcome does not hang on it.
        try? FileManager.default.removeItem(atPath: path)
    }
}
