package import BillingCore

/// What a database may answer instead of doing its work. None of these is ever recorded for an idempotency key.
package enum StorageError: BillingError, Hashable {
    /// The bounded queue before the writer or the readers is full; nothing was done. Send the same call again later.
    case queueFull(waiting: Int)
    /// The disk has no room; nothing was done. Reads go on.
    case full(directory: String)
    /// Another program holds the database file for longer than the busy timeout; nothing was done.
    case busy(directory: String)
    /// The database was closed; nothing was done.
    case closed(directory: String)
    /// The disk failed to read or to keep data. What became of the call is unknown until the process has started again.
    case broken(directory: String, detail: String)
    /// Another process serves this directory.
    case directoryInUse(String)
    /// The directory or its database cannot be created, opened or locked.
    case cannotOpen(directory: String, detail: String)
    /// A setting that the promises rest on did not take effect.
    case unsafeSetting(String, value: String)
    /// The data was written by a program that knows more migrations.
    case newerSchema(directory: String, found: Int, known: Int)
    /// A migration that was already run has another text now.
    case changedMigration(directory: String, number: Int, name: String)
    /// A migration's SQL failed; it was rolled back.
    case failedMigration(directory: String, number: Int, name: String, detail: String)

    package var status: Status {
        switch self {
        case .queueFull, .full: .resourceExhausted
        case .busy, .closed: .unavailable
        case .broken: .unknown
        case .directoryInUse, .cannotOpen, .unsafeSetting, .newerSchema, .changedMigration,
            .failedMigration:
            .internalError
        }
    }

    package var reason: String {
        switch self {
        case .queueFull: "storage.queue_full"
        case .full: "storage.full"
        case .busy: "storage.busy"
        case .closed: "storage.closed"
        case .broken: "storage.broken"
        case .directoryInUse: "storage.in_use"
        case .cannotOpen: "storage.cannot_open"
        case .unsafeSetting: "storage.unsafe_setting"
        case .newerSchema: "storage.newer_schema"
        case .changedMigration: "storage.changed_migration"
        case .failedMigration: "storage.failed_migration"
        }
    }

    package var message: String {
        switch self {
        case .queueFull(let waiting):
            "\(waiting) calls already wait for the database. Nothing was done; send the same call again in a moment."
        case .full(let directory):
            "The disk that holds '\(directory)' is full. Nothing was done; make room, then send the same call again."
        case .busy(let directory):
            "Another program keeps the database in '\(directory)' locked. Nothing was done; close that program."
        case .closed(let directory):
            "The database in '\(directory)' is closed, as its process stops. Nothing was done."
        case .broken(let directory, let detail):
            "The disk that holds '\(directory)' failed: \(detail). Check it, then start the process again."
        case .directoryInUse(let directory):
            "Another process already serves the data in '\(directory)'. Stop it, or choose another directory."
        case .cannotOpen(let directory, let detail):
            "The data in '\(directory)' cannot be opened: \(detail)."
        case .unsafeSetting(let setting, let value):
            "SQLite runs with \(setting) = \(value), which may lose acknowledged writes; this program refuses to start."
        case .newerSchema(let directory, let found, let known):
            "Data in '\(directory)' was written by a newer version (schema \(found); this program knows \(known)). "
                + "Use the newer program."
        case .changedMigration(let directory, let number, let name):
            "Migration \(number) '\(name)' has another text than the one that made the data in '\(directory)'. "
                + "A migration that was run is never edited; add a new one."
        case .failedMigration(let directory, let number, let name, let detail):
            "Migration \(number) '\(name)' failed on the data in '\(directory)' and was undone: \(detail)."
        }
    }

    package var value: String {
        switch self {
        case .queueFull(let waiting): String(waiting)
        case .full(let directory), .busy(let directory), .closed(let directory), .broken(let directory, _),
            .directoryInUse(let directory), .cannotOpen(let directory, _),
            .newerSchema(let directory, _, _), .changedMigration(let directory, _, _),
            .failedMigration(let directory, _, _, _):
            directory
        case .unsafeSetting(let setting, _): setting
        }
    }
}

/// A statement that the database refused: a broken constraint or wrong SQL. It is our bug, so it carries the SQL for the
/// log and is no `BillingError`: a peer only learns that the call failed inside.
package struct StatementError: Error, Hashable, CustomStringConvertible {
    /// Whether a NOT NULL, UNIQUE, CHECK or foreign key rule was broken.
    package let isConstraint: Bool
    package let detail: String
    package let sql: String

    package var description: String { "\(detail) in: \(sql)" }
}
