import BillingAPI
import BillingCore
import RPC
import Storage

extension OrderingService {
    /// What was given back of each order in partitions `[from, to)`, in the order of its key. It reads what is stored as it
    /// is, so that an order or a refund that is gone or damaged is told and not refused.
    /// - Throws: `PageError` for a range that is none.
    func listPostedRefunds(
        _ request: OrderV1.ListPostedRefundsRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListPostedRefundsReply> {
        let partitions = try Partition.range(request.partitionFrom, request.partitionTo)
        return try await database.read { transaction in
            let found = try transaction.postedRefunds(
                partitions, after: request.afterAccount, request.afterLine, limit: Self.refundsPerPage)
            var reply = OrderV1.ListPostedRefundsReply(refunds: found)
            if found.count == Self.refundsPerPage, let last = found.last {
                reply.nextAccount = last.accountID
                reply.nextPartition = UInt32(Partition.of(last.accountID))
                reply.nextLine = last.lineID
            }
            return Response(reply)
        }
    }

    private static let refundsPerPage = 1000
}

extension OrderV1.PostedRefund {
    /// Names the line among its account's refunds: the id of its source.
    fileprivate var lineID: String { "\(refundID)/\(orderID)" }
}

extension Transaction {
    fileprivate func postedRefunds(
        _ partitions: Range<Int>, after account: String, _ line: String, limit: Int
    ) throws -> [OrderV1.PostedRefund] {
        try all(
            """
            SELECT s.account, s.refund_id, s.order_id, s.group_id, l.start_at, l.coupon - l.gross, -l.coupon,
                COALESCE(r.to_balance, 0), COALESCE(r.online, 0), COALESCE(r.confirmed_at, 0), COALESCE(o.kind, 0),
                COALESCE(o.paid_at, 0), COALESCE(o.balance_part, 0), COALESCE(o.online_part, 0),
                COALESCE(o.coupon_part, 0), COALESCE(o.payment_id, ''), COALESCE(o.term_start, 0),
                COALESCE(o.term_end, 0), COALESCE(o.months, 0), COALESCE(o.list_nanos, 0),
                COALESCE(o.price_list_version, 0)
            FROM bill_source s
            JOIN bill_line l ON l.partition = s.partition AND l.account = s.account AND l.start_at = s.created_at
                AND l.source = s.number
            LEFT JOIN refund r ON r.partition = s.partition AND r.account = s.account AND r.refund_id = s.refund_id
            LEFT JOIN customer_order o ON o.partition = s.partition AND o.account = s.account
                AND o.order_id = s.order_id
            WHERE s.kind = 3 AND (s.partition, s.account, s.source_id) > (?, ?, ?) AND s.partition < ?
            ORDER BY s.partition, s.account, s.source_id LIMIT ?
            """, .integer(partitions.lowerBound), .text(account), .text(line), .integer(partitions.upperBound),
            .integer(limit)
        ) { row in
            OrderV1.PostedRefund(
                accountID: row.text(0), refundID: row.text(1), orderID: row.text(2), groupID: row.text(3),
                at: row.integer(4), amountMicros: row.integer(5), restoredMicros: row.integer(6),
                toBalanceMicros: row.integer(7), onlineMicros: row.integer(8), confirmedAt: row.integer(9),
                newOrder: row.integer(10) == Int64(Order.Kind.new.rawValue), paidAt: row.integer(11),
                balanceMicros: row.integer(12), paidOnlineMicros: row.integer(13), couponMicros: row.integer(14),
                paymentID: row.text(15), termStart: row.integer(16), termEnd: row.integer(17),
                months: UInt32(clamping: row.integer(18)), listNanos: row.integer(19),
                priceListVersion: UInt32(clamping: row.integer(20)))
        }
    }
}
