import BillingAPI
import BillingCore
import RPC

// An account whose last debt is paid recovers at that instant (domain 4.3): order says so, metering has to be told.

extension Step {
    /// Tells metering that the account owes nothing from an instant on. A repeat with the same instant changes nothing.
    /// - Parameter instant: when the account recovered; `nil` if it did not in this saga, so that there is nothing to do.
    static func resume(
        at instant: @escaping @Sendable (SagaSoFar) throws(RPCError) -> Timestamp?
    ) -> Step {
        Step("resume", action: resumeAccount(at: instant))
    }

    fileprivate static func resumeAccount(
        at instant: @escaping @Sendable (SagaSoFar) throws(RPCError) -> Timestamp?
    ) -> Call {
        { saga throws(RPCError) in
            guard let at = try instant(saga) else { return nil }
            let request = MeteringV1.ResumeAccountRequest(step: saga.step, at: at.milliseconds)
            return .to(.metering, MeteringV1.GroupSteps.resumeAccount, request, at: at)
        }
    }
}

extension SagaDefinition {
    /// Resumes an account that a month close recovered, at the instant of the close. Its first step decides: there is
    /// nothing to take back, since order booked the credit before.
    ///
    /// Input: nothing.
    static let resume = SagaDefinition(
        "resume", holdsLock: false, pivot: "resume",
        steps: [
            Step(
                "resume", action: Step.resumeAccount { saga throws(RPCError) in saga.startedAt },
                undo: Step.resumeAccount { saga throws(RPCError) in saga.startedAt })
        ],
        reply: { saga throws(RPCError) in
            saga.answer(
                try saga.reply(of: "resume", as: MeteringV1.ResumeAccountReply.self), at: saga.startedAt)
        })
}
