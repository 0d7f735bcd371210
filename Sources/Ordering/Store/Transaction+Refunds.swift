import BillingCore
import Storage

extension Transaction {
    /// - Parameter account: `nil` for whoever runs the payments, who knows refunds and no accounts.
    /// - Throws: `OrderError.refundNotFound`, also for a refund of another account.
    func refund(_ id: String, of account: AccountID?) throws -> PostedRefund {
        let found = try first(
            "SELECT refund_id, account, at, to_balance, online, confirmed_at FROM refund WHERE refund_id = ?",
            .text(id)
        ) { row in
            try PostedRefund(
                id: RefundID(row.text(0)), account: AccountID(row.text(1)), at: row.instant(2),
                toBalance: row.money(3), online: row.money(4), confirmedAt: row.optionalInstant(5))
        }
        guard let found, account == nil || found.account == account else { throw OrderError.refundNotFound(id) }
        return found
    }

    /// - Throws: `OrderError.refundMalformed` when the id is taken: a refund is posted once.
    func insert(_ refund: PostedRefund) throws {
        let inserted = try execute(
            """
            INSERT INTO refund (partition, account, refund_id, at, to_balance, online, confirmed_at)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO NOTHING
            """,
            accountKey(refund.account) + [
                .text(refund.id.text), .instant(refund.at), .money(refund.toBalance), .money(refund.online),
                .instant(refund.confirmedAt),
            ])
        guard inserted == 1 else {
            throw OrderError.refundMalformed(field: "refund_id", value: refund.id.text, why: "was posted before")
        }
    }

    func update(_ refund: PostedRefund) throws {
        try execute(
            "UPDATE refund SET confirmed_at = ? WHERE partition = ? AND account = ? AND refund_id = ?",
            [.instant(refund.confirmedAt)] + accountKey(refund.account) + [.text(refund.id.text)])
    }
}
