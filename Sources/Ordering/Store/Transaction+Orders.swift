import BillingCore
import Storage

extension Transaction {
    private static var orderColumns: String {
        """
        order_id, account, kind, status, group_id, name, network, specification, region, instances, months, \
        price_list_version, list_nanos, monthly_nanos, gross, discount, total, placed_at, paid_at, payment_method, \
        payment_id, term_start, term_end, cancelled_at, cancellation_cause, refunded, refunded_at, balance_part, \
        online_part, coupon_part, coupon_id, auto_renewal_months, is_automatic
        """
    }

    /// - Throws: `OrderError.orderNotFound`, also for an order of another account.
    func order(_ id: String, of account: AccountID) throws -> Order {
        let found = try all(
            "SELECT \(Self.orderColumns) FROM customer_order WHERE partition = ? AND account = ? AND order_id = ?",
            accountKey(account) + [.text(id)], map: readOrder
        ).first
        guard let found else { throw OrderError.orderNotFound(id) }
        return found
    }

    /// The unpaid orders of an account, of which the rules allow one.
    func unpaidOrders(of account: AccountID) throws -> [Order] {
        try all(
            """
            SELECT \(Self.orderColumns) FROM customer_order
            WHERE partition = ? AND account = ? AND status = 1 ORDER BY placed_at, order_id
            """, accountKey(account), map: readOrder)
    }

    /// Unpaid orders of all accounts whose deadline is over at `instant`, the earliest first.
    func ordersDue(through instant: Timestamp, limit: Int) throws -> [Order] {
        try all(
            """
            SELECT \(Self.orderColumns) FROM customer_order
            WHERE status = 1 AND deadline_at <= ? ORDER BY deadline_at, partition, account LIMIT ?
            """, .instant(instant), .integer(limit), map: readOrder)
    }

    /// The earliest deadline after `instant`; `nil` when no unpaid order has one.
    func nextDeadline(after instant: Timestamp) throws -> Timestamp? {
        try first(
            "SELECT deadline_at FROM customer_order WHERE status = 1 AND deadline_at > ? ORDER BY deadline_at LIMIT 1",
            .instant(instant)
        ) { $0.instant(0) }
    }

    /// Orders in the order of placing, after a place in that order.
    /// - Parameter groupID: empty: of all groups.
    func orders(
        of account: AccountID, statuses: Set<Order.Status>, groupID: String, after: PageCursor, limit: Int
    ) throws -> [Order] {
        // Numbers of our own enum, each at most once, so that there are few different statements.
        let numbers = statuses.map(\.rawValue).sorted().map(String.init).joined(separator: ", ")
        return try all(
            """
            SELECT \(Self.orderColumns) FROM customer_order
            WHERE partition = ? AND account = ? AND (placed_at, order_id) > (?, ?) AND status IN (\(numbers))
                \(groupID.isEmpty ? "" : "AND group_id = ?")
            ORDER BY placed_at, order_id LIMIT ?
            """,
            accountKey(account) + [.instant(after.instant), .text(after.id)]
                + (groupID.isEmpty ? [] : [.text(groupID)]) + [.integer(limit)], map: readOrder)
    }

    private func readOrder(_ row: any Row) throws -> Order {
        let state: Order.State
        switch try Order.Status(stored: row.integer(3), "status") {
        case .unpaid: state = .unpaid
        case .paid:
            state = .paid(
                Order.Payment(
                    at: row.instant(18), method: try Order.PaymentMethod(stored: row.integer(19), "payment_method"),
                    paymentID: row.text(20), term: Period(row.instant(21), row.instant(22)),
                    parts: PaymentParts(
                        balance: row.money(27), online: row.money(28),
                        couponID: try row.optionalText(30).map { try CouponID($0) }, coupon: row.money(29))))
        case .cancelled:
            state = .cancelled(
                at: row.instant(23), try Order.CancellationCause(stored: row.integer(24), "cancellation_cause"))
        }
        return Order(
            id: try OrderID(row.text(0)), account: try AccountID(row.text(1)),
            kind: try Order.Kind(stored: row.integer(2), "kind"), groupID: try GroupID(row.text(4)),
            offer: try OrderOffer(
                specification: row.text(7), region: row.text(8), instances: row.int(9), months: row.int(10),
                priceListVersion: row.int(11), listNanos: row.integer(12), monthly: UnitPrice(nanos: row.integer(13)),
                gross: row.money(14), discount: row.money(15), total: row.money(16)),
            name: row.text(5), network: row.text(6), placedAt: row.instant(17),
            autoRenewal: row.optionalInteger(31).map { AutoRenewal(months: Int($0)) },
            isAutomatic: row.integer(32) != 0, state: state, refunded: row.money(25),
            refundedAt: row.optionalInstant(26))
    }

