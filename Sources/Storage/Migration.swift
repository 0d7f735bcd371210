import BillingCore

/// One step of a schema: plain SQL, frozen once shipped. Each runs once, in a transaction of its own.
package struct Migration: Hashable, Sendable {
    /// From 1, without gaps, in the order of a service's list.
    package let number: Int
    package let name: String
    /// Any number of statements.
    package let sql: String

    package init(number: Int, name: String, sql: String) {
        self.number = number
        self.name = name
        self.sql = sql
    }

    /// Tells whether the text is still the one that was run.
    var fingerprint: Int64 { Int64(bitPattern: FNV1a.hash64(sql.utf8)) }
}

/// The migrations of one owner, of which a database keeps account: Storage itself, then the service.
struct Schema {
    let owner: String
    let migrations: [Migration]

    init(owner: String, migrations: [Migration]) {
        precondition(
            migrations.map(\.number) == Array(1..<(migrations.count + 1)),
            "the migrations of \(owner) are not numbered from 1 without gaps")
        self.owner = owner
        self.migrations = migrations
    }

    /// Where the migrations that were run are listed; older than every schema.
    static let list = """
        CREATE TABLE IF NOT EXISTS schema_migration (
            owner TEXT NOT NULL,
            number INTEGER NOT NULL,
            name TEXT NOT NULL,
            fingerprint INTEGER NOT NULL,
            PRIMARY KEY (owner, number)
        )
        """

    /// The migrations that are still to be run.
    /// - Throws: `StorageError.newerSchema` or `.changedMigration`; nothing is to be run then.
    func pending(in transaction: any Transaction, directory: String) throws -> ArraySlice<Migration> {
        let applied = try transaction.all(
            "SELECT number, fingerprint FROM schema_migration WHERE owner = ? ORDER BY number", .text(owner)
        ) { (number: $0.int(0), fingerprint: $0.integer(1)) }
        if let newest = applied.last, newest.number > migrations.count {
            throw StorageError.newerSchema(directory: directory, found: newest.number, known: migrations.count)
        }
        for (old, migration) in zip(applied, migrations) where old.fingerprint != migration.fingerprint {
            throw StorageError.changedMigration(
                directory: directory, number: migration.number, name: migration.name)
        }
        return migrations[applied.count...]
    }

    /// Keeps that `migration` was run, in the transaction that ran it.
    func record(_ migration: Migration, in transaction: any Transaction) throws {
        try transaction.execute(
            "INSERT INTO schema_migration (owner, number, name, fingerprint) VALUES (?, ?, ?, ?)", .text(owner),
            .integer(migration.number), .text(migration.name), .integer(migration.fingerprint))
    }
}

extension Schema {
    /// What Storage keeps in every service's database: the answers that were given, so that each is given once.
    static let storage = Schema(
        owner: "storage",
        migrations: [
            Migration(
                number: 1, name: "answers",
                sql: """
                    CREATE TABLE idempotency (
                        partition INTEGER NOT NULL,
                        account TEXT NOT NULL,
                        method INTEGER NOT NULL,
                        key TEXT NOT NULL,
                        fingerprint INTEGER NOT NULL,
                        status INTEGER NOT NULL,
                        reply BLOB,
                        effective_at INTEGER,
                        called_at INTEGER,
                        PRIMARY KEY (partition, account, method, key)
                    ) WITHOUT ROWID;

                    CREATE TABLE saga_step (
                        partition INTEGER NOT NULL,
                        account TEXT NOT NULL,
                        saga_id TEXT NOT NULL,
                        step TEXT NOT NULL,
                        state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
                        fingerprint INTEGER,
                        status INTEGER NOT NULL,
                        reply BLOB,
                        effective_at INTEGER,
                        PRIMARY KEY (partition, account, saga_id, step)
                    ) WITHOUT ROWID;

                    CREATE TABLE saga_fence (
                        partition INTEGER NOT NULL,
                        account TEXT NOT NULL,
                        saga_id TEXT NOT NULL,
                        max_epoch INTEGER NOT NULL,
                        PRIMARY KEY (partition, account, saga_id)
                    ) WITHOUT ROWID;
                    """)
        ])
}
