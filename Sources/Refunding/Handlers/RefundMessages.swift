import BillingAPI
import BillingCore
import Storage

extension RefundV1.RefundReply {
    init(_ refund: Refund) {
        self.init(
            refund: RefundV1.Refund(
                refundID: refund.id.text, accountID: refund.account.text, groupID: refund.groupID,
                status: RefundV1.RefundStatus(refund.state), openedAt: refund.at.milliseconds,
                at: refund.at.milliseconds, amountMicros: refund.amount.micros,
                toBalanceMicros: refund.toBalance.micros, onlineMicros: refund.online.micros,
                onlineConfirmed: refund.isOnlineConfirmed, orders: refund.orders.map(RefundV1.RefundedOrder.init)))
    }
}

extension RefundV1.RefundedOrder {
    init(_ order: RefundedAmount) {
        self.init(
            orderID: order.orderID, cashPaidMicros: order.cashPaid.micros, consumedMicros: order.consumed.micros,
            refundMicros: order.refund.micros, usedDays: order.usedDays, termDays: order.termDays)
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
