import GRDB
import GRDBSQLite

/// One connection, used by the one thread that owns it. GRDB opens it and prepares its statements; arguments and
/// columns cross without GRDB's boxed values, which would copy each blob and text once more.
final class SQLiteConnection: Transaction {
    private let database: GRDB.Database
    private let handle: OpaquePointer
    private let directory: String
    private var statements: [String: PreparedStatement] = [:]
    /// Why SQLite ended the transaction by itself; the rest of the unit must not run, as each of its statements would
    /// commit alone.
    private(set) var endedEarly: (any Error)?
    /// The disk failed under this connection, which is not to be trusted again.
    private(set) var breakage: StorageError?

    /// SQL texts are constants of the program, apart from lists of varying length; these are what the bound is for.
    private static let statementLimit = 512

    init(_ database: GRDB.Database, directory: String) throws {
        guard let handle = database.sqliteConnection else {
            throw StorageError.closed(directory: directory)
        }
        self.database = database
        self.handle = handle
        self.directory = directory
    }

    // MARK: Transaction

    @discardableResult
    func execute(_ sql: String, _ arguments: [SQLValue]) throws -> Int {
        if let endedEarly { throw endedEarly }
        return try run(sql, arguments)
    }

    func forEachRow(_ sql: String, _ arguments: [SQLValue], _ body: (any Row) throws -> Bool) throws {
        if let endedEarly { throw endedEarly }
        let statement = try borrow(sql)
        defer { giveBack(statement) }
        try bind(arguments, to: statement, sql)
        while true {
            switch sqlite3_step(statement.handle) {
            case SQLITE_ROW:
                guard try body(statement.row) else { return }
            case SQLITE_DONE: return
            default: throw failure(sql)
            }
        }
    }

    // MARK: The driver's part

    func beginWriting() throws {
        endedEarly = nil
        try run("BEGIN IMMEDIATE")
    }

    func beginReading() throws {
        endedEarly = nil
        try run("BEGIN DEFERRED")
    }

    func commit() throws { try run("COMMIT") }

    /// Undoes the open transaction; does nothing where SQLite already did.
    func rollBack() throws {
        if isInTransaction { try run("ROLLBACK") }
        endedEarly = nil
    }

    /// Runs a unit in a savepoint of the open transaction.
    /// - Throws: when the transaction as a whole is lost. What the unit throws only undoes the unit.
    func attempt(_ unit: PendingUnit) throws {
        try run("SAVEPOINT unit")
        let succeeded = unit.run(in: self)
        if let breakage { throw breakage }
        if let endedEarly { throw endedEarly }
        if !succeeded { try run("ROLLBACK TO unit") }
        try run("RELEASE unit")
    }

    /// Runs a script of several statements.
    func runScript(_ sql: String) throws {
        var problem: UnsafeMutablePointer<CChar>?
        defer { sqlite3_free(problem) }
        guard sqlite3_exec(handle, sql, nil, nil, &problem) == SQLITE_OK else { throw failure(sql) }
    }

    /// Pages this connection has written since it was opened.
    var pagesWritten: Int {
        var current: CInt = 0
        var highest: CInt = 0
        sqlite3_db_status(handle, SQLITE_DBSTATUS_CACHE_WRITE, &current, &highest, 0)
        return Int(current)
    }

