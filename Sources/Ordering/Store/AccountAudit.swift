import BillingCore
import Storage

/// The checks over one account, each a query or two: they read what is stored and use none of the code that wrote it.
struct AccountAudit {
    let transaction: any Transaction
    let account: Account
    var results: [MoneyInvariant: AuditResult] = [:]
    var rows: Int64 = 0

    var key: [SQLValue] { accountKey(account.id) }

    init(transaction: any Transaction, account: Account) {
        self.transaction = transaction
        self.account = account
    }

    mutating func run() throws {
        for invariant in MoneyInvariant.allCases { results[invariant] = AuditResult() }
        try checkJournal()
        try checkPayments()
        try checkOnTheWay()
        try checkOrders()
        try checkUnpaidOrders()
        try checkRefunds()
        try checkLines()
        try checkPostings()
        try checkCoupons()
        try checkCouponLines()
        try checkMonths()
    }

    mutating func checked(_ invariant: MoneyInvariant, _ count: Int64) {
        results[invariant, default: AuditResult()].checked += count
    }

    mutating func breach(_ invariant: MoneyInvariant, _ text: String) {
        let example = "\(account.id): \(text)"
        results[invariant, default: AuditResult()].breach(example)
    }

    /// M1, M2, M3 and T1: one pass over the journal, adding up.
    private mutating func checkJournal() throws {
        struct Step {
            var sequence: Int64
            var at: Int64
            var balanceAfter: Int64
            var outstandingAfter: Int64
            var entries: Int64
            var sum: Int64
            var balance: Int64
            var receivable: Int64
        }
        var balance: Int64 = 0
        var outstanding: Int64 = 0
        var last = (sequence: Int64(0), at: Int64.min)
        try transaction.forEachRow(
            """
            SELECT t.sequence, t.at, t.balance_after, t.outstanding_after, COUNT(e.amount), COALESCE(SUM(e.amount), 0),
                COALESCE(SUM(CASE WHEN e.ledger_account = 1 THEN e.amount ELSE 0 END), 0),
                COALESCE(SUM(CASE WHEN e.ledger_account = 2 THEN e.amount ELSE 0 END), 0)
            FROM ledger_transaction t LEFT JOIN ledger_entry e
                ON e.partition = t.partition AND e.account = t.account AND e.sequence = t.sequence
            WHERE t.partition = ? AND t.account = ?
            GROUP BY t.sequence, t.at, t.balance_after, t.outstanding_after ORDER BY t.sequence
            """, key
        ) { row in
            let step = Step(
                sequence: row.integer(0), at: row.integer(1), balanceAfter: row.integer(2),
                outstandingAfter: row.integer(3), entries: row.integer(4), sum: row.integer(5),
                balance: row.integer(6), receivable: row.integer(7))
            rows += 1 + step.entries
            checked(.doubleEntry, 1)
            checked(.conservation, 1)
            checked(.noOverdraft, 1)
            checked(.monotone, 1)
            if step.entries < 2 || step.sum != 0 {
                breach(
                    .doubleEntry, "transaction \(step.sequence) has \(step.entries) entries that sum to \(step.sum)")
            }
            balance += step.balance
            outstanding -= step.receivable
            if step.balanceAfter != balance || step.outstandingAfter != outstanding {
                breach(
                    .conservation,
                    "after transaction \(step.sequence) \(step.balanceAfter) and \(step.outstandingAfter) were noted, "
                        + "the entries sum to \(balance) and \(outstanding)")
            }
            if balance < 0 { breach(.noOverdraft, "the balance is \(balance) after transaction \(step.sequence)") }
            if step.sequence != last.sequence + 1 || step.at < last.at {
                breach(
                    .monotone,
                    "transaction \(step.sequence) at \(step.at) follows \(last.sequence) at \(last.at)")
            }
            last = (step.sequence, step.at)
            return true
        }
        checked(.conservation, 1)
        checked(.noOverdraft, 1)
        checked(.monotone, 1)
        if account.balance.micros != balance || account.outstanding.micros != outstanding {
            breach(
                .conservation,
                "balance \(account.balance.micros) and outstanding \(account.outstanding.micros) are noted, the entries "
                    + "sum to \(balance) and \(outstanding)")
        }
        if account.balance < .zero { breach(.noOverdraft, "the balance is \(account.balance)") }
        if account.nextSequence != last.sequence + 1 || last.at > account.lastAt.milliseconds {
            breach(.monotone, "the account is at \(account.nextSequence) and \(account.lastAt), past its journal")
        }
    }

