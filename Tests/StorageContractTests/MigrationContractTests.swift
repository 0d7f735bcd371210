import BillingTestKit
import Storage
import Testing

@Suite("Migrations") struct MigrationContractTests {
    private static let second = Migration(number: 2, name: "colors", sql: "ALTER TABLE note ADD COLUMN color TEXT")

    @Test("Each runs once: on a new database, not again, and the added one alone", arguments: StorageDriver.all)
    func once(_ driver: StorageDriver) async throws {
        let directory = try TemporaryDirectory()
        for migrations in [.notes, .notes, .notes + [Self.second], .notes + [Self.second]] as [[Migration]] {
            let opened = try driver.open(directory.path, migrations)
            defer { opened.close() }
            let found = try await opened.database.read { transaction in
                try transaction.all("SELECT number, name FROM schema_migration WHERE owner = 'service' ORDER BY number")
                {
                    "\($0.integer(0)) \($0.text(1))"
                }
            }
            #expect(found == migrations.map { "\($0.number) \($0.name)" })
        }
    }

    @Test("A text that changed after it ran is refused, and nothing is run", arguments: StorageDriver.all)
    func changedText(_ driver: StorageDriver) async throws {
        let directory = try TemporaryDirectory()
        try driver.open(directory.path, .notes).close()
        let edited = Migration(number: 1, name: "notes", sql: [Migration].notes[0].sql + " ")
        #expect(throws: StorageError.changedMigration(directory: directory.path, number: 1, name: "notes")) {
            try driver.open(directory.path, [edited, Self.second])
        }
        try driver.open(directory.path, .notes + [Self.second]).close()
    }

    @Test(
        "Data of a newer program is refused in one sentence that names the directory and both schemas",
        arguments: StorageDriver.all)
    func newerSchema(_ driver: StorageDriver) async throws {
        let directory = try TemporaryDirectory()
        try driver.open(directory.path, .notes + [Self.second]).close()
        let error = #expect(throws: StorageError.self) { try driver.open(directory.path, .notes) }
        #expect(error?.reason == "storage.newer_schema")
        #expect(
            error?.message
                == "Data in '\(directory.path)' was written by a newer version (schema 2; this program knows "
                + "1). Use the newer program.")
    }

    @Test("One that fails is undone whole, and the directory is free again", arguments: StorageDriver.all)
    func failure(_ driver: StorageDriver) async throws {
        let directory = try TemporaryDirectory()
        let broken = Migration(number: 2, name: "broken", sql: "CREATE TABLE half (id INTEGER); SELECT nothing;")
        let error = #expect(throws: StorageError.self) { try driver.open(directory.path, .notes + [broken]) }
        #expect(error?.reason == "storage.failed_migration")
        let opened = try driver.open(directory.path, .notes)
        defer { opened.close() }
        await #expect(throws: StatementError.self) {
            try await opened.database.read { try $0.first("SELECT * FROM half") { $0.integer(0) } }
        }
    }

    @Test("A directory that is being served is refused to a second opening", arguments: StorageDriver.all)
    func directoryInUse(_ driver: StorageDriver) async throws {
        let directory = try TemporaryDirectory()
        let opened = try driver.open(directory.path, .notes)
        let error = #expect(throws: StorageError.directoryInUse(directory.path)) {
            try driver.open(directory.path, .notes)
        }
        #expect(error?.message.contains(directory.path) == true)
        opened.close()
        try driver.open(directory.path, .notes).close()
    }
}
