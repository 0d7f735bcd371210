package import Storage

extension PricingService {
    /// Published versions are the same for every account, so this table alone does not start with a partition.
    package static let migrations = [
        Migration(
            number: 1, name: "price list",
            sql: """
                CREATE TABLE price_list (
                    version INTEGER NOT NULL PRIMARY KEY CHECK (version > 0),
                    effective_at INTEGER NOT NULL UNIQUE,
                    document TEXT NOT NULL
                ) STRICT;
                """),
        Migration(
            number: 2, name: "form of the documents",
            // Form 1 knows neither value-added items nor the days of the unconditional refund.
            sql: "ALTER TABLE price_list ADD COLUMN form INTEGER NOT NULL DEFAULT 1 CHECK (form IN (1, 2));"),
        Migration(
            number: 3, name: "versions that replace one another",
            // A version may take effect at the instant of the one before, which then never does.
            sql: """
                CREATE TABLE price_list_3 (
                    version INTEGER NOT NULL PRIMARY KEY CHECK (version > 0),
                    effective_at INTEGER NOT NULL,
                    document TEXT NOT NULL,
                    form INTEGER NOT NULL CHECK (form IN (1, 2))
                ) STRICT;
                INSERT INTO price_list_3 (version, effective_at, document, form)
                    SELECT version, effective_at, document, form FROM price_list;
                DROP TABLE price_list;
                ALTER TABLE price_list_3 RENAME TO price_list;
                """),
    ]
}
