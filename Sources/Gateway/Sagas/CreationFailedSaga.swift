import BillingAPI
import BillingCore
import RPC

extension SagaDefinition {
    /// The phones of a paid group never came up: the group is gone and its order is refunded in full (domain 7.4), which may end
    /// its account's being overdue. The refund is kept with the others, to be found and confirmed like them.
    ///
    /// Input: `metering.ReportCreatedRequest`, `order.RefundInFullRequest` without the refund's id.
    static let creationFailed = SagaDefinition(
        "creation-failed", holdsLock: false, pivot: "report-created",
        steps: [
            Step("report-created", action: reportCreated, undo: reportCreated),
            Step("refund-in-full", action: refundInFull), Step("note-refund", action: noteRefund),
        ]
            + Step.resuming { saga throws(RPCError) in
                let posted = try saga.reply(of: "refund-in-full", as: OrderV1.RefundPostedReply.self)
                return posted.recovered ? saga.instant(of: "refund-in-full") : nil
            },
        reply: { saga throws(RPCError) in
            saga.answer(
                try saga.reply(of: "report-created", as: MeteringV1.GroupReply.self),
                at: saga.instant(of: "report-created"))
        })

    private static let reportCreated: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(0, as: MeteringV1.ReportCreatedRequest.self)
        request.step = saga.step
        return .to(.metering, MeteringV1.Groups.reportCreated, request, at: saga.callInstant)
    }

    private static let refundInFull: Step.Call = { saga throws(RPCError) in
        var request = try saga.input.message(1, as: OrderV1.RefundInFullRequest.self)
        request.step = saga.step
        request.refundID = saga.identifier(prefix: RefundKind.prefix)
        return .to(.order, OrderV1.OrderSteps.refundInFull, request, at: saga.instant(of: "report-created"))
    }

    private static let noteRefund: Step.Call = { saga throws(RPCError) in
        let posted = try saga.reply(of: "refund-in-full", as: OrderV1.RefundPostedReply.self)
        let reported = try saga.input.message(0, as: MeteringV1.ReportCreatedRequest.self)
        let refunded = try saga.input.message(1, as: OrderV1.RefundInFullRequest.self)
        let request = RefundV1.NoteRefundRequest(
            step: saga.step, refundID: posted.refundID, groupID: reported.groupID, orderID: refunded.orderID,
            at: posted.at, toBalanceMicros: posted.toBalanceMicros, onlineMicros: posted.onlineMicros)
        return .to(.refund, RefundV1.RefundSteps.noteRefund, request, at: saga.instant(of: "refund-in-full"))
    }
}
