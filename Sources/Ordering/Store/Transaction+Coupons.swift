import BillingCore
import Storage

extension Transaction {
    private static var couponColumns: String {
        """
        coupon_id, account, name, amount, remaining, minimum_order, effective_at, expires_at, products, methods, \
        granted_at
        """
    }

    /// - Throws: `CouponError.notFound`, also for a coupon of another account.
    func coupon(_ id: String, of account: AccountID) throws -> Coupon {
        let found = try all(
            "SELECT \(Self.couponColumns) FROM coupon WHERE partition = ? AND account = ? AND coupon_id = ?",
            accountKey(account) + [.text(id)], map: readCoupon
        ).first
        guard let found else { throw CouponError.notFound(id) }
        return found
    }

    /// The coupons of an account that can be used at `instant`.
    func usableCoupons(of account: AccountID, at instant: Timestamp) throws -> [Coupon] {
        try all(
            """
            SELECT \(Self.couponColumns) FROM coupon
            WHERE partition = ? AND account = ? AND remaining > 0 AND expires_at > ? AND effective_at <= ?
            """, accountKey(account) + [.instant(instant), .instant(instant)], map: readCoupon)
    }

    /// Coupons in the order of their granting, after a place in that order.
    /// - Parameter instant: only those that can be used then; `nil`: all.
    func coupons(
        of account: AccountID, usableAt instant: Timestamp?, after: PageCursor, limit: Int
    ) throws -> [Coupon] {
        try all(
            """
            SELECT \(Self.couponColumns) FROM coupon
            WHERE partition = ? AND account = ? AND (granted_at, coupon_id) > (?, ?)
                \(instant == nil ? "" : "AND remaining > 0 AND expires_at > ? AND effective_at <= ?")
            ORDER BY granted_at, coupon_id LIMIT ?
            """,
            accountKey(account) + [.instant(after.instant), .text(after.id)]
                + (instant.map { [.instant($0), .instant($0)] } ?? []) + [.integer(limit)], map: readCoupon)
    }

    /// The coupons of all accounts that start at or before `instant`: the earliest first, those of one instant in the
    /// order in which they pay.
    func startingCoupons(through instant: Timestamp, limit: Int) throws -> [Coupon] {
        try all(
            """
            SELECT \(Self.couponColumns) FROM coupon WHERE starts_at IS NOT NULL AND starts_at <= ?
            ORDER BY starts_at, partition, account, remaining DESC, expires_at, granted_at, coupon_id LIMIT ?
            """, .instant(instant), .integer(limit), map: readCoupon)
    }

    /// When the next coupon starts after `instant`.
    func nextCouponStart(after instant: Timestamp) throws -> Timestamp? {
        try first(
            "SELECT starts_at FROM coupon WHERE starts_at IS NOT NULL AND starts_at > ? ORDER BY starts_at LIMIT 1",
            .instant(instant)
        ) { $0.instant(0) }
    }

    /// Notes that a coupon has started.
    func noteStart(of coupon: Coupon) throws {
        try execute(
            "UPDATE coupon SET starts_at = NULL WHERE partition = ? AND account = ? AND coupon_id = ?",
            accountKey(coupon.account) + [.text(coupon.id.text)])
    }

    private func readCoupon(_ row: any Row) throws -> Coupon {
        Coupon(
            id: try CouponID(row.text(0)), account: try AccountID(row.text(1)), name: row.text(2),
            amount: row.money(3), remaining: row.money(4), minimumOrder: row.money(5),
            validity: Period(row.instant(6), row.instant(7)),
            products: Set(row.text(8).split(separator: ",").compactMap { Product(rawValue: String($0)) }),
            methods: Set(row.text(9).split(separator: ",").compactMap { Int($0).flatMap(BillingMethod.init) }),
            grantedAt: row.instant(10))
    }

    func insert(_ coupon: Coupon) throws {
        try execute(
            """
            INSERT INTO coupon
                (partition, account, coupon_id, name, amount, remaining, minimum_order, effective_at, expires_at,
                products, methods, granted_at, starts_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            accountKey(coupon.account) + [
                .text(coupon.id.text), .text(coupon.name), .money(coupon.amount), .money(coupon.remaining),
                .money(coupon.minimumOrder), .instant(coupon.validity.start), .instant(coupon.validity.end),
                .text(coupon.products.map(\.rawValue).sorted().joined(separator: ",")),
                .text(coupon.methods.map(\.rawValue).sorted().map(String.init).joined(separator: ",")),
                .instant(coupon.grantedAt), .instant(coupon.startsAt),
            ])
    }

    /// Keeps what is left of a coupon.
    func update(_ coupon: Coupon) throws {
        try execute(
            "UPDATE coupon SET remaining = ? WHERE partition = ? AND account = ? AND coupon_id = ?",
            [.money(coupon.remaining)] + accountKey(coupon.account) + [.text(coupon.id.text)])
    }

    /// Notes what a coupon paid of a line.
    /// - Parameter amount: negative where it is restored.
    func noteUse(
        of coupon: CouponID, _ amount: Money, for line: LineKey, of account: AccountID, sequence: Int64
    ) throws {
        try execute(
            """
            INSERT INTO coupon_use (partition, account, start_at, source, coupon_id, sequence, amount)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """,
            accountKey(account) + [
                .instant(line.start), .integer(line.source), .text(coupon.text), .integer(sequence), .money(amount),
            ])
    }

    /// What coupons paid of a line, in the order of the transactions.
    func couponUses(
        of line: LineKey, of account: AccountID
    ) throws -> [(coupon: String, sequence: Int64, amount: Money)] {
        try all(
            """
            SELECT coupon_id, sequence, amount FROM coupon_use
            WHERE partition = ? AND account = ? AND start_at = ? AND source = ? ORDER BY sequence, coupon_id
            """, accountKey(account) + [.instant(line.start), .integer(line.source)]
        ) { ($0.text(0), $0.integer(1), $0.money(2)) }
    }
}
