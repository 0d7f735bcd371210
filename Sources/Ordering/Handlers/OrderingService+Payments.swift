import BillingAPI
import BillingCore
import RPC
import Storage

extension OrderingService {
    /// Announces an online payment of an unpaid order: of what a coupon and the asked part from the balance leave. Those
    /// are fixed now and taken when the order is paid; nothing is reserved (domain 8.2).
    /// - Throws: `OrderError.orderNotFound`, `.notUnpaid`, `.accountOverdue`, `.referenceUsed`, `.nothingToPay`,
    ///   `.balancePartMalformed`; `CouponError`.
    func registerPayment(
        _ request: OrderV1.RegisterPaymentRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.PaymentReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        let paymentID = PaymentID(from: identifiers)
        return try await database.write(once: call, request) { transaction in
            var account = try transaction.account(id)
            let at = try account.takeEffect(at: instant)
            let order = try transaction.order(request.orderID, of: id)
            try order.requirePayable(at: at)
            try account.requireNotOverdue()
            let coupon = try transaction.coupon(
                named: request.couponID, without: request.withoutCoupon, forOrderOf: order.offer.total, of: id, at: at)
            let due = order.offer.total - (coupon?.amount ?? .zero)
            let balancePart = Money(micros: request.balanceMicros)
            guard balancePart >= .zero else { throw OrderError.balancePartMalformed(balancePart) }
            guard balancePart < due else { throw OrderError.nothingToPay(order: order.id.text) }
            let payment = try Payment(
                id: paymentID, account: id, reference: request.reference, orderID: order.id,
                amount: due - balancePart, balancePart: balancePart, coupon: coupon, registeredAt: at)
            try transaction.insert(payment)
            try transaction.update(account)
            return Response(try transaction.reply(payment, account), effectiveAt: at)
        }
    }

    /// Whoever runs the payments tells that the money of a reference came. A top-up is booked and pays outstanding bills;
    /// the payment of an order waits for the saga that pays it, in whatever state the order is (domain 6.4). The call is
    /// for the payment's account, or for none.
    /// - Throws: `OrderError.paymentNotFound`; `.paymentNotPending` when that is known already.
    func confirmPayment(
        _ request: OrderV1.ConfirmPaymentRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.PaymentReply> {
        let instant = try call.instant()
        let owner = call.account.isEmpty ? nil : try call.accountID()
        return try await write(request.step, call, request) { transaction in
            var payment = try transaction.payment(reference: request.reference, of: owner)
            var account = try transaction.account(payment.account)
            let at = try account.takeEffect(at: instant)
            try payment.confirm(at: at)
            let (amount, reference) = (payment.amount, payment.id.text)
            var recovered = false
            if payment.orderID == nil {
                recovered = try transaction.credit(amount, to: &account) { settled in
                    try .topUp(amount, settled: settled, reference: reference)
                }.recovered
            } else {
                try transaction.post(.paymentConfirmed(amount, payment: reference), to: &account)
            }
            try transaction.update(payment)
            try transaction.update(account)
            var reply = try transaction.reply(payment, account)
            reply.recovered = recovered
            return Response(reply, effectiveAt: at)
        }
    }

    /// Gives a payment back whose order could not be paid any more (domain 6.4). It counts as gone at once. One that is
    /// still pending was confirmed by a call that may be on its way here: it is confirmed and given back in one, and
    /// that call will find it returned.
    /// - Throws: `OrderError.paymentNotFound`, `.paymentNotConfirmed`.
    func returnPayment(
        _ request: OrderV1.ReturnPaymentRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.PaymentReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        return try await database.write(once: call, request) { transaction in
            var account = try transaction.account(id)
            // Follows a refusal in a saga, so it must not fail for the time that took.
            let at = account.follow(instant)
            var payment = try transaction.payment(request.paymentID, of: id)
            if payment.status == .pending, payment.orderID != nil {
                try payment.confirm(at: at)
                try transaction.post(.paymentConfirmed(payment.amount, payment: payment.id.text), to: &account)
            }
            try payment.giveBack()
            try transaction.post(.paymentReturned(payment.amount, payment: payment.id.text), to: &account)
            try transaction.update(payment)
            try transaction.update(account)
            return Response(try transaction.reply(payment, account), effectiveAt: at)
        }
    }

    /// The payments of an account, or of all accounts when the call is for none, in the order of their announcement.
    func listPayments(
        _ request: OrderV1.ListPaymentsRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListPaymentsReply> {
        let owner = call.account.isEmpty ? nil : try call.accountID()
        let (cursor, limit) = (try PageCursor(request.cursor), try PageCursor.limit(request.limit))
        let statuses = request.statuses.filter(Payment.Status.self)
        return try await database.read { transaction in
            if let owner { _ = try transaction.account(owner) }
            let payments = try transaction.payments(
                of: owner, statuses: statuses, reference: request.reference, after: cursor, limit: limit + 1)
            let page = payments.prefix(limit)
            let next = page.last.map { PageCursor(instant: $0.registeredAt, id: $0.id.text).text }
            return Response(
                OrderV1.ListPaymentsReply(
                    payments: page.map { OrderV1.Payment($0) },
                    nextCursor: payments.count > limit ? next ?? "" : ""))
        }
    }
}

extension Transaction {
    /// The part of an order of `total` that a coupon pays.
    /// - Parameters:
    ///   - id: the coupon that the payer names; empty: the best one that applies (domain 3.2).
    ///   - without: whether none is wanted.
    /// - Returns: `nil` when none applies, or none is wanted.
    /// - Throws: `CouponError` for a named one that cannot be used.
    func coupon(
        named id: String, without: Bool, forOrderOf total: Money, of account: AccountID, at instant: Timestamp
    ) throws -> CouponPart? {
        guard !without else { return nil }
        let coupon: Coupon
        if id.isEmpty {
            let usable = try usableCoupons(of: account, at: instant)
            guard let best = Coupon.best(of: usable, forOrderOf: total, at: instant) else { return nil }
            coupon = best
        } else {
            coupon = try self.coupon(id, of: account)
            try coupon.requireUsable(forOrderOf: total, at: instant)
        }
        return CouponPart(coupon: coupon.id, amount: min(coupon.remaining, total))
    }

    fileprivate func reply(_ payment: Payment, _ account: Account) throws -> OrderV1.PaymentReply {
        OrderV1.PaymentReply(payment: OrderV1.Payment(payment), account: try wireAccount(account))
    }
}
