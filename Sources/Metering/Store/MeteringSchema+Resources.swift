import Storage

extension MeteringSchema {
    static let resources = Migration(
        number: 3, name: "value-added resources",
        sql: """
            CREATE TABLE value_added_resource (
                partition INTEGER NOT NULL CHECK (partition >= 0 AND partition < 256),
                account TEXT NOT NULL,
                resource_id TEXT NOT NULL,
                kind INTEGER NOT NULL CHECK (kind >= 1 AND kind <= 4),
                region TEXT NOT NULL,
                -- Empty for OSS.
                network TEXT NOT NULL,
                -- Mbps of shared bandwidth, GiB of OSS, 1 for the others.
                quantity INTEGER NOT NULL CHECK (quantity >= 1),
                status INTEGER NOT NULL CHECK (status >= 1 AND status <= 3),
                created_at INTEGER NOT NULL,
                -- The creation, or the recovery of the account.
                active_since INTEGER,
                overdue_at INTEGER,
                released_at INTEGER,
                PRIMARY KEY (partition, account, resource_id),
                CHECK ((kind = 4) = (network = '')),
                CHECK ((status = 1) = (active_since IS NOT NULL)),
                CHECK ((status = 2) = (overdue_at IS NOT NULL)),
                CHECK ((status = 3) = (released_at IS NOT NULL))
            ) STRICT, WITHOUT ROWID;
            -- Lists go by the instant of the creation.
            CREATE INDEX value_added_resource_created
                ON value_added_resource (partition, account, created_at, resource_id);
            -- A network has one NAT gateway and one EIP, a region one backup; shared bandwidth adds up.
            CREATE UNIQUE INDEX value_added_resource_single
                ON value_added_resource (partition, account, kind, region, network) WHERE status <> 3 AND kind <> 3;

            -- When each resource was used, and at which size. No clock hour holds two of one resource.
            CREATE TABLE resource_use (
                partition INTEGER NOT NULL,
                account TEXT NOT NULL,
                resource_id TEXT NOT NULL,
                starts_at INTEGER NOT NULL,
                ends_at INTEGER CHECK (ends_at > starts_at),
                quantity INTEGER NOT NULL CHECK (quantity >= 1),
                PRIMARY KEY (partition, account, resource_id, starts_at),
                FOREIGN KEY (partition, account, resource_id)
                    REFERENCES value_added_resource (partition, account, resource_id)
            ) STRICT, WITHOUT ROWID;

            -- Use of resources is cut with that of groups. For a resource, group_id is its own id, anchor the start of
            -- the stretch, unit 3, and quantity not NULL.
            ALTER TABLE accrual ADD COLUMN network TEXT;
            ALTER TABLE accrual ADD COLUMN quantity INTEGER CHECK ((quantity IS NULL) = (network IS NULL));
            """)
}
