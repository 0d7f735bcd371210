package import Storage

extension OrderingService {
    /// The schema of the order service. Numbers in columns named `kind`, `status`, `cause`, `method` and `unit` are the
    /// raw values of the enums in Rules. Money is in micros, instants in milliseconds since 1970.
    package static let migrations: [Migration] = [
        Migration(number: 1, name: "accounts and ledger", sql: accountsAndLedger),
        Migration(number: 2, name: "orders, payments and refunds", sql: ordersAndPayments),
        Migration(number: 3, name: "bill lines", sql: billLines),
        Migration(number: 4, name: "coupons, overdue, month close, renewals, value-added items", sql: wholeRuleBook),
        Migration(number: 5, name: "what a month close knew", sql: closeSequence),
        Migration(number: 6, name: "coupons that start, groups that are gone", sql: startsAndGoneGroups),
    ]

    private static let accountsAndLedger = """
        CREATE TABLE account (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            name TEXT NOT NULL,
            opened_at INTEGER NOT NULL,
            -- Sums of the journal, kept for speed and checked by the audit.
            balance INTEGER NOT NULL CHECK (balance >= 0),
            outstanding INTEGER NOT NULL CHECK (outstanding >= 0),
            last_at INTEGER NOT NULL CHECK (last_at >= opened_at),
            next_sequence INTEGER NOT NULL CHECK (next_sequence >= 1),
            PRIMARY KEY (partition, account)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE ledger_transaction (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            sequence INTEGER NOT NULL CHECK (sequence >= 1),
            at INTEGER NOT NULL,
            cause INTEGER NOT NULL CHECK (cause BETWEEN 1 AND 10),
            reference TEXT NOT NULL,
            balance_after INTEGER NOT NULL CHECK (balance_after >= 0),
            outstanding_after INTEGER NOT NULL CHECK (outstanding_after >= 0),
            PRIMARY KEY (partition, account, sequence),
            FOREIGN KEY (partition, account) REFERENCES account (partition, account)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE ledger_entry (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            ledger_account INTEGER NOT NULL CHECK (ledger_account BETWEEN 1 AND 7),
            amount INTEGER NOT NULL CHECK (amount <> 0),
            PRIMARY KEY (partition, account, sequence, ledger_account),
            FOREIGN KEY (partition, account, sequence) REFERENCES ledger_transaction (partition, account, sequence)
        ) STRICT, WITHOUT ROWID;

        CREATE TRIGGER ledger_transaction_is_kept BEFORE DELETE ON ledger_transaction
        BEGIN SELECT RAISE(ABORT, 'a ledger transaction is never deleted'); END;
        CREATE TRIGGER ledger_transaction_is_final BEFORE UPDATE ON ledger_transaction
        BEGIN SELECT RAISE(ABORT, 'a ledger transaction is never edited'); END;
        CREATE TRIGGER ledger_entry_is_kept BEFORE DELETE ON ledger_entry
        BEGIN SELECT RAISE(ABORT, 'a ledger entry is never deleted'); END;
        CREATE TRIGGER ledger_entry_is_final BEFORE UPDATE ON ledger_entry
        BEGIN SELECT RAISE(ABORT, 'a ledger entry is never edited'); END;
        """

