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
            try transaction.pay(
                &order, from: &account, at: at, method: method, paymentID: request.paymentID,
                coupon: (request.couponID, request.withoutCoupon),
                basis: order.kind == .renewal ? try RenewalBasis(request.basis) : nil)
            try transaction.update(order)
            try transaction.update(account)
            return Response(OrderV1.OrderReply(order: OrderV1.Order(order)), effectiveAt: at)
        }
    }

    /// The pivot of AutoRenew: places and pays the order of a renewal in one, or leaves nothing behind (domain 5.5).
    /// - Throws: as `payOrder`, but `OrderError.unpaidOrders` for those of the same group alone; `.quoteMalformed`.
    func autoRenew(
        _ request: OrderV1.AutoRenewRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.OrderReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        let orderID = OrderID(from: identifiers)
        return try await step(request.step, call, request) { transaction in
            var account = try transaction.account(id)
            // The clock's own attempt, which may be made late: it must not fail for the time that took.
            let at = account.follow(instant)
            var order = Order(
                id: orderID, account: id, kind: .renewal, groupID: try GroupID(request.groupID),
                offer: try OrderOffer(request.quote), name: request.name, network: request.network, placedAt: at,
                isAutomatic: true)
            let basis = try RenewalBasis(request.basis)
            // An order whose deadline is this very instant is unpaid still (domain 10).
            try transaction.cancelTimedOut(of: id, at: at.adding(milliseconds: -1))
            let blocking = try transaction.unpaidOrders(of: id).filter(order.isBlocked)
            guard blocking.isEmpty else { throw OrderError.unpaidOrders(blocking.map(\.id.text)) }
            try transaction.pay(
                &order, from: &account, at: at, method: .balance, paymentID: "", coupon: ("", false), basis: basis)
            // Never there unpaid, so that an unpaid order of another group may stay (domain 5.5).
            try transaction.insert(order)
            try transaction.update(account)
            return Response(OrderV1.OrderReply(order: OrderV1.Order(order)), effectiveAt: at)
        }
    }

    /// The first step of a release that is due: moves the account up to the instant, so that no top-up can take effect
    /// before it any more, and makes sure that it is overdue since then (O1).
    /// - Throws: `OrderError.notOverdueSince`.
    func claimOverdue(
        _ request: OrderV1.ClaimOverdueRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.AccountReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        guard let step = request.step else { throw OrderError.stepMissing }
        return try await database.write(
            step: SagaStep(sagaID: step.sagaID, definition: step.definition, step: step.step, isUndo: step.undo), call,
            request,
            do: { transaction in
                var account = try transaction.account(id)
                let at = account.follow(instant)
                let since = try DueWork.through(request.overdueAt)
                guard account.overdueAt == since else { throw OrderError.notOverdueSince(since) }
                try transaction.update(account)
                return Response(try transaction.accountReply(account), effectiveAt: at)
            },
            undo: { _ in
                // Time that was moved up stays so.
            })
    }

    /// The pivot of Resume: the saga sees to it that metering learns of a recovery by a month close (domain 2.9, 4.3).
    func acknowledgeRecovery(
        _ request: OrderV1.AcknowledgeRecoveryRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.AccountReply> {
        let id = try call.accountID()
        return try await step(request.step, call, request) { transaction in
            let at = try DueWork.through(request.at)
            try transaction.acknowledgeRecovery(of: id, at: at)
            return Response(try transaction.accountReply(try transaction.account(id)), effectiveAt: at)
        }
    }

    /// Cancels the unpaid orders of groups that are gone (domain 4.4, 7.6). Comes after the pivot of its saga.
    func cancelUnpaid(
        _ request: OrderV1.CancelUnpaidRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.CancelUnpaidReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        return try await step(request.step, call, request) { transaction in
            var account = try transaction.account(id)
            let orders = try transaction.unpaidOrders(of: id).filter { request.groupIDs.contains($0.groupID.text) }
            let at = account.follow(instant)
            for order in orders {
                var order = order
                try order.apply(.cancelled(at: at, .groupReleased))
                try transaction.update(order)
            }
            for group in request.groupIDs { try transaction.noteReleased(group, of: id) }
            if request.wasDue {
                let outstanding = account.outstanding
                try transaction.record(
                    request.groupIDs.map {
                        AccountNotice(at: at, kind: .released, amount: outstanding, groupID: $0)
                    }, of: id)
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
            let posted = try transaction.post(
                [try RefundShare(whole: order)], as: try RefundID(request.refundID), at: at, to: &account)
            return Response(posted, effectiveAt: at)
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
                return try RefundShare(
                    order: order, amount: try Money.input(micros: line.amountMicros),
                    toBalance: Money(micros: line.toBalanceMicros), online: Money(micros: line.onlineMicros))
            }
            let posted = try transaction.post(shares, as: try RefundID(request.refundID), at: at, to: &account)
            return Response(posted, effectiveAt: at)
        }
    }

    /// Carries out a write that is a saga's pivot when the request names a step, and a keyed call's otherwise.
    func write<Request: WireMessage, Reply: WireMessage>(
        _ step: CommonV1.SagaStep?, _ call: CallContext, _ request: Request,
        _ effect: @escaping @Sendable (any Transaction) throws -> Response<Reply>
    ) async throws -> Response<Reply> {
        guard step == nil else { return try await self.step(step, call, request, effect) }
        return try await database.write(once: call, request, effect)
    }

    /// Carries out a step that decides its saga or comes after such a one, so that only a step that was not done yet can
    /// be taken back.
    func step<Request: WireMessage, Reply: WireMessage>(
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
    /// Pays an order: everything that may have changed since it was placed is looked at again, in this transaction (G1).
    /// - Parameters:
    ///   - paymentID: the confirmed payment, if online, which says what else pays.
    ///   - coupon: the one that the payer names, or that none is wanted; for a payment from the balance.
    ///   - basis: where a renewal begins.
    fileprivate func pay(
        _ order: inout Order, from account: inout Account, at instant: Timestamp, method: Order.PaymentMethod,
        paymentID: String, coupon: (id: String, without: Bool), basis: RenewalBasis?
    ) throws {
        let (total, months) = (order.offer.total, order.offer.months)
        try order.requirePayable(at: instant)
        try account.requireNotOverdue()
        let blocking = try unpaidOrders(of: account.id).filter { order.isBlocked(by: $0) && $0.deadlineAt > instant }
        guard blocking.isEmpty else { throw OrderError.unpaidOrders(blocking.map(\.id.text)) }
        var parts: PaymentParts
        switch method {
        case .balance:
            let part = try self.coupon(
                named: coupon.id, without: coupon.without, forOrderOf: total, of: account.id, at: instant)
            parts = PaymentParts(couponID: part?.coupon, coupon: part?.amount ?? .zero)
            parts.balance = total - parts.coupon
        case .online:
            var payment = try payment(paymentID, of: account.id)
            try payment.book(for: order)
            parts = payment.parts
            try update(payment)
        }
        guard account.balance >= parts.balance else {
            throw OrderError.insufficientBalance(price: parts.balance, balance: account.balance)
        }
        let spent = try parts.couponID.map { id in
            var coupon = try self.coupon(id.text, of: account.id)
            // An online payment counts on what the coupon had when it was announced.
            guard coupon.remaining >= parts.coupon else {
                throw CouponError.changed(id.text, needed: parts.coupon, left: coupon.remaining)
            }
            try coupon.requireUsable(forOrderOf: total, at: instant)
            coupon.spend(parts.coupon)
            return coupon
        }
        let term =
            basis?.term(months: months, paidAt: instant)
            ?? Period(instant, BillingCalendar.termEnd(start: instant, months: months))
        try order.apply(
            .paymentReceived(
                Order.Payment(
                    at: instant, method: method, paymentID: method == .online ? paymentID : "", term: term,
                    parts: parts)))
        let sequence = try post(.order(parts, order: order.id.text), to: &account)
        let line = try bill(order, term: term, parts: parts, of: account, sequence: sequence)
        if let spent {
            try update(spent)
            try noteUse(of: spent.id, parts.coupon, for: line, of: account.id, sequence: sequence)
        }
    }

    /// Posts the line of a paid order.
    private func bill(
        _ order: Order, term: Period, parts: PaymentParts, of account: Account, sequence: Int64
    ) throws -> LineKey {
        let offer = order.offer
        let source = BillSource(
            kind: .subscriptionOrder, id: order.id.text, groupID: order.groupID.text,
            specification: offer.specification, region: offer.region, instances: offer.instances,
            createdAt: order.placedAt, anchor: term.start, billingUnit: nil, months: offer.months,
            orderID: order.id.text, refundID: "")
        // Of a renewal the term may begin much later: the line belongs to the instant of payment.
        let key = LineKey(start: account.lastAt, source: try insert(source, of: account.id))
        let line = BillLine(
            start: key.start, end: max(key.start, term.end), source: key.source,
            priceListVersion: offer.priceListVersion, listPrice: offer.monthly,
            amounts: try .line(gross: offer.gross, discount: offer.discount, coupon: parts.coupon, paid: parts.cash),
            sequence: sequence, postedAt: account.lastAt)
        _ = try insert(line, about: source, of: account)
        return key
    }

    /// Posts a refund: money, orders, lines and the refund itself. What lands in the balance pays outstanding bills, then
    /// what a restored coupon has.
    fileprivate func post(
        _ shares: [RefundShare], as id: RefundID, at instant: Timestamp, to account: inout Account
    ) throws -> OrderV1.RefundPostedReply {
        var shares = shares
        let sums = try RefundShare.apply(&shares, at: instant)
        let refund = PostedRefund(
            id: id, account: account.id, at: instant, toBalance: sums.toBalance, online: sums.online)
        // What a coupon alone had paid is restored without a refund of money.
        if refund.amount > .zero { try insert(refund) }
        let sequence = account.nextSequence
        var restored: [Coupon] = []
        var credited = try credit(sums.toBalance, to: &account) { settled in
            try .refund(
                toBalance: sums.toBalance, settled: settled, online: sums.online, coupon: sums.coupon,
                reference: id.text)
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
                amounts: try .line(
                    gross: -(share.amount + share.restored), coupon: -share.restored, paid: -share.amount),
                sequence: sequence, postedAt: account.lastAt)
            _ = try insert(line, about: source, of: account)
            if let coupon = share.coupon {
                var coupon = try self.coupon(coupon.text, of: account.id)
                coupon.restore(share.restored)
                try update(coupon)
                try noteUse(
                    of: coupon.id, -share.restored, for: LineKey(start: line.start, source: line.source),
                    of: account.id, sequence: sequence)
                restored.append(coupon)
            }
            try update(order)
        }
        for var coupon in restored {
            if try settle(&account, with: &coupon).recovered { credited.recovered = true }
        }
        try update(account)
        var reply = OrderV1.RefundPostedReply(refund)
        reply.recovered = credited.recovered
        reply.lines = shares.map { share in
            OrderV1.RefundLine(
                orderID: share.order.id.text, amountMicros: share.amount.micros,
                toBalanceMicros: share.toBalance.micros, onlineMicros: share.online.micros)
        }
        return reply
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