    /// Moves what it can from the log to the database file, without waiting for readers.
    /// - Throws: `StorageError`: `full` and `busy` leave the log as it is, to be moved another time.
    func checkpoint() throws {
        var logged: CInt = 0
        var moved: CInt = 0
        let code = sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_PASSIVE, &logged, &moved)
        if code != SQLITE_OK { throw failure("PASSIVE checkpoint") }
    }

    /// Forgets the prepared statements, as a connection must before it closes.
    func finalizeStatements() { statements = [:] }

    private var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    @discardableResult
    private func run(_ sql: String, _ arguments: [SQLValue] = []) throws -> Int {
        let statement = try borrow(sql)
        defer { giveBack(statement) }
        try bind(arguments, to: statement, sql)
        while true {
            switch sqlite3_step(statement.handle) {
            case SQLITE_ROW: continue
            case SQLITE_DONE: return statement.isReadOnly ? 0 : Int(sqlite3_changes(handle))
            default: throw failure(sql)
            }
        }
    }

    // MARK: Statements

    private func borrow(_ sql: String) throws -> PreparedStatement {
        if let known = statements[sql], !known.isLent {
            known.isLent = true
            return known
        }
        let fresh: PreparedStatement
        do {
            fresh = PreparedStatement(try database.makeStatement(sql: sql))
        } catch let error as DatabaseError {
            throw failure(sql, error.extendedResultCode.rawValue, error.message ?? "no detail")
        }
        fresh.isLent = true
        if statements.count >= Self.statementLimit { statements = [:] }
        // A query that runs inside its own loop needs a second statement, which is not kept.
        if statements[sql] == nil { statements[sql] = fresh }
        return fresh
    }

    private func giveBack(_ statement: PreparedStatement) {
        // Both repeat or forget the outcome of the last step, which was looked at already.
        sqlite3_reset(statement.handle)
        sqlite3_clear_bindings(statement.handle)
        statement.isLent = false
    }

    private func bind(_ arguments: [SQLValue], to statement: PreparedStatement, _ sql: String) throws {
        guard arguments.count == statement.parameterCount else {
            throw StatementError(
                isConstraint: false,
                detail: "\(statement.parameterCount) arguments are needed and \(arguments.count) were given", sql: sql)
        }
        for (offset, argument) in arguments.enumerated() {
            guard statement.bind(argument, at: CInt(offset + 1)) == SQLITE_OK else { throw failure(sql) }
        }
    }

    // MARK: Failures

    private func failure(_ sql: String) -> any Error {
        failure(sql, sqlite3_extended_errcode(handle), String(cString: sqlite3_errmsg(handle)))
    }

    private func failure(_ sql: String, _ code: CInt, _ detail: String) -> any Error {
        let error: any Error
        switch code & 0xff {
        case SQLITE_FULL: error = StorageError.full(directory: directory)
        case SQLITE_BUSY, SQLITE_LOCKED: error = StorageError.busy(directory: directory)
        case SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_CANTOPEN:
            let broken = StorageError.broken(directory: directory, detail: "\(detail), SQLite's code \(code)")
            breakage = broken
            error = broken
        case let primary:
            error = StatementError(isConstraint: primary == SQLITE_CONSTRAINT, detail: detail, sql: sql)
        }
        if !isInTransaction { endedEarly = error }
        return error
    }
}

/// A statement of one connection, with the row it lends.
final class PreparedStatement {
    /// Owns the handle and finalizes it.
    private let statement: Statement
    let handle: OpaquePointer
    let parameterCount: Int
    let isReadOnly: Bool
    let row: SQLiteRow
    var isLent = false

    init(_ statement: Statement) {
        self.statement = statement
        handle = statement.sqliteStatement
        parameterCount = Int(sqlite3_bind_parameter_count(handle))
        isReadOnly = statement.isReadonly
        row = SQLiteRow(handle)
    }

    func bind(_ value: SQLValue, at index: CInt) -> CInt {
        switch value {
        case .integer(let integer): return sqlite3_bind_int64(handle, index, integer)
        case .text(var text):
            return text.withUTF8 { bytes in
                // An empty string may have no address, which SQLite would take for NULL.
                guard let base = bytes.baseAddress else { return sqlite3_bind_text(handle, index, "", 0, Self.copied) }
                return base.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
                    sqlite3_bind_text(handle, index, $0, CInt(bytes.count), Self.copied)
                }
            }
        case .blob(let blob):
            if blob.isEmpty { return sqlite3_bind_zeroblob(handle, index, 0) }
            return blob.withUnsafeBytes {
                sqlite3_bind_blob(handle, index, $0.baseAddress, CInt($0.count), Self.copied)
            }
        case .null: return sqlite3_bind_null(handle, index)
        }
    }

    /// SQLITE_TRANSIENT, a cast that Swift does not import: SQLite copies the bytes before the call returns.
    private static var copied: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }
}

/// The row a statement stands at.
final class SQLiteRow: Row {
    private let handle: OpaquePointer

    init(_ handle: OpaquePointer) { self.handle = handle }

    func integer(_ column: Int) -> Int64 { sqlite3_column_int64(handle, CInt(column)) }

    func text(_ column: Int) -> String {
        guard let bytes = sqlite3_column_text(handle, CInt(column)) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, CInt(column)))
        return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    func blob(_ column: Int) -> [UInt8] {
        guard let bytes = sqlite3_column_blob(handle, CInt(column)) else { return [] }
        return Array(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(handle, CInt(column)))))
    }

    func isNull(_ column: Int) -> Bool { sqlite3_column_type(handle, CInt(column)) == SQLITE_NULL }
}
