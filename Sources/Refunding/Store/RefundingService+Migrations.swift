package import Storage

extension RefundingService {
    /// Money is in micros, instants in milliseconds since 1970. `state` is the raw value of `Refund.State`.
    package static let migrations = [
        Migration(
            number: 1, name: "refunds",
            sql: """
                CREATE TABLE refund (
                    partition INTEGER NOT NULL,
                    account TEXT NOT NULL,
                    refund_id TEXT NOT NULL,
                    group_id TEXT NOT NULL,
                    state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
                    at INTEGER NOT NULL,
                    to_balance INTEGER NOT NULL CHECK (to_balance >= 0),
                    online INTEGER NOT NULL CHECK (online >= 0),
                    online_confirmed INTEGER NOT NULL CHECK (online_confirmed IN (0, 1)),
                    CHECK (to_balance + online > 0),
                    PRIMARY KEY (partition, account, refund_id)
                ) STRICT, WITHOUT ROWID;

                -- A group is given back once; what was dropped (4) was not given back.
                CREATE UNIQUE INDEX refund_of_group ON refund (partition, account, group_id) WHERE state <> 4;

                CREATE TABLE refund_order (
                    partition INTEGER NOT NULL,
                    account TEXT NOT NULL,
                    refund_id TEXT NOT NULL,
                    order_id TEXT NOT NULL,
                    position INTEGER NOT NULL CHECK (position >= 0),
                    cash_paid INTEGER NOT NULL CHECK (cash_paid >= 0),
                    consumed INTEGER NOT NULL CHECK (consumed >= 0),
                    refund INTEGER NOT NULL CHECK (refund >= 0 AND refund <= cash_paid),
                    used_days INTEGER NOT NULL CHECK (used_days >= 0),
                    term_days INTEGER NOT NULL CHECK (term_days >= used_days),
                    PRIMARY KEY (partition, account, refund_id, order_id),
                    FOREIGN KEY (partition, account, refund_id) REFERENCES refund (partition, account, refund_id)
                ) STRICT, WITHOUT ROWID;
                """)
    ]
}
