import BillingCore
import BillingTestKit
import Storage
import Testing

@Suite("Units of work") struct UnitContractTests {
    @Test("A unit that throws undoes itself and no other", arguments: StorageDriver.all)
    func isolation(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            try await withThrowingTaskGroup { group in
                for number in 100..<200 {
                    group.addTask {
                        do {
                            try await database.write { transaction in
                                try transaction.insertNote("\(number)")
                                if number % 3 == 0 { throw Refusal(status: .notFound) }
                            }
                            #expect(number % 3 != 0)
                        } catch let error as Refusal {
                            #expect(number % 3 == 0)
                            #expect(error.status == .notFound)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await database.notes() == (100..<200).filter { $0 % 3 != 0 }.map(String.init))
        }
    }

    @Test(
        "A statement that breaks a constraint leaves the rest of its unit, and can be told apart",
        arguments: StorageDriver.all)
    func constraint(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            try await database.write { transaction in
                try transaction.insertNote("a")
                do {
                    try transaction.insertNote("a")
                    Issue.record("a second 'a' was accepted")
                } catch let error as StatementError {
                    #expect(error.isConstraint)
                }
                try transaction.insertNote("b")
            }
            #expect(try await database.notes() == ["a", "b"])
        }
    }

    @Test("Savepoints nest: what an inner one throws undoes the inner part", arguments: StorageDriver.all)
    func savepoints(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            try await database.write { transaction in
                try transaction.savepoint {
                    try transaction.insertNote("outer")
                    do {
                        try transaction.savepoint {
                            try transaction.insertNote("inner")
                            throw Refusal(status: .aborted)
                        }
                    } catch is Refusal {}
                    try transaction.insertNote("outer too")
                }
            }
            #expect(try await database.notes() == ["outer", "outer too"])
        }
    }

    @Test("Every kind of value comes back as it went in", arguments: StorageDriver.all)
    func values(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let texts = ["", "größer", "'; DROP TABLE note; --", "a\u{0}b", String(repeating: "x", count: 100_000)]
            for text in texts {
                let read = try await database.write { transaction in
                    try transaction.first("SELECT ?, ?", .text(text), .blob(Array(text.utf8))) {
                        ($0.text(0), $0.blob(1), $0.isNull(1))
                    }
                }
                #expect(read?.0 == text)
                #expect(read?.1 == Array(text.utf8))
                #expect(read?.2 == false)
            }
            let numbers = try await database.read { transaction in
                try transaction.first("SELECT ?, ?, ?", .integer(Int64.min), .integer(Int64.max), nil) {
                    ($0.integer(0), $0.optionalInteger(1), $0.optionalInteger(2), $0.optionalText(2))
                }
            }
            #expect(numbers?.0 == .min)
            #expect(numbers?.1 == .max)
            #expect(numbers?.2 == nil)
            #expect(numbers?.3 == nil)
        }
    }

    @Test("A query may run the same query for each of its rows", arguments: StorageDriver.all)
    func nestedQuery(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let pairs = try await database.write { transaction in
                for text in ["a", "b", "c"] { try transaction.insertNote(text) }
                return try transaction.all("SELECT text FROM note ORDER BY text") { row in
                    row.text(0) + (try transaction.notes().joined())
                }
            }
            #expect(pairs == ["aabc", "babc", "cabc"])
        }
    }

    @Test("A statement tells how many rows it changed", arguments: StorageDriver.all)
    func changes(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let counts = try await database.write { transaction in
                for text in ["a", "b", "c"] { try transaction.insertNote(text) }
                return [
                    try transaction.execute("UPDATE note SET text = text || '!' WHERE text < ?", "c"),
                    try transaction.execute("DELETE FROM note WHERE text = ?", "z"),
                    try transaction.execute("DELETE FROM note"),
                ]
            }
            #expect(counts == [2, 0, 3])
        }
    }

    @Test(
        "Too few arguments, unknown tables and broken SQL are refused as our own errors",
        arguments: StorageDriver.all)
    func wrongSQL(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            for sql in ["INSERT INTO note (text) VALUES (?)", "SELECT * FROM nowhere", "SELEKT"] {
                await #expect(throws: StatementError.self) {
                    try await database.write { try $0.execute(sql) }
                }
            }
            try await database.write { try $0.insertNote("still well") }
        }
    }

    @Test("A read sees what was committed before it, all of it and nothing else", arguments: StorageDriver.all)
    func snapshot(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            try await withThrowingTaskGroup { group in
                group.addTask {
                    for number in 0..<200 {
                        try await database.write { transaction in
                            try transaction.insertNote("\(number) a")
                            try transaction.insertNote("\(number) b")
                        }
                    }
                }
                group.addTask {
                    for _ in 0..<200 {
                        let counts = try await database.read { transaction in
                            try ["a", "b", "a"].map { half in
                                try transaction.first(
                                    "SELECT count(*) FROM note WHERE text LIKE ?", .text("% " + half)
                                ) { $0.int(0) }
                            }
                        }
                        #expect(Set(counts).count == 1)
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await database.notes().count == 400)
        }
    }

    @Test("A read cannot write", arguments: StorageDriver.all)
    func readOnly(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            await #expect(throws: StatementError.self) { try await database.read { try $0.insertNote("a") } }
            let notes = try await database.notes()
            #expect(notes == [])
        }
    }

    @Test("What was acknowledged is there after closing and opening again", arguments: StorageDriver.all)
    func reopening(_ driver: StorageDriver) async throws {
        let directory = try TemporaryDirectory()
        for round in 1...3 {
            let opened = try driver.open(directory.path, .notes)
            try await opened.database.write { try $0.insertNote("round \(round)") }
            opened.close()
            opened.close()
            await #expect(throws: StorageError.closed(directory: directory.path)) {
                try await opened.database.write { try $0.insertNote("too late") }
            }
        }
        let opened = try driver.open(directory.path, .notes)
        defer { opened.close() }
        #expect(try await opened.database.notes() == ["round 1", "round 2", "round 3"])
    }
}
