import BillingAPI
import BillingCore
import RPC
import Storage

extension OrderingService {
    /// Places an unpaid order at the price of a quote, which it keeps (domain 8.2). The check for other unpaid orders is
    /// made in the transaction that places it (domain 6.2).
    /// - Throws: `OrderError.unpaidOrders` naming them, `.accountOverdue`, `.quoteMalformed`; `OwnerTextError`, since
    ///   a group that is paid for has to be created.
    func placeOrder(
        _ request: OrderV1.PlaceOrderRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.OrderReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        let orderID = OrderID(from: identifiers)
        let newGroupID = GroupID(from: identifiers)
        return try await database.write(once: call, request) { transaction in
            guard let kind = Order.Kind(wire: request.kind) else {
                throw OrderError.quoteMalformed(
                    field: "kind", value: request.kind.wireName, why: "cannot be ordered here")
            }
            let groupID =
                switch kind {
                case .new: newGroupID
                case .switching, .renewal: try GroupID(request.groupID)
                }
            var account = try transaction.account(id)
            let at = try account.takeEffect(at: instant)
            try account.requireNotOverdue()
            try transaction.cancelTimedOut(of: id, at: at)
            let unpaid = try transaction.unpaidOrders(of: id)
            guard unpaid.isEmpty else { throw OrderError.unpaidOrders(unpaid.map(\.id.text)) }
            let order = Order(
                id: orderID, account: id, kind: kind, groupID: groupID, offer: try OrderOffer(request.quote),
                name: try OwnerText.checked(request.name, "name"),
                network: try OwnerText.checked(request.network, "network"), placedAt: at,
                autoRenewal: request.autoRenewal && kind != .renewal
                    ? try AutoRenewal(months: request.autoRenewalMonths) : nil)
            try transaction.insert(order)
            try transaction.update(account)
            return Response(OrderV1.OrderReply(order: OrderV1.Order(order)), effectiveAt: at)
        }
    }

    /// - Throws: `OrderError.orderNotFound`, `.notUnpaid`.
    func cancelOrder(
        _ request: OrderV1.CancelOrderRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.OrderReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        return try await database.write(once: call, request) { transaction in
            var account = try transaction.account(id)
            let at = try account.takeEffect(at: instant)
            var order = try transaction.order(request.orderID, of: id)
            try order.apply(.cancelled(at: at, .owner))
            try transaction.update(order)
            try transaction.update(account)
            return Response(OrderV1.OrderReply(order: OrderV1.Order(order)), effectiveAt: at)
        }
    }

    func getOrder(
        _ request: OrderV1.GetOrderRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.OrderReply> {
        let id = try call.accountID()
        return try await database.read { transaction in
            Response(OrderV1.OrderReply(order: OrderV1.Order(try transaction.order(request.orderID, of: id))))
        }
    }

    /// Orders in the order of placing, and the account's latest instant.
    func listOrders(
        _ request: OrderV1.ListOrdersRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListOrdersReply> {
        let id = try call.accountID()
        let (cursor, limit) = (try PageCursor(request.cursor), try PageCursor.limit(request.limit))
        let statuses = request.statuses.filter(Order.Status.self)
        return try await database.read { transaction in
            let account = try transaction.account(id)
            let orders = try transaction.orders(
                of: id, statuses: statuses, groupID: request.groupID, after: cursor, limit: limit + 1)
            let page = orders.prefix(limit)
            let next = page.last.map { PageCursor(instant: $0.placedAt, id: $0.id.text).text }
            return Response(
                OrderV1.ListOrdersReply(
                    orders: page.map { OrderV1.Order($0) }, nextCursor: orders.count > limit ? next ?? "" : "",
                    lastAt: account.lastAt.milliseconds))
        }
    }

    /// Cancels the unpaid orders whose deadline is over at an instant, each at its deadline (domain 8.2): at most 4,096
    /// of them, the earliest first. A repeat finds nothing more of them.
    func expireOrders(
        _ request: OrderV1.ExpireOrdersRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ExpireOrdersReply> {
        let through = Timestamp(milliseconds: request.through)
        return try await database.write { transaction in
            let due = try transaction.ordersDue(through: through, limit: WireLimits.batch.items)
            for order in due { try transaction.cancelTimedOut(order) }
            return Response(OrderV1.ExpireOrdersReply(orderIDs: due.map(\.id.text)))
        }
    }

    func nextDue(
        _ request: OrderV1.NextDueRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.NextDueReply> {
        try await database.read { transaction in
            let after = Timestamp(milliseconds: request.after)
            let deadline = try transaction.nextDeadline(after: after)
            let dues = try transaction.nextAccountDues(after: after)
            let start = try transaction.nextCouponStart(after: after)
            return Response(
                OrderV1.NextDueReply(
                    orderDeadlineAt: Timestamp.wire(deadline), monthCloseAt: Timestamp.wire(dues.close),
                    noticeAt: Timestamp.wire(dues.notice), couponStartAt: Timestamp.wire(start)))
        }
    }
}

extension AutoRenewal {
    /// - Throws: `OrderError.quoteMalformed` for months that are not sold.
    init(months: UInt32) throws(OrderError) {
        guard [0, 1, 2, 3, 6, 12].contains(months) else {
            throw .quoteMalformed(
                field: "auto_renewal_months", value: String(months),
                why: "is not 1, 2, 3, 6 or 12, nor 0 for as many as bought")
        }
        self.init(months: Int(months))
    }
}

extension Order {
    /// - Throws: `OrderError.notUnpaid` for an order that is not unpaid, or whose deadline is over at `instant`.
    func requirePayable(at instant: Timestamp) throws(OrderError) {
        // Whether a payment would be taken is the state machine's to say; the copy it moves is not kept.
        var copy = self
        try copy.apply(
            .paymentReceived(
                Payment(
                    at: instant, method: .balance, paymentID: "", term: Period(instant, instant),
                    parts: PaymentParts())))
    }
}

extension Transaction {
    /// Cancels what timed out in an account, so that an order placed after a deadline does not depend on whether the
    /// due work of that deadline was done yet.
    func cancelTimedOut(of account: AccountID, at instant: Timestamp) throws {
        for order in try unpaidOrders(of: account) where order.deadlineAt <= instant {
            var order = order
            try order.apply(.cancelled(at: order.deadlineAt, .timedOut))
            try update(order)
        }
    }

    /// Cancels one order at its deadline, at which its account then is.
    fileprivate func cancelTimedOut(_ order: Order) throws {
        var order = order
        var account = try account(order.account)
        _ = account.follow(order.deadlineAt)
        try order.apply(.cancelled(at: order.deadlineAt, .timedOut))
        try update(order)
        try update(account)
    }
}