    private static let ordersAndPayments = """
        CREATE TABLE customer_order (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            order_id TEXT NOT NULL,
            kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),
            status INTEGER NOT NULL CHECK (status BETWEEN 1 AND 3),
            group_id TEXT NOT NULL,
            name TEXT NOT NULL,
            network TEXT NOT NULL,
            specification TEXT NOT NULL,
            region TEXT NOT NULL,
            instances INTEGER NOT NULL CHECK (instances BETWEEN 1 AND 100),
            months INTEGER NOT NULL CHECK (months BETWEEN 1 AND 12),
            price_list_version INTEGER NOT NULL,
            list_nanos INTEGER NOT NULL,
            monthly_nanos INTEGER NOT NULL,
            gross INTEGER NOT NULL,
            discount INTEGER NOT NULL CHECK (discount >= 0),
            total INTEGER NOT NULL CHECK (total > 0 AND total = gross - discount),
            placed_at INTEGER NOT NULL,
            deadline_at INTEGER NOT NULL,
            paid_at INTEGER,
            payment_method INTEGER CHECK (payment_method BETWEEN 1 AND 2),
            payment_id TEXT NOT NULL,
            term_start INTEGER,
            term_end INTEGER CHECK (term_end > term_start),
            cancelled_at INTEGER,
            cancellation_cause INTEGER CHECK (cancellation_cause BETWEEN 1 AND 3),
            refunded INTEGER NOT NULL CHECK (refunded BETWEEN 0 AND total),
            refunded_at INTEGER,
            PRIMARY KEY (partition, account, order_id),
            FOREIGN KEY (partition, account) REFERENCES account (partition, account),
            CHECK ((status = 2) = (paid_at IS NOT NULL)),
            CHECK ((paid_at IS NULL) = (payment_method IS NULL)),
            CHECK ((paid_at IS NULL) = (term_start IS NULL)),
            CHECK ((paid_at IS NULL) = (term_end IS NULL)),
            CHECK ((status = 3) = (cancelled_at IS NOT NULL)),
            CHECK ((cancelled_at IS NULL) = (cancellation_cause IS NULL)),
            CHECK (refunded = 0 OR status = 2)
        ) STRICT, WITHOUT ROWID;

        CREATE INDEX order_by_time ON customer_order (partition, account, placed_at, order_id);
        -- An account has one unpaid order at most (domain 6.1): the second wall behind the check in the rules.
        CREATE UNIQUE INDEX order_unpaid ON customer_order (partition, account) WHERE status = 1;
        CREATE INDEX order_deadline ON customer_order (deadline_at) WHERE status = 1;

        -- Online money. A reference is unique over all accounts (M4), so its index does not start with a partition.
        CREATE TABLE payment (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            payment_id TEXT NOT NULL,
            reference TEXT NOT NULL UNIQUE,
            -- NULL for a top-up.
            order_id TEXT,
            amount INTEGER NOT NULL CHECK (amount > 0),
            status INTEGER NOT NULL CHECK (status BETWEEN 1 AND 4),
            registered_at INTEGER NOT NULL,
            confirmed_at INTEGER,
            PRIMARY KEY (partition, account, payment_id),
            FOREIGN KEY (partition, account) REFERENCES account (partition, account),
            CHECK ((status = 1) = (confirmed_at IS NULL))
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE refund (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            refund_id TEXT NOT NULL UNIQUE,
            at INTEGER NOT NULL,
            to_balance INTEGER NOT NULL CHECK (to_balance >= 0),
            online INTEGER NOT NULL CHECK (online >= 0),
            confirmed_at INTEGER,
            PRIMARY KEY (partition, account, refund_id),
            FOREIGN KEY (partition, account) REFERENCES account (partition, account),
            CHECK (to_balance + online > 0),
            CHECK (confirmed_at IS NULL OR online > 0)
        ) STRICT, WITHOUT ROWID;
        """

