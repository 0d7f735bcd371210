import BillingAPI
import BillingCore
import RPC

extension SagaDefinition {
    /// Releases a group for its owner; its unpaid orders are pointless from then on (domain 4.4).
    ///
    /// Input: `metering.ReleaseGroupRequest`, `order.CancelUnpaidRequest`.
    static let release = SagaDefinition(
        "release", holdsLock: false, pivot: "release",
        steps: [
            Step("release", action: releaseGroup, undo: releaseGroup),
            Step("cancel-unpaid", action: cancelUnpaid),
        ],
        reply: { saga throws(RPCError) in try saga.released() })

    /// Releases a group that was overdue or expired for 15 days. If it is for a debt, order first makes sure that no
    /// money can come before it any more (domain 4.4). The clock starts it at the instant that is due.
    ///
    /// Input: `metering.ReleaseGroupRequest`, `order.CancelUnpaidRequest`, `order.ClaimOverdueRequest`, whose instant is
    /// 0 for an expired group.
    static let releaseDue = SagaDefinition(
        "release-due", holdsLock: false, pivot: "release",
        steps: [
            Step("claim", action: claimOverdue, undo: claimOverdue),
            Step("release", action: releaseGroup, undo: releaseGroup),
            Step("cancel-unpaid", action: cancelUnpaid),
        ],
        reply: { saga throws(RPCError) in try saga.released() })

    private static let claimOverdue: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(2, as: OrderV1.ClaimOverdueRequest.self)
        guard request.overdueAt != 0 else { return nil }
        request.step = saga.step
        return .to(.order, OrderV1.OrderSteps.claimOverdue, request, at: saga.callInstant)
    }

    private static let releaseGroup: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(0, as: MeteringV1.ReleaseGroupRequest.self)
        request.step = saga.step
        return .to(.metering, MeteringV1.GroupSteps.releaseGroup, request, at: saga.callInstant)
    }

    private static let cancelUnpaid: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(1, as: OrderV1.CancelUnpaidRequest.self)
        request.step = saga.step
        // The owner may come after the 15 days, and the notice is due all the same.
        let cause = try saga.reply(of: "release", as: MeteringV1.GroupReply.self).group?.releaseCause
        request.wasDue = cause == .overdue || cause == .expired
        return .to(.order, OrderV1.OrderSteps.cancelUnpaid, request, at: saga.instant(of: "release"))
    }
}

extension SagaSoFar {
    fileprivate func released() throws(RPCError) -> StoredAnswer {
        answer(try reply(of: "release", as: MeteringV1.GroupReply.self), at: instant(of: "release"))
    }
}
