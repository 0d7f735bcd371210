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
                """),
        Migration(
            number: 2, name: "whole-domain-7",
            sql: """
                ALTER TABLE refund ADD COLUMN renewal_only INTEGER NOT NULL DEFAULT 0 CHECK (renewal_only IN (0, 1));

                -- A renewal can be given back and its group later, once.
                DROP INDEX refund_of_group;
                CREATE UNIQUE INDEX refund_of_group ON refund (partition, account, group_id)
                    WHERE state <> 4 AND renewal_only = 0;

                -- What an order's refund follows from, and where it goes. `in_full` is the raw value of FullRefundCause.
                ALTER TABLE refund_order ADD COLUMN balance_paid INTEGER NOT NULL DEFAULT 0 CHECK (balance_paid >= 0);
                ALTER TABLE refund_order ADD COLUMN online_paid INTEGER NOT NULL DEFAULT 0 CHECK (online_paid >= 0);
                ALTER TABLE refund_order ADD COLUMN coupon_lost INTEGER NOT NULL DEFAULT 0 CHECK (coupon_lost >= 0);
                ALTER TABLE refund_order ADD COLUMN payment_id TEXT NOT NULL DEFAULT '';
                ALTER TABLE refund_order ADD COLUMN to_balance INTEGER NOT NULL DEFAULT 0 CHECK (to_balance >= 0);
                ALTER TABLE refund_order ADD COLUMN online INTEGER NOT NULL DEFAULT 0 CHECK (online >= 0);
                ALTER TABLE refund_order ADD COLUMN in_full INTEGER NOT NULL DEFAULT 0 CHECK (in_full BETWEEN 0 AND 2);
                ALTER TABLE refund_order ADD COLUMN factor_millionths INTEGER NOT NULL DEFAULT 1000000;
                ALTER TABLE refund_order ADD COLUMN list_nanos INTEGER NOT NULL DEFAULT 0 CHECK (list_nanos >= 0);
                ALTER TABLE refund_order ADD COLUMN months INTEGER NOT NULL DEFAULT 0;
                ALTER TABLE refund_order ADD COLUMN term_start INTEGER NOT NULL DEFAULT 0;
                ALTER TABLE refund_order ADD COLUMN term_end INTEGER NOT NULL DEFAULT 0;
                ALTER TABLE refund_order ADD COLUMN price_list_version INTEGER NOT NULL DEFAULT 0;

                -- Until now a refund was of one order, which was paid in one way.
                UPDATE refund_order SET online_paid = cash_paid, online = refund WHERE EXISTS (
                    SELECT 1 FROM refund WHERE refund.partition = refund_order.partition
                        AND refund.account = refund_order.account AND refund.refund_id = refund_order.refund_id
                        AND refund.online > 0);
                UPDATE refund_order SET balance_paid = cash_paid, to_balance = refund WHERE online_paid = 0;

                -- Domain 7.4: once per account and calendar year.
                CREATE TABLE unconditional_refund (
                    partition INTEGER NOT NULL,
                    account TEXT NOT NULL,
                    year INTEGER NOT NULL,
                    refund_id TEXT NOT NULL,
                    PRIMARY KEY (partition, account, year),
                    FOREIGN KEY (partition, account, refund_id) REFERENCES refund (partition, account, refund_id)
                ) STRICT, WITHOUT ROWID;
                """),
        Migration(
            number: 3, name: "creations-that-failed",
            sql: """
                -- `in_full` may be 3, so the table is made anew; all else of it is as before.
                CREATE TABLE refund_order_3 (
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
                    balance_paid INTEGER NOT NULL CHECK (balance_paid >= 0),
                    online_paid INTEGER NOT NULL CHECK (online_paid >= 0),
                    coupon_lost INTEGER NOT NULL CHECK (coupon_lost >= 0),
                    payment_id TEXT NOT NULL,
                    to_balance INTEGER NOT NULL CHECK (to_balance >= 0),
                    online INTEGER NOT NULL CHECK (online >= 0),
                    in_full INTEGER NOT NULL CHECK (in_full BETWEEN 0 AND 3),
                    factor_millionths INTEGER NOT NULL,
                    list_nanos INTEGER NOT NULL CHECK (list_nanos >= 0),
                    months INTEGER NOT NULL,
                    term_start INTEGER NOT NULL,
                    term_end INTEGER NOT NULL,
                    price_list_version INTEGER NOT NULL,
                    PRIMARY KEY (partition, account, refund_id, order_id),
                    FOREIGN KEY (partition, account, refund_id) REFERENCES refund (partition, account, refund_id)
                ) STRICT, WITHOUT ROWID;
                INSERT INTO refund_order_3
                SELECT partition, account, refund_id, order_id, position, cash_paid, consumed, refund, used_days,
                    term_days, balance_paid, online_paid, coupon_lost, payment_id, to_balance, online, in_full,
                    factor_millionths, list_nanos, months, term_start, term_end, price_list_version
                FROM refund_order;
                DROP TABLE refund_order;
                ALTER TABLE refund_order_3 RENAME TO refund_order;
                """),
    ]
}
