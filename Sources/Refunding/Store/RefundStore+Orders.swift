import BillingCore
import Storage

extension RefundStore {
    func insert(_ order: RefundedOrder, at position: Int, of refund: RefundID) throws {
        try transaction.execute(
            """
            INSERT INTO refund_order
                (partition, account, refund_id, order_id, position, cash_paid, consumed, refund, used_days, term_days,
                 balance_paid, online_paid, coupon_lost, payment_id, to_balance, online, in_full, factor_millionths,
                 list_nanos, months, term_start, term_end, price_list_version)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            owner + [
                .text(refund.text), .text(order.id), .integer(position), .integer(order.paid.cash.micros),
                .integer(order.consumed.micros), .integer(order.refund.micros),
                .integer(Int64(order.use.usedDays)), .integer(Int64(order.use.termDays)),
                .integer(order.paid.balance.micros), .integer(order.paid.online.micros),
                .integer(order.paid.coupon.micros), .text(order.paymentID), .integer(order.parts.toBalance.micros),
                .integer(order.parts.online.micros), .integer(order.inFull?.rawValue ?? 0),
                .integer(Int64(order.use.factorMillionths)), .integer(order.term.listNanos),
                .integer(Int64(order.term.months)), .integer(order.term.start.milliseconds),
                .integer(order.term.end.milliseconds), .integer(Int64(order.term.priceListVersion)),
            ])
    }

    func orders(of refund: RefundID) throws -> [RefundedOrder] {
        try transaction.all(
            """
            SELECT order_id, consumed, refund, used_days, term_days, balance_paid, online_paid, coupon_lost, payment_id,
                to_balance, online, in_full, factor_millionths, list_nanos, months, term_start, term_end,
                price_list_version
            FROM refund_order WHERE partition = ? AND account = ? AND refund_id = ? ORDER BY position
            """, owner + [.text(refund.text)]
        ) { row in
            // Days, months, factor and version were written from 32 bits.
            RefundedOrder(
                id: row.text(0),
                paid: PaidParts(
                    balance: Money(micros: row.integer(5)), online: Money(micros: row.integer(6)),
                    coupon: Money(micros: row.integer(7))), paymentID: row.text(8),
                term: BoughtTerm(
                    start: Timestamp(milliseconds: row.integer(15)), end: Timestamp(milliseconds: row.integer(16)),
                    months: UInt32(truncatingIfNeeded: row.integer(14)), listNanos: row.integer(13),
                    priceListVersion: UInt32(truncatingIfNeeded: row.integer(17))),
                use: TermUse(
                    usedDays: UInt32(truncatingIfNeeded: row.integer(3)),
                    termDays: UInt32(truncatingIfNeeded: row.integer(4)),
                    factorMillionths: UInt32(truncatingIfNeeded: row.integer(12))),
                inFull: FullRefundCause(rawValue: row.integer(11)), consumed: Money(micros: row.integer(1)),
                refund: Money(micros: row.integer(2)),
                parts: RefundParts(toBalance: Money(micros: row.integer(9)), online: Money(micros: row.integer(10))))
        }
    }
}
