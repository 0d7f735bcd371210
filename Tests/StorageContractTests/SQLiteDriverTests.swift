import BillingCore
import BillingTestKit
import Foundation
import RPC
import Storage
import Testing

@Suite("SQLite driver") struct SQLiteDriverTests {
    @Test("The writer syncs every commit, keeps foreign keys and logs ahead")
    func settings() async throws {
        let database = try TestDatabase.make(migrations: .notes)
        let found = try await database.write { transaction in
            try ["synchronous", "foreign_keys", "journal_mode", "wal_autocheckpoint"].map { setting in
                try transaction.first("PRAGMA \(setting)") { $0.text(0) }
            }
        }
        #expect(found == ["2", "1", "wal", "0"])
    }

    @Test(
        "An SQLite that does not keep a setting which the promises rest on is refused by the setting's name",
        arguments: [
            ("synchronous", "1"), ("journal_mode", "delete"), ("foreign_keys", "0"), ("foreign_keys", nil),
        ] as [(String, String?)])
    func unsafeSetting(_ setting: String, _ kept: String?) throws {
        let safe = ["synchronous": "2", "journal_mode": "wal", "foreign_keys": "1"]
        try SQLiteDatabase.requireSafe { safe[$0] }
        let error = #expect(throws: StorageError.self) {
            try SQLiteDatabase.requireSafe { $0 == setting ? kept : safe[$0] }
        }
        #expect(error?.reason == "storage.unsafe_setting")
        #expect(error?.message.contains("\(setting) = \(kept ?? "nothing")") == true)
    }

    @Test("Calls that wait together share one commit")
    func groupCommit() async throws {
        let database = try TestDatabase.make(migrations: .notes)
        let gate = try await WriterGate(database)
        try await withThrowingTaskGroup { group in
            for number in 0..<100 { group.addTask { try await database.write { try $0.insertNote("\(number)") } } }
            await waitUntil { database.waitingWrites == 100 }
            gate.open()
            try await group.waitForAll()
        }
        try await gate.finished()
        #expect(try await database.notes().count == 100)
        #expect(database.counters.units == 101)
        #expect(database.counters.commits <= 10)
    }

    @Test("Single calls go before bulk work that waits longer")
    func lanes() async throws {
        let database = try TestDatabase.make(migrations: .notes)
        let gate = try await WriterGate(database)
        let order = try await withThrowingTaskGroup { group in
            for (position, lane) in [WriteLane.bulk, .bulk, .single, .single].enumerated() {
                group.addTask {
                    try await database.write(lane) { transaction in
                        try transaction.insertNote("\(lane) \(position)")
                        return try transaction.first("SELECT count(*) FROM note") { $0.int(0) } ?? 0
                    }
                }
                await waitUntil { database.waitingWrites == position + 1 }
            }
            gate.open()
            try await group.waitForAll()
            return try await database.read { try $0.all("SELECT text FROM note ORDER BY id") { $0.text(0) } }
        }
        try await gate.finished()
        #expect(order == ["single 2", "single 3", "bulk 0", "bulk 1"])
    }

    @Test("Bulk work is not starved by single calls")
    func fairness() async throws {
        let database = try TestDatabase.make(migrations: .notes)
        let gate = try await WriterGate(database)
        let before = try await withThrowingTaskGroup { group in
            group.addTask { () -> Int? in try await database.write(.bulk) { try $0.notes().count } }
            await waitUntil { database.waitingWrites == 1 }
            for number in 0..<1000 {
                group.addTask {
                    try await database.write { try $0.insertNote("\(number)") }
                    return nil
                }
            }
            await waitUntil { database.waitingWrites == 1001 }
            gate.open()
            return try await group.reduce(nil) { $0 ?? $1 }
        }
        try await gate.finished()
        #expect(before == 255)
    }

    @Test("A full queue refuses at once with what to do, and takes calls again later")
    func queueFull() async throws {
        var options = SQLiteOptions()
        options.queueCapacity = 3
        let database = try TestDatabase.make(migrations: .notes, options: options)
        let gate = try await WriterGate(database)
        try await withThrowingTaskGroup { group in
            for number in 0..<3 { group.addTask { try await database.write { try $0.insertNote("\(number)") } } }
            await waitUntil { database.waitingWrites == 3 }
            let error = try await refusal { try await database.write { try $0.insertNote("one too many") } }
            #expect(error.status == .resourceExhausted)
            #expect(error.reason == "storage.queue_full")
            gate.open()
            try await group.waitForAll()
        }
        try await gate.finished()
        try await database.write { try $0.insertNote("later") }
        #expect(try await database.notes() == ["0", "1", "2", "later"])
    }

    @Test("When a batch cannot commit, its units run alone and only the guilty one fails")
    func rerun() async throws {
        let database = try TestDatabase.make(migrations: .notes)
        let gate = try await WriterGate(database)
        let failures = try await withThrowingTaskGroup { group in
            for number in 0..<9 {
                group.addTask {
                    do {
                        try await database.write { transaction in
                            try transaction.insertNote("\(number)")
                            // A deferred key is checked by the commit alone.
                            if number == 4 {
                                try transaction.execute("INSERT INTO attachment VALUES (?, ?)", -1, .blob([1]))
                            }
                        }
                        return nil as Int?
                    } catch let error as StatementError where error.isConstraint {
                        return number
                    }
                }
            }
            await waitUntil { database.waitingWrites == 9 }
            gate.open()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        try await gate.finished()
        #expect(failures.compactMap(\.self) == [4])
        #expect(try await database.notes() == [0, 1, 2, 3, 5, 6, 7, 8].map(String.init))
        #expect(database.counters.rerunBatches == 1)
        #expect(database.counters.units == 10)
    }

    @Test("A full disk refuses what needs room, keeps the rest, and reads go on")
    func fullDisk() async throws {
        let database = try TestDatabase.make(migrations: .notes)
        try await database.write { transaction in
            try transaction.insertNote("before")
            _ = try transaction.execute("PRAGMA max_page_count = 1")
        }
        let gate = try await WriterGate(database)
        try await withThrowingTaskGroup { group in
            for text in ["small", String(repeating: "large", count: 100_000), "small too"] {
                group.addTask {
                    if text.utf8.count < 100 {
                        try await database.write { try $0.insertNote(text) }
                        return
                    }
                    let error = try await refusal { try await database.write { try $0.insertNote(text) } }
                    #expect(error.status == .resourceExhausted)
                    #expect(error.reason == "storage.full")
                    #expect(error.message.contains(database.path))
                }
            }
            await waitUntil { database.waitingWrites == 3 }
            gate.open()
            try await group.waitForAll()
        }
        try await gate.finished()
        #expect(try await database.notes() == ["before", "small", "small too"])
    }

    @Test("A disk that fails a commit ends the process; nothing is acknowledged and nothing more is taken")
    func brokenDisk() async throws {
        let (breakages, report) = AsyncStream.makeStream(of: StorageError.self)
        var options = SQLiteOptions()
        options.onBrokenDisk = { report.yield($0) }
        let database = try TestDatabase.make(migrations: .notes, options: options)
        try await database.write { try $0.insertNote("before") }
        try failWrites(to: database.path + "/data.sqlite-wal")
        let error = try await refusal { try await database.write { try $0.insertNote("lost") } }
        #expect(error.status == .unknown)
        #expect(error.reason == "storage.broken")
        var reports = breakages.makeAsyncIterator()
        #expect(await reports.next()?.reason == "storage.broken")
        // The writer may still be on its way out: it refuses by either name.
        let later = try await refusal { try await database.write { try $0.insertNote("later") } }
        #expect(["storage.closed", "storage.broken"].contains(later.reason))
    }

    @Test("What was acknowledged is in the files at that instant, as after kill -9; what was not is not")
    func crashImage() async throws {
        let database = try TestDatabase.make(migrations: .notes)
        try await withThrowingTaskGroup { group in
            for number in 0..<50 { group.addTask { try await database.write { try $0.insertNote("\(number)") } } }
            try await group.waitForAll()
        }
        let gate = try await WriterGate(database) { try $0.insertNote("not acknowledged") }
        let copy = try TemporaryDirectory()
        for file in ["data.sqlite", "data.sqlite-wal"] {
            try FileManager.default.copyItem(atPath: "\(database.path)/\(file)", toPath: "\(copy.path)/\(file)")
        }
        gate.open()
        try await gate.finished()
        let recovered = try SQLiteDatabase.open(directory: copy.path, migrations: .notes)
        defer { recovered.close() }
        #expect(try await recovered.notes() == (0..<50).map(String.init).sorted())
        #expect(try await recovered.read { try $0.first("PRAGMA integrity_check") { $0.text(0) } } == "ok")
    }

    @Test("The log stays bounded and is emptied by closing")
    func logBound() async throws {
        let directory = try TemporaryDirectory()
        var options = SQLiteOptions()
        options.idleCheckpointPages = 64
        options.forcedCheckpointPages = 64
        let database = try SQLiteDatabase.open(directory: directory.path, migrations: .notes, options: options)
        for number in 0..<300 {
            try await database.write { try $0.insertNote("\(number)" + String(repeating: "x", count: 4000)) }
        }
        #expect(database.counters.checkpoints > 5)
        let log = directory.path + "/data.sqlite-wal"
        let size = try #require(try FileManager.default.attributesOfItem(atPath: log)[.size] as? Int)
        #expect(size < 200 * 4096)
        database.close()
        #expect(!FileManager.default.fileExists(atPath: log))
        let mode = try FileManager.default.attributesOfItem(atPath: directory.path)[.posixPermissions] as? Int
        #expect(mode == 0o700)
    }

    @Test("A path that cannot be a directory, and a file that is no database, are named")
    func cannotOpen() throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/data.sqlite"
        try Data(repeating: 7, count: 8192).write(to: URL(fileURLWithPath: file))
        for path in [directory.path, file] {
            let error = #expect(throws: StorageError.self) {
                try SQLiteDatabase.open(directory: path, migrations: .notes)
            }
            #expect(["storage.cannot_open", "storage.broken"].contains(error?.reason))
            #expect(error?.message.contains(path) == true)
        }
    }

    /// Turns every open descriptor of `path` in this process into one that cannot write, as a failed device would be.
    private func failWrites(to path: String) throws {
        var found = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + name),
                target == path, let descriptor = CInt(name)
            else { continue }
            let readOnly = open(path, O_RDONLY | O_CLOEXEC)
            dup2(readOnly, descriptor)
            close(readOnly)
            found += 1
        }
        try #require(found > 0)
    }
}

/// Holds the writer inside a unit, so that a test can let calls pile up behind it.
struct WriterGate {
    private let latch = DispatchSemaphore(value: 0)
    private let unit: Task<Void, any Error>

    /// Returns once the writer is held.
    init(_ database: any Database, _ before: @escaping @Sendable (any Transaction) throws -> Void = { _ in })
        async throws
    {
        let (entries, entered) = AsyncStream.makeStream(of: Void.self)
        let latch = self.latch
        unit = Task {
            try await database.write { transaction in
                try before(transaction)
                entered.yield()
                latch.wait()
                // It stays open: the unit runs once more if the batch that it is part of cannot commit.
                latch.signal()
            }
        }
        var iterator = entries.makeAsyncIterator()
        await iterator.next()
    }

    func open() { latch.signal() }
    func finished() async throws { try await unit.value }
}

/// Waits for what other tasks are about to do, giving way to them.
func waitUntil(_ condition: () -> Bool) async {
    while !condition() { await Task.yield() }
}
