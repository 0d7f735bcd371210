import BillingCore
import Storage

/// A line that is not fully paid.
struct OutstandingLine: Hashable, Sendable {
    var start: Timestamp
    var createdAt: Timestamp
    var sourceID: String
    var source: Int64
    var outstanding: Money
}

extension Transaction {
    // MARK: Sources

    private static var sourceColumns: String {
        """
        number, kind, source_id, group_id, specification, region, instances, created_at, anchor, billing_unit, months, \
        order_id, refund_id, item, network, note
        """
    }

    /// The source of an account with that kind and id.
    func source(
        _ kind: ItemKind, _ id: String, of account: AccountID
    ) throws -> (number: Int64, source: BillSource)? {
        try all(
            """
            SELECT \(Self.sourceColumns) FROM bill_source
            WHERE partition = ? AND account = ? AND kind = ? AND source_id = ?
            """, accountKey(account) + [.integer(kind.rawValue), .text(id)], map: readSource
        ).first
    }

    /// All sources of an account by their numbers.
    func sources(of account: AccountID) throws -> [Int64: BillSource] {
        var sources: [Int64: BillSource] = [:]
        try forEachRow(
            "SELECT \(Self.sourceColumns) FROM bill_source WHERE partition = ? AND account = ?", accountKey(account)
        ) { row in
            let (number, source) = try readSource(row)
            sources[number] = source
            return true
        }
        return sources
    }

    private func readSource(_ row: any Row) throws -> (number: Int64, source: BillSource) {
        let source = BillSource(
            kind: try ItemKind(stored: row.integer(1), "kind"), id: row.text(2), groupID: row.text(3),
            specification: row.text(4), region: row.text(5), instances: row.int(6), createdAt: row.instant(7),
            anchor: row.optionalInstant(8),
            billingUnit: try row.optionalInteger(9).map { try BillingUnit(stored: $0, "billing_unit") },
            months: row.int(10), orderID: row.text(11), refundID: row.text(12),
            product: try Product(stored: row.text(13)), network: row.text(14), note: row.text(15))
        return (row.integer(0), source)
    }

    /// Keeps a source that is not there yet.
    /// - Returns: its number, the account's next one.
    func insert(_ source: BillSource, of account: AccountID) throws -> Int64 {
        let key = accountKey(account)
        let last = try all(
            "SELECT number FROM bill_source WHERE partition = ? AND account = ? ORDER BY number DESC LIMIT 1", key
        ) { $0.integer(0) }.first
        let number = (last ?? 0) + 1
        try execute(
            """
            INSERT INTO bill_source
                (partition, account, number, kind, source_id, group_id, specification, region, instances, created_at,
                anchor, billing_unit, months, order_id, refund_id, item, network, note)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            key + [
                .integer(number), .integer(source.kind.rawValue), .text(source.id), .text(source.groupID),
                .text(source.specification), .text(source.region), .integer(source.instances),
                .instant(source.createdAt), .instant(source.anchor),
                .integer(source.billingUnit.map { Int64($0.rawValue) }), .integer(source.months),
                .text(source.orderID), .text(source.refundID), .text(source.product.item), .text(source.network),
                .text(source.note),
            ])
        return number
    }

    // MARK: Lines

    /// Posts a line of `source`, unless there is one with its key. What it owes becomes outstanding.
    /// - Returns: whether it was posted now.
    func insert(_ line: BillLine, about source: BillSource, of account: Account) throws -> Bool {
        let key = accountKey(account.id)
        let amounts = line.amounts
        let inserted = try execute(
            """
            INSERT INTO bill_line
                (partition, account, start_at, source, end_at, price_list_version, list_price_nanos, gross, discount,
                round_down, coupon, paid, sequence, posted_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO NOTHING
            """,
            [
                key[0], key[1], .instant(line.start), .integer(line.source), .instant(line.end),
                .integer(line.priceListVersion), .integer(line.listPrice.nanos), .money(amounts.gross),
                .money(amounts.discount), .money(amounts.roundDown), .money(amounts.coupon), .money(amounts.paid),
                .integer(line.sequence), .instant(line.postedAt),
            ])
        guard inserted == 1 else { return false }
        if amounts.outstanding > .zero {
            try execute(
                """
                INSERT INTO outstanding_line
                    (partition, account, start_at, created_at, source_id, source, outstanding)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
                key + [
                    .instant(line.start), .instant(source.createdAt), .text(source.id), .integer(line.source),
                    .money(amounts.outstanding),
                ])
        }
        return true
    }

