import BillingAPI
import BillingCore
import Storage

extension RefundV1.RefundReply {
    /// - Parameter recovered: whether paying it ended the account's being overdue.
    init(_ refund: Refund, recovered: Bool = false) {
        self.init(
            refund: RefundV1.Refund(
                refundID: refund.id.text, accountID: refund.account.text, groupID: refund.groupID,
                status: RefundV1.RefundStatus(refund.state), openedAt: refund.at.milliseconds,
                at: refund.at.milliseconds, amountMicros: refund.amount.micros,
                toBalanceMicros: refund.parts.toBalance.micros, onlineMicros: refund.parts.online.micros,
                onlineConfirmed: refund.isOnlineConfirmed, orders: refund.orders.map(RefundV1.RefundedOrder.init),
                cause: refund.cause?.text ?? "",
                renewalOnly: refund.isRenewalOnly), recovered: recovered)
    }
}

extension RefundV1.RefundedOrder {
    init(_ order: RefundedOrder) {
        self.init(
            orderID: order.id, cashPaidMicros: order.paid.cash.micros, consumedMicros: order.consumed.micros,
            refundMicros: order.refund.micros, usedDays: order.use.usedDays, termDays: order.use.termDays,
            inFullBecause: order.inFull?.text ?? "", couponLostMicros: order.paid.coupon.micros,
            toBalanceMicros: order.parts.toBalance.micros, onlineMicros: order.parts.online.micros,
            factorMillionths: order.use.factorMillionths, listNanos: order.term.listNanos,
            termStart: order.term.start.milliseconds, termEnd: order.term.end.milliseconds, months: order.term.months,
            priceListVersion: order.term.priceListVersion, paymentID: order.paymentID)
    }
}

extension RefundV1.RefundStatus {
    fileprivate init(_ state: Refund.State) {
        switch state {
        case .open: self = .open
        case .posted: self = .posted
        case .closed: self = .closed
        case .dropped: self = .dropped
        }
    }
}

extension SagaStep {
    /// - Throws: `RefundError.stepMissing`.
    init(_ step: CommonV1.SagaStep?) throws(RefundError) {
        guard let step, !step.sagaID.isEmpty, !step.step.isEmpty else { throw .stepMissing }
        self.init(sagaID: step.sagaID, definition: step.definition, step: step.step, isUndo: step.undo)
    }
}
