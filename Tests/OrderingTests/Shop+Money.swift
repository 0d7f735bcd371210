import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Ordering

/// The calls that move money in other ways than plain top-ups, payments and refunds.
extension Shop {
    /// Grants a coupon that can be used at once and for two months, unless told otherwise.
    /// - Returns: its id.
    @discardableResult
    func grant(
        _ account: String, _ amount: String, at instant: Timestamp = opening,
        _ change: (inout OrderV1.GrantCouponRequest) throws -> Void = { _ in }
    ) async throws -> String {
        try #require(try await granted(account, amount, at: instant, change).coupon).couponID
    }

    func granted(
        _ account: String, _ amount: String, at instant: Timestamp = opening,
        _ change: (inout OrderV1.GrantCouponRequest) throws -> Void = { _ in }
    ) async throws -> OrderV1.GrantCouponReply {
        var request = OrderV1.GrantCouponRequest(
            amountMicros: try Money(amount).micros,
            expiresAt: instant.adding(milliseconds: 60 * .millisecondsPerDay).milliseconds)
        try change(&request)
        return try await service.grantCoupon(
            request, call(OrderV1.Coupons.grantCoupon.descriptor, account, at: instant)
        ).message
    }

    /// Lets a coupon start, as the clock does when it becomes effective.
    func start(
        _ account: String, _ coupon: String, saga: String = "saga-start", at instant: Timestamp
    ) async throws -> Response<OrderV1.GrantCouponReply> {
        try await service.startCoupon(
            OrderV1.StartCouponRequest(
                step: CommonV1.SagaStep(sagaID: saga, definition: "start-coupon", step: "post"), couponID: coupon),
            call(OrderV1.OrderSteps.startCoupon.descriptor, account, at: instant))
    }

    /// The ids of the coupons that start by an instant, in order.
    func starting(through instant: Timestamp) async throws -> [String] {
        try await service.listStartingCoupons(
            OrderV1.ListStartingCouponsRequest(through: instant.milliseconds),
            call(OrderV1.Coupons.listStartingCoupons.descriptor, "", at: nil)
        ).coupons.map(\.couponID)
    }

    /// Tells that a group was released, at once or since that was due.
    func released(
        _ account: String, _ group: String, wasDue: Bool = false, at instant: Timestamp
    ) async throws -> Response<OrderV1.CancelUnpaidReply> {
        try await service.cancelUnpaid(
            OrderV1.CancelUnpaidRequest(
                step: CommonV1.SagaStep(sagaID: "saga-\(group)", definition: "release", step: "cancel"),
                wasDue: wasDue, groupIDs: [group]),
            call(OrderV1.OrderSteps.cancelUnpaid.descriptor, account, at: instant))
    }

    /// What is left of each coupon by its id.
    func left(_ account: String) async throws -> [String: String] {
        let reply = try await service.listCoupons(
            OrderV1.ListCouponsRequest(limit: 200), call(OrderV1.Coupons.listCoupons.descriptor, account, at: nil))
        return Dictionary(
            uniqueKeysWithValues: reply.coupons.map {
                ($0.couponID, Money(micros: $0.remainingMicros).shortDescription)
            })
    }

    /// Pays an order from the balance with a choice of coupon.
    func pay(
        _ account: String, _ order: String, coupon: String, without: Bool = false, saga: String = "saga-pay",
        at instant: Timestamp = opening
    ) async throws -> OrderV1.Order {
        let reply = try await service.payOrder(
            OrderV1.PayOrderRequest(
                step: CommonV1.SagaStep(sagaID: saga, definition: "pay", step: "pay"), orderID: order,
                paymentMethod: .balance, couponID: coupon, withoutCoupon: without),
            call(OrderV1.OrderSteps.payOrder.descriptor, account, at: instant))
        return try #require(reply.order)
    }

