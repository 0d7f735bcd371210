import BillingAPI
import BillingCore
import RPC

/// Answers for the order service: everybody has money, every order is there, and everything is booked.
enum StandInOrder {
    static func router() -> Router {
        var router = Router()
        // For metering.
        router.handle(OrderV1.Bills.postUsage) { (request: OrderV1.PostUsageRequest, _) in
            Response(OrderV1.PostUsageReply(posted: UInt32(request.resource.count)))
        }
        // For refund.
        router.handle(OrderV1.Orders.listOrders) { (request: OrderV1.ListOrdersRequest, call) in
            Response(
                OrderV1.ListOrdersReply(orders: [paid(order(ofGroup: request.groupID, call), at: BusinessTime.start)]))
        }
        router.handle(OrderV1.OrderSteps.postRefund) { (request: OrderV1.PostRefundRequest, call) in
            Response(posted(request), effectiveAt: call.effectiveAt)
        }
        registerForGateway(in: &router)
        return router
    }

    private static func registerForGateway(in router: inout Router) {
        router.handle(OrderV1.Accounts.getAccount) { (_: OrderV1.GetAccountRequest, call) in
            Response(OrderV1.AccountReply(account: account(call)))
        }
        router.handle(OrderV1.Accounts.topUp) { (_: OrderV1.TopUpRequest, call) in
            Response(OrderV1.TopUpReply(account: account(call)), effectiveAt: call.effectiveAt)
        }
        router.handle(OrderV1.Orders.placeOrder) { (request: OrderV1.PlaceOrderRequest, call) in
            // The order's id tells its group's, so that it is found again without being kept.
            Response(
                OrderV1.OrderReply(order: order("ord-\(call.key?.text.suffix(16) ?? "none")", call)),
                effectiveAt: call.effectiveAt)
        }
        router.handle(OrderV1.Orders.getOrder) { (request: OrderV1.GetOrderRequest, call) in
            Response(OrderV1.OrderReply(order: order(request.orderID, call)))
        }
        router.handle(OrderV1.OrderSteps.payOrder) { (request: OrderV1.PayOrderRequest, call) in
            let at = try call.instant()
            return Response(OrderV1.OrderReply(order: paid(order(request.orderID, call), at: at)), effectiveAt: at)
        }
        router.handle(OrderV1.OrderSteps.cancelUnpaid) { (_: OrderV1.CancelUnpaidRequest, call) in
            Response(OrderV1.CancelUnpaidReply(), effectiveAt: call.effectiveAt)
        }
        router.handle(OrderV1.Orders.nextDue) { (_: OrderV1.NextDueRequest, _) in Response(OrderV1.NextDueReply()) }
        router.handle(OrderV1.Bills.listBill) { (_: OrderV1.ListBillRequest, call) in
            Response(OrderV1.ListBillReply(lines: (0..<20).map { line($0, call) }, total: line(0, call)))
        }
    }

    private static func account(_ call: CallContext) -> OrderV1.Account {
        OrderV1.Account(
            accountID: call.account, name: "stand-in", openedAt: BusinessTime.start.milliseconds,
            balanceMicros: 1_000_000_000, availableCreditMicros: 1_000_000_000,
            lastAt: call.effectiveAt?.milliseconds ?? 0)
    }

    private static let offer = Offer.usual

    private static func order(ofGroup group: String, _ call: CallContext) -> OrderV1.Order {
        var order = order("ord-\(group.dropFirst(3))", call)
        order.groupID = group
        return order
    }

    /// An unpaid order for a new group.
    private static func order(_ id: String, _ call: CallContext) -> OrderV1.Order {
        let at = call.effectiveAt ?? BusinessTime.start
        let quote = StandInPricing.quote(offer, months: 12, at: at)
        return OrderV1.Order(
            orderID: id, accountID: call.account, kind: .new, status: .unpaid, groupID: "ag-\(id.dropFirst(4))",
            specification: quote.specification, region: quote.region, instances: quote.instances,
            months: quote.months, priceListVersion: 1, listNanos: quote.listNanos, monthlyNanos: quote.monthlyNanos,
            grossMicros: quote.grossMicros, totalMicros: quote.totalMicros, placedAt: at.milliseconds,
            deadlineAt: at.adding(milliseconds: .millisecondsPerDay).milliseconds)
    }

    /// The same, paid from the balance.
    private static func paid(_ order: OrderV1.Order, at instant: Timestamp) -> OrderV1.Order {
        var order = order
        order.status = .paid
        order.paidAt = instant.milliseconds
        order.paymentMethod = .balance
        order.balanceMicros = order.totalMicros
        order.termStart = instant.milliseconds
        order.termEnd = BillingCalendar.termEnd(start: instant, months: Int(order.months)).milliseconds
        return order
    }

    private static func posted(_ request: OrderV1.PostRefundRequest) -> OrderV1.RefundPostedReply {
        OrderV1.RefundPostedReply(
            refundID: request.refundID, amountMicros: request.lines.reduce(0) { $0 + $1.amountMicros },
            toBalanceMicros: request.lines.reduce(0) { $0 + $1.toBalanceMicros },
            onlineMicros: request.lines.reduce(0) { $0 + $1.onlineMicros }, at: request.at, lines: request.lines)
    }

    private static func line(_ index: Int, _ call: CallContext) -> OrderV1.BillLine {
        OrderV1.BillLine(
            lineID: "\(call.account)/\(BusinessTime.start.milliseconds)/\(index)", accountID: call.account,
            billingPeriod: "2026-01-01", itemKind: .payAsYouGoBill, billingMethod: .payAsYouGo,
            product: "cloud-phone", billingItem: "instance-hour", resourceID: "ag-standin", groupID: "ag-standin",
            region: offer.region, specification: offer.specification, grossMicros: 45_700, payableMicros: 45_700,
            paidMicros: 45_700, status: .paid, priceListVersion: 1, lines: 1)
    }
}