    /// Lends the lines of an account that start in `[from, to)` and come after a key, in the order of their keys, each
    /// with what is still owed on it, until `body` returns `false`. It reads what it lends, and no more.
    func forEachLine(
        of account: AccountID, from: Timestamp, to: Timestamp, after: LineKey? = nil,
        _ body: (BillLine) throws -> Bool
    ) throws {
        // Most accounts owe nothing: no look for each line then.
        let owes = try !all(
            "SELECT 1 FROM outstanding_line WHERE partition = ? AND account = ? LIMIT 1", accountKey(account)
        ) { $0.integer(0) }.isEmpty
        let owed =
            owes
            ? """
            COALESCE((
                SELECT o.outstanding FROM outstanding_line o
                WHERE o.partition = l.partition AND o.account = l.account AND o.start_at = l.start_at
                    AND o.source = l.source), 0)
            """ : "0"
        try forEachRow(
            """
            SELECT start_at, source, end_at, price_list_version, list_price_nanos, gross, discount, round_down, coupon,
                sequence, posted_at, \(owed)
            FROM bill_line l WHERE partition = ? AND account = ? AND start_at >= ? AND start_at < ?
            ORDER BY start_at, source
            """, accountKey(account) + [.instant(after.map { max(from, $0.start) } ?? from), .instant(to)]
        ) { row in
            let key = LineKey(start: row.instant(0), source: row.integer(1))
            if let after, key <= after { return true }
            return try body(
                BillLine(
                    start: key.start, end: row.instant(2), source: key.source, priceListVersion: row.int(3),
                    listPrice: UnitPrice(nanos: row.integer(4)),
                    amounts: BillAmounts(
                        gross: row.money(5), discount: row.money(6), roundDown: row.money(7), coupon: row.money(8),
                        outstanding: row.money(11), lines: 1),
                    sequence: row.integer(9), postedAt: row.instant(10)))
        }
    }

    /// What identifies the content of a posted line; `nil` when there is none with that key.
    func postedUsage(
        _ key: LineKey, of account: AccountID
    ) throws -> (end: Timestamp, price: UsagePrice, gross: Money)? {
        try all(
            """
            SELECT end_at, price_list_version, list_price_nanos, gross FROM bill_line
            WHERE partition = ? AND account = ? AND start_at = ? AND source = ?
            """, accountKey(account) + [.instant(key.start), .integer(key.source)]
        ) { row in
            (
                row.instant(0), UsagePrice(priceListVersion: row.int(1), hourly: UnitPrice(nanos: row.integer(2))),
                row.money(3)
            )
        }.first
    }

    /// What the pay-as-you-go lines of the month cost net of coupons (domain 2.9).
    /// - Parameter through: the last ledger transaction that counts; a slice may be posted after its month was closed.
    func usageNet(of account: AccountID, month: Timestamp, through sequence: Int64 = .max) throws -> Money {
        try all(
            """
            SELECT COALESCE(SUM(l.gross - l.discount - l.coupon), 0) FROM bill_line l
            JOIN bill_source s ON s.partition = l.partition AND s.account = l.account AND s.number = l.source
            WHERE l.partition = ? AND l.account = ? AND l.start_at >= ? AND l.start_at < ? AND s.kind = ?
                AND l.sequence <= ?
            """,
            accountKey(account) + [
                .instant(month), .instant(BillingCalendar.monthEnd(of: month)),
                .integer(ItemKind.payAsYouGoBill.rawValue), .integer(sequence),
            ]
        ) { $0.money(0) }.first ?? .zero
    }

    // MARK: What is owed

    /// Lends the lines that are not fully paid, oldest first in the order of settlement, until `body` returns `false`.
    func forEachOutstandingLine(of account: AccountID, _ body: (OutstandingLine) throws -> Bool) throws {
        try forEachRow(
            """
            SELECT start_at, created_at, source_id, source, outstanding FROM outstanding_line
            WHERE partition = ? AND account = ? ORDER BY start_at, created_at, source_id
            """, accountKey(account)
        ) { row in
            try body(
                OutstandingLine(
                    start: row.instant(0), createdAt: row.instant(1), sourceID: row.text(2), source: row.integer(3),
                    outstanding: row.money(4)))
        }
    }

    /// Keeps that transaction `sequence` paid `amount` of a line.
    func allocate(_ amount: Money, to line: OutstandingLine, of account: AccountID, sequence: Int64) throws {
        let key = accountKey(account)
        try execute(
            """
            INSERT INTO allocation (partition, account, start_at, source, sequence, amount) VALUES (?, ?, ?, ?, ?, ?)
            """, key + [.instant(line.start), .integer(line.source), .integer(sequence), .money(amount)])
        let place = key + [.instant(line.start), .instant(line.createdAt), .text(line.sourceID)]
        if amount == line.outstanding {
            try execute(
                """
                DELETE FROM outstanding_line
                WHERE partition = ? AND account = ? AND start_at = ? AND created_at = ? AND source_id = ?
                """, place)
        } else {
            try execute(
                """
                UPDATE outstanding_line SET outstanding = ?
                WHERE partition = ? AND account = ? AND start_at = ? AND created_at = ? AND source_id = ?
                """, [.money(line.outstanding - amount)] + place)
        }
    }
}

extension Product {
    /// - Throws: `StoredProductError`.
    fileprivate init(stored item: String) throws {
        guard let known = Product(item: item) else { throw StoredProductError(item: item) }
        self = known
    }
}

/// A stored item that is no product: the data was written by another program, or damaged.
struct StoredProductError: Error, CustomStringConvertible {
    let item: String
    var description: String { "column item holds '\(item)', which means nothing to this program" }
}
