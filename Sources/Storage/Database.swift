/// A service's own database. SQLite is one driver; PostgreSQL will be another, over the same SQL texts.
package protocol Database: Sendable {
    /// Queues a unit of work for the writer, which runs many units in one transaction, each in a savepoint, commits once
    /// and then completes them all. The unit must be synchronous and free of other side effects: it may run more than
    /// once. What it throws rolls back this unit alone and reaches the caller.
    /// - Throws: what `unit` threw; `StorageError` when the queue is full or the disk refuses.
    func write<Result: Sendable>(
        _ lane: WriteLane, _ unit: @escaping @Sendable (any Transaction) throws -> Result
    ) async throws -> Result

    /// Runs `body` over a consistent snapshot, on a connection of its own.
    func read<Result: Sendable>(_ body: @escaping @Sendable (any Transaction) throws -> Result) async throws -> Result

    /// Where a test of recovery wants this process to die; `nil` in earnest.
    var crashPlan: CrashPlan? { get }
}

extension Database {
    package var crashPlan: CrashPlan? { nil }

    package func write<Result: Sendable>(
        _ unit: @escaping @Sendable (any Transaction) throws -> Result
    ) async throws -> Result {
        try await write(.single, unit)
    }
}

/// Single calls go before bulk work when both wait for the writer.
package enum WriteLane: Hashable, Sendable {
    case single
    case bulk
}

/// One unit's view of the database. Statements are prepared once per connection and SQL text.
package protocol Transaction: AnyObject {
    /// Runs a statement without rows.
    /// - Returns: the number of rows it changed.
    @discardableResult
    func execute(_ sql: String, _ arguments: [SQLValue]) throws -> Int

    /// Runs a query and lends each row to `body`, in order, until `body` returns `false`.
    func forEachRow(_ sql: String, _ arguments: [SQLValue], _ body: (any Row) throws -> Bool) throws
}

/// A row that is lent for the length of a closure. Columns count from 0.
package protocol Row {
    func integer(_ column: Int) -> Int64
    func text(_ column: Int) -> String
    func blob(_ column: Int) -> [UInt8]
    func isNull(_ column: Int) -> Bool
}

extension Row {
    package func optionalInteger(_ column: Int) -> Int64? { isNull(column) ? nil : integer(column) }
    package func optionalText(_ column: Int) -> String? { isNull(column) ? nil : text(column) }
    package func int(_ column: Int) -> Int { Int(integer(column)) }
}

extension Transaction {
    @discardableResult
    package func execute(_ sql: String, _ arguments: SQLValue...) throws -> Int { try execute(sql, arguments) }

    /// The first row, turned into a value; `nil` when there is none.
    package func first<Value>(
        _ sql: String, _ arguments: SQLValue..., map: (any Row) throws -> Value
    ) throws -> Value? {
        var found: Value?
        try forEachRow(sql, arguments) { row in
            found = try map(row)
            return false
        }
        return found
    }

    /// All rows, turned into values. The query bounds their number.
    package func all<Value>(_ sql: String, _ arguments: SQLValue..., map: (any Row) throws -> Value) throws -> [Value] {
        try all(sql, arguments, map: map)
    }

    package func all<Value>(_ sql: String, _ arguments: [SQLValue], map: (any Row) throws -> Value) throws -> [Value] {
        var values: [Value] = []
        try forEachRow(sql, arguments) { row in
            values.append(try map(row))
            return true
        }
        return values
    }
}

/// An argument of a statement.
package enum SQLValue: Hashable, Sendable {
    case integer(Int64)
    case text(String)
    case blob([UInt8])
    case null
}

extension SQLValue: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByNilLiteral {
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(stringLiteral value: String) { self = .text(value) }
    package init(nilLiteral: ()) { self = .null }
    package static func integer(_ value: Int) -> SQLValue { .integer(Int64(value)) }
    package static func integer(_ value: Int64?) -> SQLValue { value.map { .integer($0) } ?? .null }
    package static func text(_ value: String?) -> SQLValue { value.map { .text($0) } ?? .null }
}
