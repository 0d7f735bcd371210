import BillingCore
import BillingTestKit
import RPC
import Storage
import Testing

/// A database as the contract sees it. Every driver passes the same suites.
struct StorageDriver: Sendable, CustomTestStringConvertible {
    let name: String
    let open: @Sendable (_ directory: String, _ migrations: [Migration]) throws -> Opened

    struct Opened: Sendable {
        let database: any Database
        let close: @Sendable () -> Void
    }

    var testDescription: String { name }

    static let all = [
        StorageDriver(name: "SQLite") { directory, migrations in
            let database = try SQLiteDatabase.open(directory: directory, migrations: migrations)
            return Opened(database: database) { database.close() }
        }
    ]

    /// Runs `body` over a new database with one table of notes.
    func withNotes(_ body: (any Database) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        let opened = try open(directory.path, .notes)
        defer { opened.close() }
        try await body(opened.database)
    }
}

extension [Migration] {
    static let notes = [
        Migration(
            number: 1, name: "notes",
            sql: """
                CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
                CREATE TABLE attachment (
                    note INTEGER NOT NULL REFERENCES note (id) DEFERRABLE INITIALLY DEFERRED, bytes BLOB NOT NULL
                );
                """)
    ]
}

extension Transaction {
    func insertNote(_ text: String) throws { try execute("INSERT INTO note (text) VALUES (?)", .text(text)) }
    func notes() throws -> [String] { try all("SELECT text FROM note ORDER BY text") { $0.text(0) } }
}

extension Database {
    func notes() async throws -> [String] { try await read { try $0.notes() } }
}

/// A message of one text, its own encoding.
struct Note: WireMessage, ExpressibleByStringLiteral {
    static let messageName = "test.Note"
    var text = ""

    init() {}
    init(stringLiteral text: String) { self.text = text }
    init(_ text: String) { self.text = text }
    init(wire bytes: UnsafeRawBufferPointer, limits: WireLimits) throws(RPCError) {
        text = String(decoding: bytes, as: UTF8.self)
    }

    func encode(into buffer: inout WireBuffer) {
        buffer.append(byteCount: text.utf8.count) { $0.copyBytes(from: text.utf8) }
    }
}

/// A refusal as the rules throw them.
struct Refusal: BillingError, Hashable {
    var status: Status
    var reason = "test.refused"
    var message = "The rule says no, größer than 3."
    var field = "instances"
    var value = "4"
}

extension CallContext {
    static func test(
        key: String? = "key-0123456789abcdef", account: String = "acct-1", method: String = "test.Notes/Write",
        at effective: Timestamp? = Timestamp(milliseconds: 1000), epoch: UInt64 = 0
    ) throws -> CallContext {
        CallContext(
            method: MethodDescriptor(name: method, idempotency: .keyed, limits: .standard), caller: .local,
            account: account, key: try key.map { try IdempotencyKey($0) }, effectiveAt: effective, epoch: epoch,
            traceID: 7, deadline: .after(milliseconds: 60_000))
    }
}

/// What `body` throws, as a peer would be told.
func refusal(_ body: () async throws -> Void) async throws -> RPCError {
    do {
        try await body()
    } catch {
        return RPCError(error, callID: 0)
    }
    throw Refusal(status: .internalError, reason: "test.nothing_thrown", message: "An error was expected.")
}