    private static let billLines = """
        -- What lines are about, once for each metered resource, order and refunded order.
        CREATE TABLE bill_source (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            number INTEGER NOT NULL CHECK (number >= 1),
            kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 4),
            source_id TEXT NOT NULL,
            group_id TEXT NOT NULL,
            specification TEXT NOT NULL,
            region TEXT NOT NULL,
            instances INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            anchor INTEGER,
            billing_unit INTEGER CHECK (billing_unit BETWEEN 1 AND 3),
            months INTEGER NOT NULL,
            order_id TEXT NOT NULL,
            refund_id TEXT NOT NULL,
            PRIMARY KEY (partition, account, number),
            UNIQUE (partition, account, kind, source_id),
            FOREIGN KEY (partition, account) REFERENCES account (partition, account)
        ) STRICT, WITHOUT ROWID;

        -- A line as it was posted. Its key makes usage idempotent: a resource has one line from an instant.
        CREATE TABLE bill_line (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            start_at INTEGER NOT NULL,
            source INTEGER NOT NULL,
            end_at INTEGER NOT NULL CHECK (end_at >= start_at),
            price_list_version INTEGER NOT NULL,
            list_price_nanos INTEGER NOT NULL,
            gross INTEGER NOT NULL,
            discount INTEGER NOT NULL,
            round_down INTEGER NOT NULL,
            coupon INTEGER NOT NULL,
            -- Paid at posting; what is paid later is in allocation.
            paid INTEGER NOT NULL,
            -- The ledger transaction that posted it; 0 for a line of zero.
            sequence INTEGER NOT NULL,
            posted_at INTEGER NOT NULL,
            PRIMARY KEY (partition, account, start_at, source),
            FOREIGN KEY (partition, account, source) REFERENCES bill_source (partition, account, number),
            CHECK (
                paid = gross - discount - round_down - coupon
                OR paid BETWEEN 0 AND gross - discount - round_down - coupon)
        ) STRICT, WITHOUT ROWID;

        -- What a later transaction paid of a line.
        CREATE TABLE allocation (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            start_at INTEGER NOT NULL,
            source INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            amount INTEGER NOT NULL CHECK (amount > 0),
            PRIMARY KEY (partition, account, start_at, source, sequence),
            FOREIGN KEY (partition, account, start_at, source)
                REFERENCES bill_line (partition, account, start_at, source),
            FOREIGN KEY (partition, account, sequence) REFERENCES ledger_transaction (partition, account, sequence)
        ) STRICT, WITHOUT ROWID;

        -- The lines that are not fully paid, oldest first in the order of settlement. An index over the two tables
        -- above, kept because a top-up must not search them; the audit compares.
        CREATE TABLE outstanding_line (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            start_at INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            source_id TEXT NOT NULL,
            source INTEGER NOT NULL,
            outstanding INTEGER NOT NULL CHECK (outstanding > 0),
            PRIMARY KEY (partition, account, start_at, created_at, source_id),
            FOREIGN KEY (partition, account, start_at, source)
                REFERENCES bill_line (partition, account, start_at, source)
        ) STRICT, WITHOUT ROWID;

        CREATE TRIGGER bill_line_is_kept BEFORE DELETE ON bill_line
        BEGIN SELECT RAISE(ABORT, 'a bill line is never deleted'); END;
        CREATE TRIGGER bill_line_is_final BEFORE UPDATE ON bill_line
        BEGIN SELECT RAISE(ABORT, 'a bill line is never edited'); END;
        CREATE TRIGGER bill_source_is_kept BEFORE DELETE ON bill_source
        BEGIN SELECT RAISE(ABORT, 'what a bill line is about is never deleted'); END;
        CREATE TRIGGER bill_source_is_final BEFORE UPDATE ON bill_source
        BEGIN SELECT RAISE(ABORT, 'what a bill line is about is never edited'); END;
        CREATE TRIGGER allocation_is_kept BEFORE DELETE ON allocation
        BEGIN SELECT RAISE(ABORT, 'an allocation is never deleted'); END;
        CREATE TRIGGER allocation_is_final BEFORE UPDATE ON allocation
        BEGIN SELECT RAISE(ABORT, 'an allocation is never edited'); END;
        """

