import BillingAPI
import BillingCore
import RPC

extension SagaDefinition {
    /// Releases a pay-as-you-go group for its owner; its unpaid orders are pointless from then on (domain 4.4).
    ///
    /// Input: `metering.ReleaseGroupRequest`, `order.CancelUnpaidRequest`.
    static let release = SagaDefinition(
        "release", holdsLock: false, pivot: "release",
        steps: [
            Step("release", action: releaseGroup, undo: releaseGroup),
            Step("cancel-unpaid", action: cancelUnpaid),
        ],
        reply: { saga throws(RPCError) in
            saga.answer(
                try saga.reply(of: "release", as: MeteringV1.GroupReply.self), at: saga.instant(of: "release"))
        })

    private static let releaseGroup: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(0, as: MeteringV1.ReleaseGroupRequest.self)
        request.step = saga.step
        return .to(.metering, MeteringV1.GroupSteps.releaseGroup, request, at: saga.callInstant)
    }

    private static let cancelUnpaid: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(1, as: OrderV1.CancelUnpaidRequest.self)
        request.step = saga.step
        return .to(.order, OrderV1.OrderSteps.cancelUnpaid, request, at: saga.instant(of: "release"))
    }
}
