package import Storage

/// The tables of metering. Every key leads with the partition and the account (design 2.7). Enums are stored as the raw
/// values of the rules' types, instants as Unix milliseconds.
package enum MeteringSchema {
    package static let migrations = [
        Migration(
            number: 1, name: "groups and cursors",
            sql: """
                -- How far each account has come. Small, since every cut rewrites it.
                CREATE TABLE account_progress (
                    partition INTEGER NOT NULL CHECK (partition >= 0 AND partition < 256),
                    account TEXT NOT NULL,
                    last_at INTEGER NOT NULL,
                    cut_through INTEGER CHECK (cut_through <= last_at AND cut_through % 3600000 = 0),
                    due_at INTEGER CHECK (due_at % 3600000 = 0),
                    locks INTEGER NOT NULL CHECK (locks >= 0),
                    PRIMARY KEY (partition, account)
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX account_progress_due ON account_progress (due_at) WHERE due_at IS NOT NULL;
                CREATE INDEX account_progress_waiting ON account_progress (partition, account, due_at)
                    WHERE locks > 0;

                CREATE TABLE instance_group (
                    partition INTEGER NOT NULL CHECK (partition >= 0 AND partition < 256),
                    account TEXT NOT NULL,
                    group_id TEXT NOT NULL,
                    name TEXT NOT NULL,
                    specification TEXT NOT NULL,
                    region TEXT NOT NULL,
                    network TEXT NOT NULL,
                    instances INTEGER NOT NULL CHECK (instances >= 1 AND instances <= 100),
                    stopped BLOB NOT NULL,
                    status INTEGER NOT NULL CHECK (status >= 1 AND status <= 5),
                    method INTEGER NOT NULL CHECK (method >= 1 AND method <= 2),
                    requested_at INTEGER NOT NULL,
                    created_at INTEGER,
                    switched_at INTEGER,
                    released_at INTEGER,
                    release_cause INTEGER,
                    unit INTEGER,
                    anchor INTEGER,
                    order_id TEXT,
                    term_start INTEGER,
                    term_end INTEGER,
                    locked_by TEXT,
                    PRIMARY KEY (partition, account, group_id),
                    CHECK ((method = 2) = (unit IS NOT NULL)),
                    CHECK ((method = 1) = (order_id IS NOT NULL)),
                    CHECK ((order_id IS NULL) = (term_start IS NULL) AND (order_id IS NULL) = (term_end IS NULL)),
                    CHECK ((status = 5) = (released_at IS NOT NULL) AND (status = 5) = (release_cause IS NOT NULL)),
                    CHECK (locked_by IS NULL OR status = 2)
                ) STRICT, WITHOUT ROWID;
                -- Lists go by the instant of the request.
                CREATE INDEX instance_group_requested ON instance_group (partition, account, requested_at, group_id);
                -- The terms that will end: of active groups alone.
                CREATE INDEX instance_group_term ON instance_group (term_end) WHERE status = 2 AND term_end IS NOT NULL;

                -- How each group was billed, from its beginning on.
                CREATE TABLE segment (
                    partition INTEGER NOT NULL,
                    account TEXT NOT NULL,
                    group_id TEXT NOT NULL,
                    number INTEGER NOT NULL CHECK (number >= 1),
                    method INTEGER NOT NULL CHECK (method >= 1 AND method <= 2),
                    starts_at INTEGER NOT NULL,
                    ends_at INTEGER CHECK (ends_at >= starts_at),
                    unit INTEGER,
                    order_id TEXT,
                    PRIMARY KEY (partition, account, group_id, number),
                    FOREIGN KEY (partition, account, group_id) REFERENCES instance_group (partition, account, group_id),
                    CHECK ((method = 2) = (unit IS NOT NULL)),
                    CHECK ((method = 1) = (order_id IS NOT NULL))
                ) STRICT, WITHOUT ROWID;

                -- The pay-as-you-go segments that still have something to bill, with all that a cut needs to know of them.
                CREATE TABLE accrual (
                    partition INTEGER NOT NULL,
                    account TEXT NOT NULL,
                    group_id TEXT NOT NULL,
                    anchor INTEGER NOT NULL,
                    ends_at INTEGER CHECK (ends_at >= anchor),
                    created_at INTEGER NOT NULL,
                    unit INTEGER NOT NULL,
                    specification TEXT NOT NULL,
                    region TEXT NOT NULL,
                    instances INTEGER NOT NULL,
                    PRIMARY KEY (partition, account, group_id, anchor)
                ) STRICT, WITHOUT ROWID;
                """)
    ]
}
