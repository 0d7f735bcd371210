import BillingCore
import Storage

// What is neither the customer's nor ours: online refunds that have not arrived, and payments whose orders are not paid.

extension AccountAudit {
    private struct Refunded {
        var id: String
        var online: Int64
        var isConfirmed: Bool
    }

    private struct Moved {
        var payable: Int64 = 0
        var external: Int64 = 0
        var payouts: Int64 = 0
    }

    /// M4 of refunds: the online part of each is payable until it is confirmed, and left us once when it is. M2: what is
    /// payable, and what is in clearing, is just that of the refunds and payments on their way.
    mutating func checkOnTheWay() throws {
        let refunds = try transaction.all(
            "SELECT refund_id, online, confirmed_at FROM refund WHERE partition = ? AND account = ?", key
        ) { Refunded(id: $0.text(0), online: $0.integer(1), isConfirmed: !$0.isNull(2)) }
        var moved = try movedByRefund()
        checked(.externalOnce, Int64(refunds.count))
        for refund in refunds {
            let found = moved.removeValue(forKey: refund.id) ?? Moved()
            let left = refund.isConfirmed ? refund.online : 0
            if found.external != left || found.payable != refund.online - left
                || found.payouts != (refund.isConfirmed ? 1 : 0)
            {
                breach(
                    .externalOnce,
                    "refund \(refund.id) of \(refund.online) online, confirmed: \(refund.isConfirmed), was paid out "
                        + "\(found.payouts) times, \(found.external) in all, and \(found.payable) is payable")
            }
        }
        for (id, found) in moved where found.external != 0 || found.payable != 0 || found.payouts != 0 {
            breach(.externalOnce, "\(found.external) was paid out for '\(id)', which is no refund")
        }
        let payable = refunds.reduce(0) { $0 + ($1.isConfirmed ? 0 : $1.online) }
        try check(.refundPayable, is: payable, "refunds that are not confirmed")
        try check(.clearing, is: try confirmedPayments(), "confirmed payments of orders that are not paid")
    }

    private mutating func check(_ ledger: LedgerAccount, is expected: Int64, _ sumOf: String) throws {
        let booked =
            try transaction.all(
                """
                SELECT COALESCE(SUM(amount), 0) FROM ledger_entry
                WHERE partition = ? AND account = ? AND ledger_account = ?
                """, key + [.integer(ledger.rawValue)]
            ) { $0.integer(0) }.first ?? 0
        checked(.conservation, 1)
        if booked != expected {
            breach(.conservation, "\(ledger) holds \(booked), the \(sumOf) come to \(expected)")
        }
    }

    /// What refunds, and confirmations of refunds, moved, by refund.
    private func movedByRefund() throws -> [String: Moved] {
        var moved: [String: Moved] = [:]
        try transaction.forEachRow(
            """
            SELECT t.reference, SUM(CASE WHEN e.ledger_account = 5 THEN e.amount ELSE 0 END),
                SUM(CASE WHEN e.ledger_account = 4 THEN e.amount ELSE 0 END),
                SUM(CASE WHEN e.ledger_account = 4 THEN 1 ELSE 0 END)
            FROM ledger_transaction t JOIN ledger_entry e
                ON e.partition = t.partition AND e.account = t.account AND e.sequence = t.sequence
            WHERE t.partition = ? AND t.account = ? AND t.cause IN (4, 5) GROUP BY t.reference
            """, key
        ) { row in
            moved[row.text(0)] = Moved(
                payable: row.integer(1), external: row.integer(2), payouts: row.integer(3))
            return true
        }
        return moved
    }

    private func confirmedPayments() throws -> Int64 {
        try transaction.all(
            """
            SELECT COALESCE(SUM(amount), 0) FROM payment
            WHERE partition = ? AND account = ? AND status = ? AND order_id IS NOT NULL
            """, key + [.integer(Payment.Status.confirmed.rawValue)]
        ) { $0.integer(0) }.first ?? 0
    }
}
