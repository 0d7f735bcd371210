import BillingAPI
import BillingCore
import RPC

extension SagaDefinition {
    /// Pays an order that renews a subscription: the lock tells where the new term begins, the payment fixes it, then
    /// metering adds it (domain 5.3).
    ///
    /// Input: `order.PayOrderRequest` without its basis, `metering.LockGroupRequest`, and, for an online payment, the
    /// pending `order.Payment`.
    static let payRenewal = SagaDefinition(
        "pay-renewal", holdsLock: true, pivot: "pay",
        steps: [
            .payment,
            Step("lock", action: lockForRenewal, undo: lockForRenewal),
            Step("pay", action: payWithBasis, undo: payWithBasis),
            Step("extend", action: extendByPaid),
        ],
        reply: { saga throws(RPCError) in
            let order = try saga.reply(of: "pay", as: OrderV1.OrderReply.self).order
            let group = try saga.reply(of: "extend", as: MeteringV1.GroupReply.self).group
            return try saga.paid(order, group)
        },
        abortedReply: { saga, refusal throws(RPCError) in try saga.returned(refusal) })

    /// Renews a subscription by itself: the whole price or nothing, and no order is left behind (domain 5.5). The clock
    /// starts it at the instant of an attempt.
    ///
    /// Input: `order.AutoRenewRequest` without its basis, `metering.LockGroupRequest`.
    static let autoRenew = SagaDefinition(
        "auto-renew", holdsLock: true, pivot: "auto-renew",
        steps: [
            Step("lock", action: lockForRenewal, undo: lockForRenewal),
            Step("auto-renew", action: placeAndPay, undo: placeAndPay),
            Step("extend", action: extendByAutomatic),
        ],
        reply: { saga throws(RPCError) in
            let order = try saga.order(of: "auto-renew")
            let group = try saga.reply(of: "extend", as: MeteringV1.GroupReply.self).group
            return saga.answer(
                GatewayV1.PayOrderReply(order: order, group: group), at: Timestamp(milliseconds: order.paidAt))
        })

    private static let lockForRenewal: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(1, as: MeteringV1.LockGroupRequest.self)
        request.step = saga.step
        return .to(.metering, MeteringV1.GroupSteps.lockGroup, request, at: saga.callInstant)
    }

    private static let payWithBasis: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(0, as: OrderV1.PayOrderRequest.self)
        request.step = saga.step
        request.basis = try saga.renewalBasis()
        return .to(.order, OrderV1.OrderSteps.payOrder, request, at: saga.callInstant)
    }

    private static let placeAndPay: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(0, as: OrderV1.AutoRenewRequest.self)
        request.step = saga.step
        request.basis = try saga.renewalBasis()
        return .to(.order, OrderV1.OrderSteps.autoRenew, request, at: saga.callInstant)
    }

    private static let extendByPaid: Step.Call = { saga throws(RPCError) in
        try saga.extend(by: saga.paidOrder(), automatic: false)
    }

    private static let extendByAutomatic: Step.Call = { saga throws(RPCError) in
        try saga.extend(by: saga.order(of: "auto-renew"), automatic: true)
    }
}

extension SagaSoFar {

    /// Where the renewal begins, as the locked group told it.
    fileprivate func renewalBasis() throws(RPCError) -> OrderV1.RenewalBasis {
        guard let group = try reply(of: "lock", as: MeteringV1.GroupReply.self).group else {
            throw .journalDamaged("the reply of step 'lock' names no group")
        }
        return OrderV1.RenewalBasis(
            paidThrough: group.paidThrough, nominalStart: group.nominalStart, nominalMonths: group.nominalMonths)
    }

    fileprivate func extend(by order: OrderV1.Order, automatic: Bool) throws(RPCError) -> StepCall {
        let request = MeteringV1.ExtendGroupRequest(
            step: step, groupID: order.groupID, term: order.paidTerm, automatic: automatic)
        return .to(
            .metering, MeteringV1.GroupSteps.extendGroup, request, at: Timestamp(milliseconds: order.paidAt))
    }
}