    /// M4: an online top-up is booked exactly when it is confirmed, the payment of an order enters when it is confirmed
    /// and leaves when it is returned; and no money came in by payments that are not listed.
    private mutating func checkPayments() throws {
        let payments = try transaction.all(
            """
            SELECT p.payment_id, p.reference, p.order_id, p.amount, p.status,
                (SELECT COUNT(*) FROM payment q WHERE q.reference = p.reference)
            FROM payment p WHERE p.partition = ? AND p.account = ?
            """, key
        ) { row in
            (
                id: row.text(0), reference: row.text(1), isTopUp: row.isNull(2), amount: row.integer(3),
                status: row.integer(4), sharing: row.integer(5)
            )
        }
        var booked = try externalMoney()
        checked(.externalOnce, Int64(payments.count))
        for payment in payments {
            if payment.sharing != 1 {
                breach(.externalOnce, "\(payment.sharing) payments have the reference '\(payment.reference)'")
            }
            let came = payment.status >= Int64(Payment.Status.confirmed.rawValue) ? -payment.amount : 0
            let went = payment.status == Int64(Payment.Status.returned.rawValue) ? payment.amount : 0
            let expected: [LedgerCause: Int64] =
                payment.isTopUp ? [.topUp: came] : [.paymentConfirmed: came, .paymentReturned: went]
            for cause in [LedgerCause.topUp, .paymentConfirmed, .paymentReturned] {
                let found = booked[ExternalKey(cause: cause, reference: payment.id)]?.amount ?? 0
                let count = booked[ExternalKey(cause: cause, reference: payment.id)]?.count ?? 0
                let wanted = expected[cause] ?? 0
                if found != wanted || count > 1 {
                    breach(
                        .externalOnce,
                        "payment \(payment.id) moved \(found) by \(count) transactions of cause \(cause), not \(wanted)"
                    )
                }
                booked[ExternalKey(cause: cause, reference: payment.id)] = nil
            }
        }
        // What left by refunds is looked at with them.
        for key in booked.keys where key.cause != .refundConfirmed && key.reference != "cash" {
            breach(.externalOnce, "money moved for '\(key.reference)', which is no payment")
        }
    }

    private struct ExternalKey: Hashable {
        var cause: LedgerCause
        var reference: String
    }

    private func externalMoney() throws -> [ExternalKey: (amount: Int64, count: Int64)] {
        var moved: [ExternalKey: (amount: Int64, count: Int64)] = [:]
        try transaction.forEachRow(
            """
            SELECT t.cause, t.reference, SUM(e.amount), COUNT(*) FROM ledger_transaction t JOIN ledger_entry e
                ON e.partition = t.partition AND e.account = t.account AND e.sequence = t.sequence
            WHERE t.partition = ? AND t.account = ? AND e.ledger_account = 4 GROUP BY t.cause, t.reference
            """, key
        ) { row in
            let cause = try LedgerCause(stored: row.integer(0), "cause")
            moved[ExternalKey(cause: cause, reference: row.text(1))] = (row.integer(2), row.integer(3))
            return true
        }
        return moved
    }

    /// M5.
    private mutating func checkOrders() throws {
        let bookings = try bookings(of: .order)
        let lines = try lines(of: .subscriptionOrder)
        let orders = try transaction.all(
            """
            SELECT order_id, status, total, balance_part + online_part, coupon_part, paid_at, term_end FROM customer_order
            WHERE partition = ? AND account = ?
            """, key
        ) { row in
            (
                id: row.text(0), isPaid: row.integer(1) == Int64(Order.Status.paid.rawValue), total: row.integer(2),
                cash: row.integer(3), coupon: row.integer(4), paidAt: row.integer(5), end: row.integer(6)
            )
        }
        checked(.noDoubleCharge, Int64(orders.count))
        for order in orders {
            let (booked, count) = bookings[order.id] ?? (0, 0)
            let found = lines[order.id] ?? []
            guard order.isPaid else {
                if count != 0 || !found.isEmpty {
                    breach(.noDoubleCharge, "order \(order.id) is not paid but booked \(count) times")
                }
                continue
            }
            if count != 1 || booked != order.total || order.cash + order.coupon != order.total {
                breach(
                    .noDoubleCharge, "order \(order.id) of \(order.total) is booked \(count) times, \(booked) in all")
            }
            if found.count != 1 || found[0].payable != order.cash || found[0].start != order.paidAt
                || found[0].end != order.end
            {
                breach(
                    .noDoubleCharge, "order \(order.id) has \(found.count) bill lines, or one of another price or term")
            }
        }
        let known = Set(orders.map(\.id))
        for id in bookings.keys where !known.contains(id) {
            breach(.noDoubleCharge, "'\(id)' is booked and is no order")
        }
    }