    /// Announces an online payment of what a coupon and a part from the balance leave.
    func registerMixed(
        _ account: String, _ order: String, reference: String = "wire-1", coupon: String = "", without: Bool = false,
        balance: String = "0", at instant: Timestamp = opening
    ) async throws -> OrderV1.Payment {
        let reply = try await service.registerPayment(
            OrderV1.RegisterPaymentRequest(
                orderID: order, reference: reference, couponID: coupon, withoutCoupon: without,
                balanceMicros: try Money(balance).micros),
            call(OrderV1.Payments.registerPayment.descriptor, account, at: instant))
        return try #require(reply.payment)
    }

    /// Gives back all that an order cost, since its group never came up.
    func refundInFull(
        _ account: String, _ order: String, id: String = "ref-1", saga: String = "saga-refund",
        at instant: Timestamp = opening
    ) async throws -> OrderV1.RefundPostedReply {
        try await service.refundInFull(
            OrderV1.RefundInFullRequest(
                step: CommonV1.SagaStep(sagaID: saga, definition: "creation-failed", step: "refund"), orderID: order,
                refundID: id),
            call(OrderV1.OrderSteps.refundInFull.descriptor, account, at: instant)
        ).message
    }

    func adjust(
        _ account: String, _ amount: String, _ reason: String = "A fee that was agreed.",
        at instant: Timestamp = opening, key: String? = nil
    ) async throws -> Response<OrderV1.AdjustReply> {
        try await service.adjust(
            OrderV1.AdjustRequest(amountMicros: try Money(amount).micros, reason: reason),
            call(OrderV1.Accounts.adjust.descriptor, account, at: instant, key: key))
    }

    func closeMonths(
        through instant: Timestamp, uncut: [String] = []
    ) async throws -> OrderV1.CloseMonthsReply {
        try await service.closeMonths(
            OrderV1.CloseMonthsRequest(through: instant.milliseconds, uncutAccounts: uncut),
            call(OrderV1.Orders.closeMonths.descriptor, "", at: nil)
        ).message
    }

    /// Records what is due.
    /// - Returns: how many notices those are.
    func recordNotices(through instant: Timestamp) async throws -> UInt32 {
        try await service.recordNotices(
            OrderV1.RecordNoticesRequest(through: instant.milliseconds),
            call(OrderV1.Orders.recordNotices.descriptor, "", at: nil)
        ).notices
    }

    /// The notices of an account as "+25:00 reminder 0.4724": hours and minutes since `opening`.
    func notices(_ account: String, after sequence: Int64 = 0) async throws -> [String] {
        let reply = try await service.listNotices(
            OrderV1.ListNoticesRequest(afterSequence: sequence, limit: 200),
            call(OrderV1.Accounts.listNotices.descriptor, account, at: nil))
        return reply.notices.map { notice in
            let minutes = (notice.at - opening.milliseconds) / 60_000
            let rest = minutes % 60 < 10 ? "0\(minutes % 60)" : "\(minutes % 60)"
            return "+\(minutes / 60):\(rest) \(notice.kind) \(Money(micros: notice.amountMicros).shortDescription)"
        }
    }

    /// When the next work of all accounts is due; 0: never.
    func nextDue(after instant: Timestamp) async throws -> OrderV1.NextDueReply {
        try await service.nextDue(
            OrderV1.NextDueRequest(after: instant.milliseconds),
            call(OrderV1.Orders.nextDue.descriptor, "", at: nil)
        ).message
    }

    /// All lines of an account, one by one.
    func lines(_ account: String, _ kinds: [OrderV1.ItemKind] = []) async throws -> [OrderV1.BillLine] {
        try await wholeBill(account, OrderV1.ListBillRequest(itemKinds: kinds, period: .details))
    }

    /// What paid a line, as "coupon 5.00".
    func paidBy(_ account: String, line: String) async throws -> [String] {
        let details = try await service.getLine(
            OrderV1.GetLineRequest(lineID: line), call(OrderV1.Bills.getLine.descriptor, account, at: nil))
        return details.payments.map { "\($0.kind) \(Money(micros: $0.amountMicros).shortDescription)" }
    }
}
