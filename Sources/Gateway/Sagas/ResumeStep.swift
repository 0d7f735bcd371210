import BillingAPI
import BillingCore
import RPC

// An account whose last debt is paid recovers at that instant (domain 4.3): order says so, metering has to be told.

extension Step {
    /// Tells metering that the account owes nothing from an instant on, and order which groups that was too late for
    /// (domain 4.4). A repeat with the same instant changes nothing.
    /// - Parameter instant: when the account recovered; `nil` if it did not in this saga, so that there is nothing to do.
    static func resuming(
        beforeReleases: Bool = false, at instant: @escaping @Sendable (SagaSoFar) throws(RPCError) -> Timestamp?
    ) -> [Step] {
        [
            Step(
                "resume",
                action: { saga throws(RPCError) in
                    guard let at = try instant(saga) else { return nil }
                    let request = MeteringV1.ResumeAccountRequest(
                        step: saga.step, at: at.milliseconds, beforeReleases: beforeReleases)
                    return .to(.metering, MeteringV1.GroupSteps.resumeAccount, request, at: at)
                }),
            Step(
                "cancel-released",
                action: { saga throws(RPCError) in
                    guard let at = try instant(saga) else { return nil }
                    let groups = try saga.reply(of: "resume", as: MeteringV1.ResumeAccountReply.self).releasedGroupIDs
                    guard !groups.isEmpty else { return nil }
                    let request = OrderV1.CancelUnpaidRequest(step: saga.step, wasDue: true, groupIDs: groups)
                    return .to(.order, OrderV1.OrderSteps.cancelUnpaid, request, at: at)
                }),
        ]
    }
}

extension SagaDefinition {
    /// Resumes an account that a month close recovered, at the instant of the close. Order names the recovery until the
    /// first step, which decides; from then on the journal sees to it.
    ///
    /// Input: nothing.
    static let resume = SagaDefinition(
        "resume", holdsLock: false, pivot: "acknowledge",
        steps: [Step("acknowledge", action: acknowledge, undo: acknowledge)]
            + Step.resuming(beforeReleases: true) { saga throws(RPCError) in saga.startedAt },
        reply: { saga throws(RPCError) in
            saga.answer(
                try saga.reply(of: "resume", as: MeteringV1.ResumeAccountReply.self), at: saga.startedAt)
        })

    private static let acknowledge: Step.Call = { saga throws(RPCError) in
        .to(
            .order, OrderV1.OrderSteps.acknowledgeRecovery,
            OrderV1.AcknowledgeRecoveryRequest(step: saga.step, at: saga.startedAt.milliseconds), at: saga.startedAt)
    }
}
