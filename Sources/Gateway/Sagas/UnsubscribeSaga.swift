import BillingAPI
import BillingCore
import RPC

extension SagaDefinition {
    /// Unsubscribes a whole group: the refund that was quoted is paid, then the group ends at the instant that opening
    /// the refund fixed (domain 7). What lands in the balance may end the account's being overdue. An order that was
    /// placed for the group meanwhile goes with it.
    ///
    /// Input: `metering.LockGroupRequest`, `refund.OpenRefundRequest` without the group and the refund's id.
    static let unsubscribe = refunding(
        "unsubscribe", [Step("end", action: endGroup), Step("cancel-unpaid", action: cancelUnpaid)], groupFrom: "end")

    /// Cancels the last pending renewal alone; the group goes on (domain 7.3).
    ///
    /// Input: as of `unsubscribe`; the request to open says that it is for the renewal only.
    static let cancelRenewal = refunding(
        "cancel-renewal", [Step("drop-renewal", action: dropRenewal)], groupFrom: "drop-renewal")

    /// - Parameter changes: what happens to the group, which the first one unlocks, once the money is on its way.
    private static func refunding(_ name: String, _ changes: [Step], groupFrom: String) -> SagaDefinition {
        SagaDefinition(
            name, holdsLock: true, pivot: "pay-refund",
            steps: [
                Step("lock", action: lockSubscription, undo: lockSubscription),
                Step("open-refund", action: openRefund, undo: openRefund),
                Step("pay-refund", action: payRefund, undo: payRefund),
            ] + changes + [Step("close-refund", action: closeRefund)]
                + Step.resuming { saga throws(RPCError) in
                    let paid = try saga.reply(of: "pay-refund", as: RefundV1.RefundReply.self)
                    return paid.recovered ? try saga.refundInstant() : nil
                },
            reply: { saga throws(RPCError) in
                let reply = GatewayV1.UnsubscribeReply(
                    refund: try saga.reply(of: "close-refund", as: RefundV1.RefundReply.self).refund,
                    group: try saga.reply(of: groupFrom, as: MeteringV1.GroupReply.self).group)
                return saga.answer(reply, at: try saga.refundInstant())
            })
    }

    private static let lockSubscription: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(0, as: MeteringV1.LockGroupRequest.self)
        request.step = saga.step
        return .to(.metering, MeteringV1.GroupSteps.lockGroup, request, at: saga.callInstant)
    }

    private static let openRefund: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(1, as: RefundV1.OpenRefundRequest.self)
        request.step = saga.step
        request.refundID = saga.identifier(prefix: RefundKind.prefix)
        request.group = try saga.reply(of: "lock", as: MeteringV1.GroupReply.self).group
        return .to(.refund, RefundV1.RefundSteps.openRefund, request, at: saga.callInstant)
    }

    private static let payRefund: Step.Call = { saga throws(RPCError) in
        let request = RefundV1.PayRefundRequest(
            step: saga.step, refundID: saga.identifier(prefix: RefundKind.prefix))
        let at = try saga.step.undo ? saga.now : saga.refundInstant()
        return .to(
            .refund, RefundV1.RefundSteps.payRefund, request, at: at,
            passedOn: StepCall.Place(participant: .order, step: "post-refund"))
    }

    private static let endGroup: Step.Call = { saga throws(RPCError) in
        let at = try saga.refundInstant()
        let frozen = try saga.input.message(0, as: MeteringV1.LockGroupRequest.self)
        let request = MeteringV1.EndGroupRequest(step: saga.step, groupID: frozen.groupID, at: at.milliseconds)
        return .to(.metering, MeteringV1.GroupSteps.endGroup, request, at: at)
    }

    private static let cancelUnpaid: Step.Call = { saga throws(RPCError) in
        let frozen = try saga.input.message(0, as: MeteringV1.LockGroupRequest.self)
        let request = OrderV1.CancelUnpaidRequest(step: saga.step, groupIDs: [frozen.groupID])
        return .to(.order, OrderV1.OrderSteps.cancelUnpaid, request, at: try saga.refundInstant())
    }

    private static let dropRenewal: Step.Call = { saga throws(RPCError) in
        guard let renewal = try saga.openedRefund().orders.first else {
            throw .journalDamaged("the reply of step 'open-refund' names no order")
        }
        let frozen = try saga.input.message(0, as: MeteringV1.LockGroupRequest.self)
        let request = MeteringV1.DropRenewalRequest(
            step: saga.step, groupID: frozen.groupID, orderID: renewal.orderID)
        return .to(.metering, MeteringV1.GroupSteps.dropRenewal, request, at: try saga.refundInstant())
    }

    private static let closeRefund: Step.Call = { saga throws(RPCError) in
        let request = RefundV1.CloseRefundRequest(
            step: saga.step, refundID: saga.identifier(prefix: RefundKind.prefix))
        return .to(.refund, RefundV1.RefundSteps.closeRefund, request, at: try saga.refundInstant())
    }
}

extension SagaSoFar {
    fileprivate func openedRefund() throws(RPCError) -> RefundV1.Refund {
        guard let refund = try reply(of: "open-refund", as: RefundV1.RefundReply.self).refund else {
            throw .journalDamaged("the reply of step 'open-refund' names no refund")
        }
        return refund
    }

    /// T, the instant of unsubscription.
    func refundInstant() throws(RPCError) -> Timestamp { Timestamp(milliseconds: try openedRefund().at) }
}
