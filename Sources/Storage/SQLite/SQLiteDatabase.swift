import GRDB

/// A service's database in one SQLite file, with one thread that writes and a few that read.
///
/// A write is acknowledged after the log was synced to the disk: WAL with `synchronous = FULL`, which is asserted.
package final class SQLiteDatabase: Database {
    package let crashPlan: CrashPlan?
    private let directory: DataDirectory
    private let counting: SQLiteCounting
    private let writes: WorkQueue<PendingUnit>
    private let reads: WorkQueue<PendingUnit>
    private let writer: ConnectionThread
    private let readers: [ConnectionThread]

    /// Opens or creates `data.sqlite` in `directory`, which it creates and locks, and runs the migrations that are due.
    /// - Throws: `StorageError`: `directoryInUse` when another process serves the directory, `newerSchema` and
    ///   `changedMigration` before anything is changed, `cannotOpen` and the like with the directory named.
    package static func open(
        directory: String, migrations: [Migration], options: SQLiteOptions = SQLiteOptions()
    ) throws -> SQLiteDatabase {
        try SQLiteDatabase(DataDirectory(directory), Schema(owner: "service", migrations: migrations), options)
    }

    private init(_ directory: DataDirectory, _ schema: Schema, _ options: SQLiteOptions) throws {
        self.directory = directory
        crashPlan = options.crashPlan
        let counting = SQLiteCounting()
        self.counting = counting
        let path = directory.path
        let file = path + "/data.sqlite"
        let writerSource: DatabaseQueue
        let readerSources: [DatabaseQueue]
        do {
            writerSource = try Self.openWriter(file, path, options)
            try writerSource.writeWithoutTransaction { database in
                let connection = try SQLiteConnection(database, directory: path)
                try connection.migrate([.storage, schema], directory: path)
                connection.finalizeStatements()
            }
            readerSources = try (0..<max(1, options.readers)).map { _ in try Self.openReader(file, path, options) }
        } catch let error as DatabaseError {
            throw StorageError.cannotOpen(directory: path, detail: error.message ?? "\(error)")
        }
        let writes = WorkQueue<PendingUnit>(capacity: options.queueCapacity)
        let reads = WorkQueue<PendingUnit>(capacity: options.queueCapacity)
        self.writes = writes
        self.reads = reads
        let loop = SQLiteWriter(writerSource, writes, directory: path, options: options, counting: counting)
        // Each thread closes what it used. A file that cannot be closed stays as a crash would leave it, and is recovered
        // at the next start.
        writer = ConnectionThread(name: "storage writer") {
            loop.serve()
            try? writerSource.close()
        }
        readers = readerSources.map { source in
            let loop = SQLiteReader(source, reads, directory: path, counting: counting)
            return ConnectionThread(name: "storage reader") {
                loop.serve()
                try? source.close()
            }
        }
    }

    deinit { close() }

    /// Finishes what waits, lets nothing more in, moves the log into the database file and frees the directory. A
    /// second call does nothing.
    package func close() {
        // The last connection to close empties the log, which only the writer may do.
        reads.close()
        for reader in readers { reader.join() }
        writes.close()
        writer.join()
        directory.release()
    }

    package var counters: SQLiteCounters { counting.current }
    /// Units that wait for the writer now, apart from those of the batch it works on.
    package var waitingWrites: Int { writes.count }

    package func write<Value: Sendable>(
        _ lane: WriteLane, _ unit: @escaping @Sendable (any Transaction) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { add(TypedUnit(unit, $0), to: writes, lane) }
    }

    package func read<Value: Sendable>(
        _ body: @escaping @Sendable (any Transaction) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { add(TypedUnit(body, $0), to: reads, .single) }
    }

    private func add(_ unit: PendingUnit, to queue: WorkQueue<PendingUnit>, _ lane: WriteLane) {
        do throws(WorkQueue<PendingUnit>.Refusal) {
            try queue.add(unit, lane)
        } catch {
            switch error {
            case .full(let waiting): unit.fail(StorageError.queueFull(waiting: waiting))
            case .closed: unit.fail(StorageError.closed(directory: directory.path))
            }
        }
    }

    // MARK: Connections

    private static func openWriter(
        _ file: String, _ directory: String, _ options: SQLiteOptions
    ) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "storage.writer"
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(5)
        configuration.journalMode = .wal
        let source = try DatabaseQueue(path: file, configuration: configuration)
        try source.writeWithoutTransaction { database in
            let connection = try SQLiteConnection(database, directory: directory)
            // Only here: GRDB sets NORMAL when it switches the log on, after its own hooks for settings.
            try connection.execute("PRAGMA synchronous = FULL")
            try connection.execute("PRAGMA wal_autocheckpoint = 0")
            try connection.execute("PRAGMA journal_size_limit = \(options.forcedCheckpointPages * 4096)")
            try connection.execute("PRAGMA cache_size = -\(options.cacheKibibytes)")
            try connection.execute("PRAGMA temp_store = MEMORY")
            try requireSafe { try connection.first("PRAGMA \($0)") { $0.text(0) } }
            connection.finalizeStatements()
        }
        return source
    }

    /// Makes sure that the settings which the promises rest on took effect: an SQLite may be built without some, and says
    /// nothing when it is asked for them.
    /// - Parameter found: the value of a setting; `nil` when there is none of that name.
    /// - Throws: `StorageError.unsafeSetting`.
    package static func requireSafe(_ found: (_ setting: String) throws -> String?) throws {
        for (setting, value) in [("synchronous", "2"), ("journal_mode", "wal"), ("foreign_keys", "1")] {
            let found = try found(setting) ?? "nothing"
            guard found == value else { throw StorageError.unsafeSetting(setting, value: found) }
        }
    }

    private static func openReader(
        _ file: String, _ directory: String, _ options: SQLiteOptions
    ) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "storage.reader"
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        let source = try DatabaseQueue(path: file, configuration: configuration)
        try source.unsafeRead { database in
            let connection = try SQLiteConnection(database, directory: directory)
            try connection.execute("PRAGMA query_only = 1")
            try connection.execute("PRAGMA cache_size = -\(options.cacheKibibytes / 4)")
            try connection.execute("PRAGMA temp_store = MEMORY")
            connection.finalizeStatements()
        }
        return source
    }
}

extension SQLiteConnection {
    /// Brings the database to the newest of all `schemas`, or changes nothing if one of them refuses.
    func migrate(_ schemas: [Schema], directory: String) throws {
        try execute(Schema.list)
        let pending = try schemas.map { ($0, try $0.pending(in: self, directory: directory)) }
        for (schema, migrations) in pending {
            for migration in migrations {
                do {
                    try beginWriting()
                    try runScript(migration.sql)
                    try schema.record(migration, in: self)
                    try commit()
                } catch {
                    try rollBack()
                    throw StorageError.failedMigration(
                        directory: directory, number: migration.number, name: migration.name, detail: "\(error)")
                }
            }
        }
    }
}
