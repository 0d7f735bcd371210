package import Storage

/// What the gateway keeps: the journal of its sagas and the business clock. No business state of a participant.
package enum GatewaySchema {
    package static let migrations = [
        Migration(
            number: 1, name: "sagas and clock",
            sql: """
                CREATE TABLE saga (
                    partition INTEGER NOT NULL,
                    account TEXT NOT NULL,
                    saga_id TEXT NOT NULL,
                    definition TEXT NOT NULL,
                    definition_version INTEGER NOT NULL,
                    group_id TEXT NOT NULL,
                    method INTEGER NOT NULL,
                    key TEXT,
                    fingerprint INTEGER NOT NULL,
                    input BLOB NOT NULL,
                    effective_at INTEGER NOT NULL,
                    status TEXT NOT NULL CHECK (status IN ('RUNNING', 'UNDOING', 'COMMITTED', 'ABORTED')),
                    step TEXT NOT NULL,
                    epoch INTEGER NOT NULL CHECK (epoch > 0),
                    owner TEXT NOT NULL,
                    parked INTEGER NOT NULL CHECK (parked IN (0, 1)),
                    attempts INTEGER NOT NULL,
                    last_error TEXT NOT NULL,
                    result_status INTEGER,
                    result BLOB,
                    result_at INTEGER,
                    created_at INTEGER NOT NULL,
                    updated_at INTEGER NOT NULL,
                    PRIMARY KEY (partition, account, saga_id),
                    UNIQUE (partition, account, method, key),
                    CHECK ((status IN ('COMMITTED', 'ABORTED')) = (result IS NOT NULL))
                ) STRICT;
                CREATE INDEX saga_by_id ON saga (saga_id);
                CREATE UNIQUE INDEX saga_of_group ON saga (partition, account, group_id)
                    WHERE status IN ('RUNNING', 'UNDOING');

                CREATE TABLE saga_event (
                    partition INTEGER NOT NULL,
                    account TEXT NOT NULL,
                    saga_id TEXT NOT NULL,
                    sequence INTEGER NOT NULL,
                    step TEXT NOT NULL,
                    kind TEXT NOT NULL CHECK (kind IN ('STARTED', 'DONE', 'REJECTED', 'UNDO_STARTED', 'UNDONE')),
                    epoch INTEGER NOT NULL CHECK (epoch > 0),
                    status INTEGER,
                    output BLOB,
                    effective_at INTEGER,
                    at INTEGER NOT NULL,
                    PRIMARY KEY (partition, account, saga_id, sequence),
                    FOREIGN KEY (partition, account, saga_id) REFERENCES saga (partition, account, saga_id)
                ) STRICT;

                CREATE TABLE clock (
                    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
                    mode TEXT NOT NULL CHECK (mode IN ('real', 'manual')),
                    now INTEGER NOT NULL
                ) STRICT;
                """),
        Migration(
            number: 2, name: "sagas about no group",
            sql: """
                DROP INDEX saga_of_group;
                CREATE UNIQUE INDEX saga_of_group ON saga (partition, account, group_id)
                    WHERE status IN ('RUNNING', 'UNDOING') AND group_id <> '';
                """),
    ]
}
