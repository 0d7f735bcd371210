import BillingAPI
import BillingCore
import RPC
import Storage

extension OrderingService {
    /// The pivot of Pay: takes the money and fixes the instant T and the term (domain 5.2, 6.3). Everything that may have
    /// changed since the order was placed is looked at again, in this transaction (G1).
    /// - Throws: `OrderError.orderNotFound`, `.notUnpaid`, `.unpaidOrders` for others than this one, `.accountOverdue`,
    ///   `.insufficientBalance`; online: `.paymentNotFound`, `.paymentNotConfirmed`, `.paymentMismatch`.
    func payOrder(
        _ request: OrderV1.PayOrderRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.OrderReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        return try await step(request.step, call, request) { transaction in
            guard let method = Order.PaymentMethod(wire: request.paymentMethod) else {
                throw OrderError.paymentMethodMissing
            }
            var account = try transaction.account(id)
            let at = try account.takeEffect(at: instant)
            var order = try transaction.order(request.orderID, of: id)
            let price = order.offer.total
            try order.apply(
                .paymentReceived(
                    Order.Payment(
                        at: at, method: method, paymentID: method == .online ? request.paymentID : "",
                        term: Period(at, BillingCalendar.termEnd(start: at, months: order.offer.months)))))
            let others = try transaction.unpaidOrders(of: id).filter { $0.id != order.id && $0.deadlineAt > at }
            guard others.isEmpty else { throw OrderError.unpaidOrders(others.map(\.id.text)) }
            try account.requireNotOverdue()

            let sequence: Int64
            switch method {
            case .balance:
                guard account.balance >= price else {
                    throw OrderError.insufficientBalance(price: price, balance: account.balance)
                }
                sequence = try transaction.post(.orderFromBalance(price, order: order.id.text), to: &account)
            case .online:
                var payment = try transaction.payment(request.paymentID, of: id)
                try payment.book(for: order)
                sequence = try transaction.post(.orderFromPayment(price, order: order.id.text), to: &account)
                try transaction.update(payment)
            }
            try transaction.bill(order, of: account, sequence: sequence)
            try transaction.update(order)
            try transaction.update(account)
            return Response(OrderV1.OrderReply(order: OrderV1.Order(order)), effectiveAt: at)
        }
    }

    /// Cancels the unpaid orders of a group that is gone (domain 4.4). Comes after the pivot of Release.
    func cancelUnpaid(
        _ request: OrderV1.CancelUnpaidRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.CancelUnpaidReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        return try await step(request.step, call, request) { transaction in
            var account = try transaction.account(id)
            let orders = try transaction.unpaidOrders(of: id).filter { $0.groupID.text == request.groupID }
            let at = account.follow(instant)
            for order in orders {
                var order = order
                try order.apply(.cancelled(at: at, .groupReleased))
                try transaction.update(order)
            }
            try transaction.update(account)
            return Response(OrderV1.CancelUnpaidReply(orderIDs: orders.map(\.id.text)), effectiveAt: at)
        }
    }

    /// Gives back all that an order cost, since its group never came up (domain 7.4). Comes after the pivot of its saga.
    /// - Throws: `OrderError.orderNotFound`; `.refundTooLarge` when something was given back before.
    func refundInFull(
        _ request: OrderV1.RefundInFullRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.RefundPostedReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        return try await step(request.step, call, request) { transaction in
            var account = try transaction.account(id)
            let order = try transaction.order(request.orderID, of: id)
            let at = account.follow(instant)
            let refund = try transaction.post(
                [RefundShare(order: order, amount: order.offer.total)], as: try RefundID(request.refundID), at: at,
                to: &account)
            return Response(OrderV1.RefundPostedReply(refund), effectiveAt: at)
        }
    }