    private static let wholeRuleBook = """
        -- Each `..._at` is NULL when the matter does not arise.
        ALTER TABLE account ADD COLUMN overdue_at INTEGER;
        ALTER TABLE account ADD COLUMN notice_due_at INTEGER;
        ALTER TABLE account ADD COLUMN is_low INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE account ADD COLUMN close_at INTEGER;
        CREATE INDEX account_notice ON account (notice_due_at) WHERE notice_due_at IS NOT NULL;
        CREATE INDEX account_close ON account (close_at) WHERE close_at IS NOT NULL;
        -- Accounts of before: what is outstanding was found at the last cut, and no month was closed.
        UPDATE account SET overdue_at = last_at, notice_due_at = last_at + 86400000 WHERE outstanding > 0;

        CREATE TABLE notice (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            sequence INTEGER NOT NULL CHECK (sequence >= 1),
            at INTEGER NOT NULL,
            kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 6),
            amount INTEGER NOT NULL,
            group_id TEXT NOT NULL,
            release_at INTEGER,
            PRIMARY KEY (partition, account, sequence),
            FOREIGN KEY (partition, account) REFERENCES account (partition, account)
        ) STRICT, WITHOUT ROWID;

        -- The accounts whose debt the close of a month paid: a repeat of that close names them again.
        CREATE TABLE month_close (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            month INTEGER NOT NULL,
            closed_at INTEGER NOT NULL,
            fraction INTEGER NOT NULL CHECK (fraction BETWEEN 0 AND 9999),
            recovered INTEGER NOT NULL,
            PRIMARY KEY (partition, account, month),
            FOREIGN KEY (partition, account) REFERENCES account (partition, account)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX month_close_recovered ON month_close (closed_at) WHERE recovered = 1;

        CREATE TABLE coupon (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            coupon_id TEXT NOT NULL,
            name TEXT NOT NULL,
            amount INTEGER NOT NULL CHECK (amount > 0),
            remaining INTEGER NOT NULL CHECK (remaining BETWEEN 0 AND amount),
            minimum_order INTEGER NOT NULL CHECK (minimum_order >= 0),
            effective_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL CHECK (expires_at > effective_at),
            -- Codes with commas between; empty: all.
            products TEXT NOT NULL,
            methods TEXT NOT NULL,
            granted_at INTEGER NOT NULL,
            PRIMARY KEY (partition, account, coupon_id),
            FOREIGN KEY (partition, account) REFERENCES account (partition, account)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX coupon_left ON coupon (partition, account, expires_at) WHERE remaining > 0;

        -- What a coupon paid of a line, in the line's own ledger transaction or in a later one; negative where it was
        -- restored.
        CREATE TABLE coupon_use (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            start_at INTEGER NOT NULL,
            source INTEGER NOT NULL,
            coupon_id TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            amount INTEGER NOT NULL CHECK (amount <> 0),
            PRIMARY KEY (partition, account, start_at, source, coupon_id, sequence),
            FOREIGN KEY (partition, account, coupon_id) REFERENCES coupon (partition, account, coupon_id),
            FOREIGN KEY (partition, account, start_at, source)
                REFERENCES bill_line (partition, account, start_at, source)
        ) STRICT, WITHOUT ROWID;
        CREATE TRIGGER coupon_use_is_kept BEFORE DELETE ON coupon_use
        BEGIN SELECT RAISE(ABORT, 'the use of a coupon is never deleted'); END;
        CREATE TRIGGER coupon_use_is_final BEFORE UPDATE ON coupon_use
        BEGIN SELECT RAISE(ABORT, 'the use of a coupon is never edited'); END;

        ALTER TABLE customer_order ADD COLUMN balance_part INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE customer_order ADD COLUMN online_part INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE customer_order ADD COLUMN coupon_part INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE customer_order ADD COLUMN coupon_id TEXT;
        -- NULL: no auto-renewal; 0: as many months as were bought last.
        ALTER TABLE customer_order ADD COLUMN auto_renewal_months INTEGER;
        ALTER TABLE customer_order ADD COLUMN is_automatic INTEGER NOT NULL DEFAULT 0;
        UPDATE customer_order SET balance_part = total WHERE payment_method = 1;
        UPDATE customer_order SET online_part = total WHERE payment_method = 2;

        ALTER TABLE payment ADD COLUMN balance_part INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE payment ADD COLUMN coupon_part INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE payment ADD COLUMN coupon_id TEXT;

        -- Of a value-added resource; empty for a group.
        ALTER TABLE bill_source ADD COLUMN item TEXT NOT NULL DEFAULT '';
        ALTER TABLE bill_source ADD COLUMN network TEXT NOT NULL DEFAULT '';
        -- Why, for an adjustment.
        ALTER TABLE bill_source ADD COLUMN note TEXT NOT NULL DEFAULT '';
        """

    private static let closeSequence = """
        -- The account's last transaction before the close: what was posted later is no part of it. Of a close of before,
        -- the one before its round-down line, or else the last by its instant.
        ALTER TABLE month_close ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
        UPDATE month_close SET sequence = COALESCE(
            (SELECT MAX(l.sequence) - 1 FROM bill_line l
                WHERE l.partition = month_close.partition AND l.account = month_close.account AND l.round_down > 0
                    AND l.start_at >= month_close.month AND l.start_at < month_close.month + 2678400000),
            (SELECT MAX(t.sequence) FROM ledger_transaction t
                WHERE t.partition = month_close.partition AND t.account = month_close.account
                    AND t.at <= month_close.closed_at),
            0);
        """

    private static let startsAndGoneGroups = """
        -- When the coupon becomes usable for pay-as-you-go bills and pays what is outstanding; NULL once that is done, and
        -- for one that never does.
        ALTER TABLE coupon ADD COLUMN starts_at INTEGER;
        CREATE INDEX coupon_start ON coupon (starts_at) WHERE starts_at IS NOT NULL;
        UPDATE coupon SET starts_at = effective_at
            WHERE effective_at > granted_at AND remaining > 0 AND minimum_order = 0 AND (methods = '' OR methods LIKE '%2%');

        -- Groups that were released: what remains of those that were metered has something to lose.
        CREATE TABLE released_group (
            partition INTEGER NOT NULL,
            account TEXT NOT NULL,
            group_id TEXT NOT NULL,
            PRIMARY KEY (partition, account, group_id),
            FOREIGN KEY (partition, account) REFERENCES account (partition, account)
        ) STRICT, WITHOUT ROWID;
        INSERT OR IGNORE INTO released_group SELECT partition, account, group_id FROM notice WHERE kind = 5;
        """
}
