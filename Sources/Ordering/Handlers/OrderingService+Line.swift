import BillingAPI
import BillingCore
import RPC
import Storage

extension OrderingService {
    /// One line with all that it was computed from and all that paid it (domain 9.5).
    /// - Throws: `OrderError.lineNotFound`, also for a line of another account.
    func getLine(
        _ request: OrderV1.GetLineRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.LineDetails> {
        guard let name = LineName(request.lineID), call.account.isEmpty || call.account == name.account.text else {
            throw OrderError.lineNotFound(request.lineID)
        }
        return try await database.read { transaction in
            guard let found = try transaction.line(name) else { throw OrderError.lineNotFound(request.lineID) }
            let (source, line) = (found.source, found.line)
            var details = OrderV1.LineDetails(
                line: OrderV1.BillLine(found, now: call.effectiveAt), anchor: Timestamp.wire(source.anchor),
                createdAt: source.createdAt.milliseconds, payments: try transaction.payments(of: found))
            if !source.orderID.isEmpty {
                details.order = OrderV1.Order(try transaction.order(source.orderID, of: found.account))
            }
            if source.isRoundDown {
                details.monthNetMicros =
                    try transaction.usageNet(
                        of: found.account, month: BillingCalendar.month(of: line.start), through: line.sequence
                    ).micros
            }
            return Response(details)
        }
    }
}

extension Transaction {
    fileprivate func line(_ name: LineName) throws -> FoundLine? {
        guard let source = try sources(of: name.account)[name.key.source] else { return nil }
        var found: FoundLine?
        let next = name.key.start.adding(milliseconds: 1)
        try forEachLine(of: name.account, from: name.key.start, to: next) { line in
            guard line.source == name.key.source else { return true }
            found = FoundLine(account: name.account, source: source, line: line)
            return false
        }
        return found
    }

    /// What paid a line: at posting the coupons, the balance and an online payment; then what later transactions brought.
    fileprivate func payments(of found: FoundLine) throws -> [OrderV1.LinePayment] {
        let (account, line) = (found.account, found.line)
        let key = LineKey(start: line.start, source: line.source)
        let later = try allocations(of: key, of: account)
        let uses = try couponUses(of: key, of: account)
        func payment(_ at: Timestamp, _ kind: String, _ reference: String, _ amount: Money) -> OrderV1.LinePayment {
            OrderV1.LinePayment(
                at: at.milliseconds, kind: kind, reference: reference, amountMicros: amount.micros)
        }
        var payments = uses.filter { $0.sequence == line.sequence }.map {
            payment(line.postedAt, "coupon", $0.coupon, $0.amount)
        }
        var atPosting = line.amounts.paid - later.reduce(.zero) { $0 + $1.amount }
        if found.source.kind == .subscriptionOrder,
            case .paid(let paid) = try order(found.source.orderID, of: account).state, paid.parts.online > .zero
        {
            payments.append(payment(line.postedAt, "online", paid.paymentID, paid.parts.online))
            atPosting -= paid.parts.online
        }
        if atPosting != .zero {
            payments.append(payment(line.postedAt, "balance", "\(line.sequence)", atPosting))
        }
        for allocation in later {
            let coupon = uses.first { $0.sequence == allocation.sequence }
            payments.append(
                payment(
                    allocation.at, coupon == nil ? "credit" : "coupon", coupon?.coupon ?? "\(allocation.sequence)",
                    allocation.amount))
        }
        return payments
    }

    /// What later transactions paid of a line, in their order.
    private func allocations(
        of line: LineKey, of account: AccountID
    ) throws -> [(sequence: Int64, at: Timestamp, amount: Money)] {
        try all(
            """
            SELECT a.sequence, t.at, a.amount FROM allocation a
            JOIN ledger_transaction t
                ON t.partition = a.partition AND t.account = a.account AND t.sequence = a.sequence
            WHERE a.partition = ? AND a.account = ? AND a.start_at = ? AND a.source = ? ORDER BY a.sequence
            """, accountKey(account) + [.instant(line.start), .integer(line.source)]
        ) { ($0.integer(0), $0.instant(1), $0.money(2)) }
    }
}
