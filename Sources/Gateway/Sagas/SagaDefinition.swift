import BillingAPI
import BillingCore
import RPC

/// A kind of saga: its steps in order, the one that decides, and what the API answers in the end.
struct SagaDefinition: Sendable {
    /// "pay-switch"; also what a crash plan and a participant call it.
    let name: String
    /// Raised when the steps or the frozen input change; the old definition stays until its last saga ended.
    let version: Int
    let steps: [Step]
    let pivot: String
    /// Whether cuts passed the account by while it ran, so that the account is caught up when it ends.
    let holdsLock: Bool
    /// The API's reply once every step is done.
    let reply: @Sendable (SagaSoFar) throws(RPCError) -> StoredAnswer
    /// The API's reply once everything is undone, if that is not simply the refusal that led to it.
    let abortedReply: @Sendable (SagaSoFar, RPCError) throws(RPCError) -> StoredAnswer?

    init(
        _ name: String, version: Int = 1, holdsLock: Bool, pivot: String, steps: [Step],
        reply: @escaping @Sendable (SagaSoFar) throws(RPCError) -> StoredAnswer,
        abortedReply: @escaping @Sendable (SagaSoFar, RPCError) throws(RPCError) -> StoredAnswer? = { _, _ in nil }
    ) {
        self.name = name
        self.version = version
        self.holdsLock = holdsLock
        self.pivot = pivot
        self.steps = steps
        self.reply = reply
        self.abortedReply = abortedReply
    }

    var shape: SagaShape {
        guard let pivot = steps.firstIndex(where: { $0.name == pivot }) else {
            preconditionFailure("saga \(name) has no step \(pivot)")
        }
        return SagaShape(steps: steps.count, pivot: pivot)
    }

    /// - Throws: `SagaLogError` for a name that is no step of this saga.
    func index(of step: String) throws(SagaLogError) -> Int {
        guard let index = steps.firstIndex(where: { $0.name == step }) else { throw .unknownStep(step) }
        return index
    }
}

/// A step: what does it, and beside it what takes it back. Both are idempotent at their participant.
struct Step: Sendable {
    /// Makes the call from what the journal holds; `nil`: there is nothing to do in this saga.
    typealias Call = @Sendable (SagaSoFar) throws(RPCError) -> StepCall?

    let name: String
    let action: Call
    let undo: Call

    init(_ name: String, action: @escaping Call = { _ in nil }, undo: @escaping Call = { _ in nil }) {
        self.name = name
        self.action = action
        self.undo = undo
    }
}

/// A call to a participant, ready to be sent any number of times.
struct StepCall: Sendable {
    /// Where a row of a step is kept.
    struct Place: Hashable, Sendable {
        let participant: Participant
        /// `nil`: by the step's own name.
        var step: String?
    }

    /// The rows that are kept of it.
    let places: [Place]
    /// The instant that the call carries.
    let effectiveAt: Timestamp
    let send: @Sendable (Services, CallOptions) async throws(RPCError) -> StoredAnswer

    /// - Parameters:
    ///   - isStep: whether the participant keeps a row of it; a keyed call is recorded otherwise.
    ///   - passedOn: what the participant has another one do as a part of the step.
    static func to<Request: WireMessage, Reply: WireMessage>(
        _ participant: Participant, _ method: Method<Request, Reply>, _ request: Request, at effectiveAt: Timestamp,
        isStep: Bool = true, passedOn: Place? = nil
    ) -> StepCall {
        let places = (isStep ? [Place(participant: participant)] : []) + (passedOn.map { [$0] } ?? [])
        return StepCall(places: places, effectiveAt: effectiveAt) { services, options async throws(RPCError) in
            let response = try await services[participant].call(method, request, options)
            return StoredAnswer(bytes: response.message.encoded(), effectiveAt: response.effectiveAt)
        }
    }
}

/// What a saga's journal holds at one step: all that a call is made from, whether for the first time or by a successor.
struct SagaSoFar: Sendable {
    let sagaID: String
    /// The instant that was stamped on the call that started the saga.
    let startedAt: Timestamp
    /// The business clock, for undos, which take effect whenever they come.
    let now: Timestamp
    let input: FrozenMessages
    /// Who the call is, for participants: the step at hand, and whether it is undone.
    let step: CommonV1.SagaStep
    let done: [String: StoredAnswer]
    let undone: [String: StoredAnswer]

    /// An id that belongs to this saga alone and is the same in every attempt: "ref-" and what follows "saga-".
    func identifier(prefix: String) -> String { prefix + sagaID.dropFirst(SagaKind.prefix.count) }

    /// What a step replied.
    /// - Throws: `RPCError` "saga.journal_damaged" for a step that is not done.
    func reply<Reply: WireMessage>(of step: String, as _: Reply.Type = Reply.self) throws(RPCError) -> Reply {
        guard let answer = done[step] else { throw .journalDamaged("step '\(step)' has no reply") }
        return try answer.response(Reply.self, isReplay: false).message
    }

    /// The instant of a call up to the pivot: the one that was stamped, or the one that locking the group moved it up to
    /// (design 2.2); now, if the step is taken back.
    var callInstant: Timestamp { step.undo ? now : max(startedAt, instant(of: "lock")) }

    /// When a step took effect.
    func instant(of step: String) -> Timestamp { done[step]?.effectiveAt ?? startedAt }

    /// `message` as this saga's answer.
    func answer(_ message: some WireMessage, at effectiveAt: Timestamp) -> StoredAnswer {
        StoredAnswer(bytes: message.encoded(), effectiveAt: effectiveAt)
    }
}

extension RPCError {
    static func journalDamaged(_ detail: String) -> RPCError {
        RPCError(.dataLoss, "saga.journal_damaged", "The journal of a saga cannot be read: \(detail).")
    }
}