    /// The pivot of Unsubscribe: posts what the refund service computed, at the instant that it fixed. What is given back
    /// of an order never exceeds what was paid for it (M6).
    /// - Throws: `OrderError.orderNotFound` also for an order of another group, `.refundTooLarge`, `.refundMalformed`.
    func postRefund(
        _ request: OrderV1.PostRefundRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.RefundPostedReply> {
        let id = try call.accountID()
        return try await step(request.step, call, request) { transaction in
            guard (0...Timestamp.latest.milliseconds).contains(request.at) else {
                throw OrderError.refundMalformed(field: "at", value: String(request.at), why: "is no instant")
            }
            let at = Timestamp(milliseconds: request.at)
            var account = try transaction.account(id)
            _ = account.follow(at)
            let shares = try request.lines.map { line in
                let order = try transaction.order(line.orderID, of: id)
                guard order.groupID.text == request.groupID else { throw OrderError.orderNotFound(line.orderID) }
                return RefundShare(order: order, amount: try Money.input(micros: line.amountMicros))
            }
            let refund = try transaction.post(shares, as: try RefundID(request.refundID), at: at, to: &account)
            return Response(OrderV1.RefundPostedReply(refund), effectiveAt: at)
        }
    }

    /// Carries out a step that decides its saga or comes after such a one, so that only a step that was not done yet can
    /// be taken back.
    private func step<Request: WireMessage, Reply: WireMessage>(
        _ step: CommonV1.SagaStep?, _ call: CallContext, _ request: Request,
        _ effect: @escaping @Sendable (any Transaction) throws -> Response<Reply>
    ) async throws -> Response<Reply> {
        guard let step, !step.sagaID.isEmpty, !step.step.isEmpty else { throw OrderError.stepMissing }
        return try await database.write(
            step: SagaStep(sagaID: step.sagaID, definition: step.definition, step: step.step, isUndo: step.undo), call,
            request, do: effect,
            undo: { _ in preconditionFailure("a pivot is never undone; Storage refuses it") }, isPivot: true)
    }
}

extension Transaction {
    /// Posts the line of a paid order.
    fileprivate func bill(_ order: Order, of account: Account, sequence: Int64) throws {
        switch order.state {
        case .paid(let payment):
            let offer = order.offer
            let source = BillSource(
                kind: .subscriptionOrder, id: order.id.text, groupID: order.groupID.text,
                specification: offer.specification, region: offer.region, instances: offer.instances,
                createdAt: order.placedAt, anchor: nil, billingUnit: nil, months: offer.months,
                orderID: order.id.text, refundID: "")
            let line = BillLine(
                start: payment.term.start, end: payment.term.end, source: try insert(source, of: account.id),
                priceListVersion: offer.priceListVersion, listPrice: offer.monthly,
                amounts: try .line(gross: offer.gross, discount: offer.discount, paid: offer.total),
                sequence: sequence, postedAt: account.lastAt)
            _ = try insert(line, about: source, of: account)
        case .unpaid, .cancelled: preconditionFailure("billing order \(order.id) in state \(order.state)")
        }
    }

    /// Posts a refund: money, orders, lines and the refund itself. What lands in the balance pays outstanding bills.
    fileprivate func post(
        _ shares: [RefundShare], as id: RefundID, at instant: Timestamp, to account: inout Account
    ) throws -> PostedRefund {
        var shares = shares
        let (toBalance, online) = try RefundShare.apply(&shares, at: instant)
        let refund = PostedRefund(id: id, account: account.id, at: instant, toBalance: toBalance, online: online)
        try insert(refund)
        let sequence = account.nextSequence
        _ = try credit(toBalance, to: &account) { settled in
            try .refund(toBalance: toBalance, settled: settled, online: online, reference: id.text)
        }
        for share in shares {
            let (order, offer) = (share.order, share.order.offer)
            let source = BillSource(
                kind: .refund, id: id.text + "/" + order.id.text, groupID: order.groupID.text,
                specification: offer.specification, region: offer.region, instances: offer.instances,
                createdAt: instant, anchor: nil, billingUnit: nil, months: offer.months, orderID: order.id.text,
                refundID: id.text)
            let line = BillLine(
                start: instant, end: max(instant, order.termEnd), source: try insert(source, of: account.id),
                priceListVersion: offer.priceListVersion, listPrice: offer.monthly,
                amounts: try .line(gross: -share.amount, paid: -share.amount), sequence: sequence,
                postedAt: account.lastAt)
            _ = try insert(line, about: source, of: account)
            try update(order)
        }
        try update(account)
        return refund
    }
}

extension Order {
    /// The end of the paid term; of an order without one, the instant of placing.
    fileprivate var termEnd: Timestamp {
        switch state {
        case .paid(let payment): payment.term.end
        case .unpaid, .cancelled: placedAt
        }
    }
}

extension OrderV1.RefundPostedReply {
    init(_ refund: PostedRefund) {
        self.init(
            refundID: refund.id.text, amountMicros: refund.amount.micros, toBalanceMicros: refund.toBalance.micros,
            onlineMicros: refund.online.micros, at: refund.at.milliseconds,
            onlineConfirmed: refund.confirmedAt != nil)
    }
}
