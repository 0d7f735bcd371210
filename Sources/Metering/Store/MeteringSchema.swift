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
                """),
        Migration(
            number: 2, name: "overdue accounts and renewals",
            sql: """
                -- The cut that found the account overdue; NULL while it owes nothing.
                ALTER TABLE account_progress ADD COLUMN overdue_at INTEGER CHECK (overdue_at % 3600000 = 0);

                -- The stretches in which an account was overdue: the only gaps in its groups' pay-as-you-go.
                CREATE TABLE overdue_interval (
                    partition INTEGER NOT NULL,
                    account TEXT NOT NULL,
                    starts_at INTEGER NOT NULL CHECK (starts_at % 3600000 = 0),
                    ends_at INTEGER CHECK (ends_at >= starts_at),
                    PRIMARY KEY (partition, account, starts_at)
                ) STRICT, WITHOUT ROWID;

                -- An expired group can be held for its renewal, which the old table forbids: both are made anew.
                CREATE TEMP TABLE kept_group AS SELECT * FROM instance_group;
                CREATE TEMP TABLE kept_segment AS SELECT * FROM segment;
                DROP TABLE segment;
                DROP TABLE instance_group;

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
                    -- Since when it is overdue; of a released group, where that stopped its billing.
                    overdue_at INTEGER,
                    order_id TEXT,
                    term_start INTEGER,
                    term_end INTEGER,
                    months INTEGER CHECK (months >= 1),
                    -- The end of the last paid term; later than term_end while renewals are pending.
                    paid_through INTEGER,
                    nominal_start INTEGER,
                    nominal_months INTEGER CHECK (nominal_months >= 1),
                    -- Only attempts after this instant are made; NULL: no auto-renewal.
                    renewal_after INTEGER,
                    -- NULL: as many as were bought last.
                    renewal_months INTEGER CHECK (renewal_months >= 1),
                    -- What is due next, and when: kept for the indexes below.
                    attempt_at INTEGER,
                    release_at INTEGER,
                    locked_by TEXT,
                    PRIMARY KEY (partition, account, group_id),
                    CHECK ((method = 2) = (unit IS NOT NULL)),
                    CHECK ((method = 1) = (order_id IS NOT NULL)),
                    CHECK ((order_id IS NULL) = (term_start IS NULL) AND (order_id IS NULL) = (term_end IS NULL)),
                    CHECK ((order_id IS NULL) = (months IS NULL) AND (order_id IS NULL) = (paid_through IS NULL)),
                    CHECK ((order_id IS NULL) = (nominal_start IS NULL) AND (order_id IS NULL) = (nominal_months IS NULL)),
                    CHECK (paid_through >= term_end),
                    CHECK (renewal_after IS NULL OR method = 1),
                    CHECK (renewal_months IS NULL OR renewal_after IS NOT NULL),
                    CHECK (status <> 3 OR (method = 2 AND anchor IS NOT NULL AND overdue_at IS NOT NULL)),
                    CHECK (status NOT IN (1, 2, 4) OR overdue_at IS NULL),
                    CHECK (status <> 4 OR method = 1),
                    CHECK ((status = 5) = (released_at IS NOT NULL) AND (status = 5) = (release_cause IS NOT NULL)),
                    CHECK ((status IN (3, 4)) = (release_at IS NOT NULL)),
                    CHECK (locked_by IS NULL OR status IN (2, 4))
                ) STRICT, WITHOUT ROWID;
                -- The months of a term follow from its ends: it ends the day after the same day so many months later, in
                -- the billing time zone.
                INSERT INTO instance_group
                SELECT partition, account, group_id, name, specification, region, network, instances, stopped, status,
                    method, requested_at, created_at, switched_at, released_at, release_cause, unit, anchor, NULL,
                    order_id, term_start, term_end, months, term_end, term_start, months, NULL, NULL, NULL,
                    CASE status WHEN 4 THEN term_end + 1296000000 END, locked_by
                FROM (
                    SELECT *, CASE WHEN order_id IS NOT NULL THEN MAX(1,
                        12 * (strftime('%Y', term_end / 1000 - 57600, 'unixepoch')
                            - strftime('%Y', term_start / 1000 + 28800, 'unixepoch'))
                        + strftime('%m', term_end / 1000 - 57600, 'unixepoch')
                        - strftime('%m', term_start / 1000 + 28800, 'unixepoch')) END AS months
                    FROM kept_group
                );
                DROP TABLE kept_group;
                -- Lists go by the instant of the request.
                CREATE INDEX instance_group_requested ON instance_group (partition, account, requested_at, group_id);
                -- The terms that will end: of active groups alone.
                CREATE INDEX instance_group_term ON instance_group (term_end) WHERE status = 2 AND term_end IS NOT NULL;
                CREATE INDEX instance_group_release ON instance_group (release_at) WHERE release_at IS NOT NULL;
                CREATE INDEX instance_group_attempt ON instance_group (attempt_at) WHERE attempt_at IS NOT NULL;

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
                INSERT INTO segment SELECT * FROM kept_segment;
                DROP TABLE kept_segment;

                -- Paid renewals whose terms have not begun, first to last.
                CREATE TABLE pending_renewal (
                    partition INTEGER NOT NULL,
                    account TEXT NOT NULL,
                    group_id TEXT NOT NULL,
                    starts_at INTEGER NOT NULL,
                    ends_at INTEGER NOT NULL CHECK (ends_at > starts_at),
                    order_id TEXT NOT NULL,
                    months INTEGER NOT NULL CHECK (months >= 1),
                    PRIMARY KEY (partition, account, group_id, starts_at),
                    FOREIGN KEY (partition, account, group_id) REFERENCES instance_group (partition, account, group_id)
                ) STRICT, WITHOUT ROWID;
                """),
        resources,
    ]
}
