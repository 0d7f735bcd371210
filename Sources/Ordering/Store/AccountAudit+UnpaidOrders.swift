import BillingCore
import Storage

extension AccountAudit {
    private struct Wait {
        var id: String
        var start: Int64
        var end: Int64
    }

    /// G1 as the orders tell it afterwards: each was unpaid from its placing until it was paid or cancelled, at its
    /// deadline at the latest, and no two of these times overlap. An auto-renewal is placed and paid in one write, also
    /// while an order of another group waits, so it never was unpaid.
    mutating func checkUnpaidOrders() throws {
        let waits = try transaction.all(
            """
            SELECT order_id, placed_at, CASE status WHEN 1 THEN NULL WHEN 2 THEN paid_at ELSE cancelled_at END,
                deadline_at
            FROM customer_order WHERE partition = ? AND account = ? AND is_automatic = 0
            """, key
        ) { row in
            Wait(
                id: row.text(0), start: row.integer(1),
                end: row.optionalInteger(2).map { min($0, row.integer(3)) } ?? .max)
        }
        checked(.oneUnpaidOrder, Int64(waits.count))
        var last: Wait?
        for wait in waits.sorted(by: { ($0.start, $0.end, $0.id) < ($1.start, $1.end, $1.id) }) {
            if let last, wait.start < last.end {
                breach(.oneUnpaidOrder, "orders \(last.id) and \(wait.id) were unpaid at \(wait.start)")
            }
            if wait.end >= last?.end ?? .min { last = wait }
        }
    }
}