    func insert(_ order: Order) throws {
        let offer = order.offer
        try execute(
            """
            INSERT INTO customer_order
                (partition, account, order_id, kind, group_id, name, network, specification, region, instances,
                months, price_list_version, list_nanos, monthly_nanos, gross, discount, total, placed_at, deadline_at,
                auto_renewal_months, is_automatic, status, paid_at, payment_method, payment_id, term_start, term_end,
                cancelled_at, cancellation_cause, refunded, refunded_at, balance_part, online_part, coupon_part,
                coupon_id)
            VALUES
                (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            accountKey(order.account) + [
                .text(order.id.text), .integer(order.kind.rawValue), .text(order.groupID.text), .text(order.name),
                .text(order.network), .text(offer.specification), .text(offer.region), .integer(offer.instances),
                .integer(offer.months), .integer(offer.priceListVersion), .integer(offer.listNanos),
                .integer(offer.monthly.nanos), .money(offer.gross), .money(offer.discount), .money(offer.total),
                .instant(order.placedAt), .instant(order.deadlineAt),
                .integer(order.autoRenewal.map { Int64($0.months) }), .integer(order.isAutomatic ? 1 : 0),
            ] + stateValues(of: order))
    }

    /// Notes that a group was released.
    func noteReleased(_ group: String, of account: AccountID) throws {
        try execute(
            "INSERT INTO released_group (partition, account, group_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            accountKey(account) + [.text(group)])
    }

    /// Whether a pay-as-you-go group is left: one that was metered and neither released nor switched to a subscription.
    /// At a cut each group of the account has been metered, and an overdue account gets no new ones.
    func hasGroupsToRelease(_ account: AccountID) throws -> Bool {
        try !all(
            """
            SELECT 1 FROM bill_source s WHERE s.partition = ? AND s.account = ? AND s.kind = ? AND s.group_id <> ''
                AND NOT EXISTS (
                    SELECT 1 FROM released_group r
                    WHERE r.partition = s.partition AND r.account = s.account AND r.group_id = s.group_id)
                AND NOT EXISTS (
                    SELECT 1 FROM customer_order o
                    WHERE o.partition = s.partition AND o.account = s.account AND o.kind = ? AND o.status = ?
                        AND o.group_id = s.group_id)
            LIMIT 1
            """,
            accountKey(account) + [
                .integer(ItemKind.payAsYouGoBill.rawValue), .integer(Order.Kind.switching.rawValue),
                .integer(Order.Status.paid.rawValue),
            ]
        ) { $0.integer(0) }.isEmpty
    }

    /// Keeps the order's state and what was given back of it.
    func update(_ order: Order) throws {
        try execute(
            """
            UPDATE customer_order SET status = ?, paid_at = ?, payment_method = ?, payment_id = ?, term_start = ?,
                term_end = ?, cancelled_at = ?, cancellation_cause = ?, refunded = ?, refunded_at = ?, balance_part = ?,
                online_part = ?, coupon_part = ?, coupon_id = ?
            WHERE partition = ? AND account = ? AND order_id = ?
            """, stateValues(of: order) + accountKey(order.account) + [.text(order.id.text)])
    }

    /// What changes of an order in its life: from `status` to `coupon_id`.
    private func stateValues(of order: Order) -> [SQLValue] {
        var payment: Order.Payment?
        var cancellation: (at: Timestamp, cause: Order.CancellationCause)?
        switch order.state {
        case .unpaid: break
        case .paid(let made): payment = made
        case .cancelled(let instant, let cause): cancellation = (instant, cause)
        }
        return [
            .integer(order.state.status.rawValue), .instant(payment?.at),
            .integer(payment.map { Int64($0.method.rawValue) }), .text(payment?.paymentID ?? ""),
            .instant(payment?.term.start), .instant(payment?.term.end), .instant(cancellation?.at),
            .integer(cancellation.map { Int64($0.cause.rawValue) }), .money(order.refunded),
            .instant(order.refundedAt), .money(payment?.parts.balance ?? .zero),
            .money(payment?.parts.online ?? .zero), .money(payment?.parts.coupon ?? .zero),
            .text(payment?.parts.couponID?.text),
        ]
    }
}
