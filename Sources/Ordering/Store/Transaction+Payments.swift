import BillingCore
import Storage

extension Transaction {
    private static var paymentColumns: String {
        """
        payment_id, account, reference, order_id, amount, registered_at, status, confirmed_at, balance_part, \
        coupon_id, coupon_part
        """
    }

    /// - Parameter account: `nil` for whoever runs the payments, who knows references and no accounts.
    /// - Throws: `OrderError.paymentNotFound`, also for a payment of another account.
    func payment(reference: String, of account: AccountID?) throws -> Payment {
        let found = try first(
            "SELECT \(Self.paymentColumns) FROM payment WHERE reference = ?", .text(reference), map: readPayment)
        guard let found, account == nil || found.account == account else {
            throw OrderError.paymentNotFound(reference)
        }
        return found
    }

    /// - Throws: `OrderError.paymentNotFound`, also for a payment of another account.
    func payment(_ id: String, of account: AccountID) throws -> Payment {
        let found = try all(
            "SELECT \(Self.paymentColumns) FROM payment WHERE partition = ? AND account = ? AND payment_id = ?",
            accountKey(account) + [.text(id)], map: readPayment
        ).first
        guard let found else { throw OrderError.paymentNotFound(id) }
        return found
    }

    /// Payments in the order of their announcement, after a place in that order.
    /// - Parameter account: `nil`: of all accounts.
    /// - Parameter reference: empty: any.
    func payments(
        of account: AccountID?, statuses: Set<Payment.Status>, reference: String, after: PageCursor, limit: Int
    ) throws -> [Payment] {
        var scope = account == nil ? "" : "partition = ? AND account = ? AND "
        if !reference.isEmpty { scope += "reference = ? AND " }
        // Numbers of our own enum, each at most once, so that there are few different statements.
        let numbers = statuses.map(\.rawValue).sorted().map(String.init).joined(separator: ", ")
        return try all(
            """
            SELECT \(Self.paymentColumns) FROM payment
            WHERE \(scope)status IN (\(numbers)) AND (registered_at, payment_id) > (?, ?)
            ORDER BY registered_at, payment_id LIMIT ?
            """,
            (account.map { accountKey($0) } ?? []) + (reference.isEmpty ? [] : [.text(reference)]) + [
                .instant(after.instant), .text(after.id), .integer(limit),
            ], map: readPayment)
    }

    private func readPayment(_ row: any Row) throws -> Payment {
        try Payment(
            id: PaymentID(row.text(0)), account: AccountID(row.text(1)), reference: row.text(2),
            orderID: row.optionalText(3).map { try OrderID($0) }, amount: row.money(4), balancePart: row.money(8),
            coupon: row.optionalText(9).map { CouponPart(coupon: try CouponID($0), amount: row.money(10)) },
            registeredAt: row.instant(5), status: Payment.Status(stored: row.integer(6), "status"),
            confirmedAt: row.optionalInstant(7))
    }

    /// - Throws: `OrderError.referenceUsed` when any account has a payment with that reference.
    func insert(_ payment: Payment) throws {
        let inserted = try execute(
            """
            INSERT INTO payment
                (partition, account, payment_id, reference, order_id, amount, status, registered_at, confirmed_at,
                balance_part, coupon_id, coupon_part)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (reference) DO NOTHING
            """,
            accountKey(payment.account) + [
                .text(payment.id.text), .text(payment.reference), .text(payment.orderID?.text),
                .money(payment.amount), .integer(payment.status.rawValue), .instant(payment.registeredAt),
                .instant(payment.confirmedAt), .money(payment.balancePart), .text(payment.coupon?.coupon.text),
                .money(payment.coupon?.amount ?? .zero),
            ])
        guard inserted == 1 else { throw OrderError.referenceUsed(payment.reference) }
    }

    func update(_ payment: Payment) throws {
        try execute(
            """
            UPDATE payment SET status = ?, confirmed_at = ?
            WHERE partition = ? AND account = ? AND payment_id = ?
            """,
            [.integer(payment.status.rawValue), .instant(payment.confirmedAt)] + accountKey(payment.account)
                + [.text(payment.id.text)])
    }
}