    /// M6: refunds by order, by refund and in the ledger are one another's sums.
    private mutating func checkRefunds() throws {
        // What came back in money, and with what was restored of coupons.
        var byRefund: [String: (cash: Int64, whole: Int64)] = [:]
        var byOrder: [String: Int64] = [:]
        try transaction.forEachRow(
            """
            SELECT s.refund_id, s.order_id, l.gross - l.coupon, l.gross FROM bill_source s JOIN bill_line l
                ON l.partition = s.partition AND l.account = s.account AND l.start_at = s.created_at
                AND l.source = s.number
            WHERE s.partition = ? AND s.account = ? AND s.kind = 3
            """, key
        ) { row in
            let found = byRefund[row.text(0)] ?? (0, 0)
            byRefund[row.text(0)] = (found.cash - row.integer(2), found.whole - row.integer(3))
            byOrder[row.text(1), default: 0] -= row.integer(2)
            return true
        }
        let orders = try transaction.all(
            """
            SELECT order_id, balance_part + online_part, refunded FROM customer_order
            WHERE partition = ? AND account = ? AND refunded <> 0
            """, key
        ) { (id: $0.text(0), total: $0.integer(1), refunded: $0.integer(2)) }
        checked(.refundBound, Int64(orders.count))
        for order in orders {
            let posted = byOrder.removeValue(forKey: order.id) ?? 0
            if order.refunded > order.total || order.refunded < 0 || posted != order.refunded {
                breach(
                    .refundBound,
                    "order \(order.id) of \(order.total) notes \(order.refunded) as refunded, its lines \(posted)")
            }
        }
        for (id, amount) in byOrder where amount != 0 {
            breach(.refundBound, "order \(id) notes no refund, its lines \(amount)")
        }
        let bookings = try bookings(of: .refund)
        let refunds = try transaction.all(
            "SELECT refund_id, to_balance + online FROM refund WHERE partition = ? AND account = ?", key
        ) { (id: $0.text(0), amount: $0.integer(1)) }
        checked(.refundBound, Int64(refunds.count))
        for refund in refunds {
            let (booked, count) = bookings[refund.id] ?? (0, 0)
            let posted = byRefund.removeValue(forKey: refund.id) ?? (0, 0)
            if count != 1 || -booked != posted.whole || posted.cash != refund.amount {
                breach(
                    .refundBound,
                    "refund \(refund.id) of \(refund.amount) is booked \(count) times, \(-booked) in all; lines \(posted.cash)"
                )
            }
        }
        // One that restored a coupon alone moved no money, so it is no refund.
        for (id, posted) in byRefund where posted.cash != 0 {
            breach(.refundBound, "lines give back for '\(id)', which is no refund")
        }
    }

    /// Revenue booked for a cause, by reference.
    private func bookings(of cause: LedgerCause) throws -> [String: (amount: Int64, count: Int64)] {
        var found: [String: (amount: Int64, count: Int64)] = [:]
        try transaction.forEachRow(
            """
            SELECT t.reference, SUM(e.amount), COUNT(*) FROM ledger_transaction t JOIN ledger_entry e
                ON e.partition = t.partition AND e.account = t.account AND e.sequence = t.sequence
            WHERE t.partition = ? AND t.account = ? AND t.cause = ? AND e.ledger_account = 3 GROUP BY t.reference
            """, key + [.integer(cause.rawValue)]
        ) { row in
            found[row.text(0)] = (row.integer(1), row.integer(2))
            return true
        }
        return found
    }

    private struct OrderLine {
        var payable: Int64
        var start: Int64
        var end: Int64
    }

    /// Lines of orders, by order.
    private func lines(of kind: ItemKind) throws -> [String: [OrderLine]] {
        var sources: [Int64: String] = [:]
        try transaction.forEachRow(
            "SELECT number, order_id FROM bill_source WHERE partition = ? AND account = ? AND kind = ?",
            key + [.integer(kind.rawValue)]
        ) { row in
            sources[row.integer(0)] = row.text(1)
            return true
        }
        guard !sources.isEmpty else { return [:] }
        var found: [String: [OrderLine]] = [:]
        try transaction.forEachRow(
            """
            SELECT source, gross - discount - round_down - coupon, start_at, end_at FROM bill_line
            WHERE partition = ? AND account = ?
            """, key
        ) { row in
            if let order = sources[row.integer(0)] {
                found[order, default: []].append(
                    OrderLine(payable: row.integer(1), start: row.integer(2), end: row.integer(3)))
            }
            return true
        }
        return found
    }
}
