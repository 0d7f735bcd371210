import BillingCore
package import RPC

extension Database {
    /// Does or undoes a step of a saga once, as a participant (reliability 5). In one transaction the call's epoch is
    /// checked against the saga's fence, the fence is raised and the step's row decides:
    ///
    /// | row | do | undo |
    /// |---|---|---|
    /// | none | run, keep the reply or the refusal | keep a tombstone |
    /// | done | the same reply | undo the effect; a pivot refuses "saga.already_done" |
    /// | rejected | the same refusal | nothing to undo, and never done later |
    /// | undone, tombstone | refused "saga.undone", never run | the same reply |
    ///
    /// An undo answers an empty reply, and its request is not compared with the one it undoes.
    /// - Parameter isPivot: whether the saga can only go forward once this step is done.
    /// - Throws: what the effect threw, or as an `RPCError` the refusal recorded earlier; `RPCError` "saga.fenced" for a
    ///   gateway that no longer owns the saga, "call.key_reused" for a step done with another request; `StorageError`.
    ///   Errors that are not recorded leave nothing behind, so that the step may be tried again.
    package func write<Request: WireMessage, Reply: WireMessage>(
        step: SagaStep, _ call: CallContext, _ request: Request,
        do effect: @escaping @Sendable (any Transaction) throws -> Response<Reply>,
        undo: @escaping @Sendable (any Transaction) throws -> Void, isPivot: Bool = false
    ) async throws -> Response<Reply> {
        crashPlan?.reached(.before, of: step)
        let row = StepRow(step, call)
        let fingerprint = step.isUndo ? nil : request.fingerprint
        let answer = try await write(.single) { transaction -> Answer<Reply> in
            try row.passFence(in: transaction)
            let known = try row.find(in: transaction)
            guard let fingerprint else {
                return try row.undo(known, in: transaction, isPivot: isPivot, undo)
            }
            return try row.perform(known, fingerprint, in: transaction, effect)
        }
        crashPlan?.reached(.after, of: step)
        return try answer.get()
    }
}

/// Where a step stands for its participant.
private enum StepState: Int64 {
    /// Can go to `undone`, unless it is a pivot.
    case done = 1
    /// Refused by a rule; can go to `undone`.
    case rejected = 2
    /// Final.
    case undone = 3
    /// Undone before it was done; final.
    case tombstone = 4
}

/// The row of one step, and the fence of its saga.
private struct StepRow: Sendable {
    private let saga: [SQLValue]
    private let step: SagaStep
    private let epoch: UInt64

    typealias Known = (state: StepState, record: RecordedAnswer)

    init(_ step: SagaStep, _ call: CallContext) {
        saga = [.integer(Partition.of(call.account)), .text(call.account), .text(step.sagaID)]
        self.step = step
        epoch = call.epoch
    }

    /// - Throws: `RPCError` "saga.fenced" when a later owner of the saga was here; nothing is recorded then.
    func passFence(in transaction: any Transaction) throws {
        // Epochs count takeovers from 1; one that no integer column holds is no gateway's.
        guard let epoch = Int64(exactly: epoch) else { throw fenced }
        let fence = try transaction.all(
            "SELECT max_epoch FROM saga_fence WHERE partition = ? AND account = ? AND saga_id = ?", saga
        ) { $0.integer(0) }.first
        if let fence {
            if epoch < fence { throw fenced }
            if epoch == fence { return }
        }
        try transaction.execute(
            """
            INSERT INTO saga_fence (partition, account, saga_id, max_epoch) VALUES (?, ?, ?, ?)
            ON CONFLICT (partition, account, saga_id) DO UPDATE SET max_epoch = excluded.max_epoch
            """, saga + [.integer(epoch)])
    }

    func find(in transaction: any Transaction) throws -> Known? {
        try transaction.all(
            """
            SELECT state, fingerprint, status, reply, effective_at FROM saga_step
            WHERE partition = ? AND account = ? AND saga_id = ? AND step = ?
            """, saga + [.text(step.step)]
        ) { row -> Known in
            guard let state = StepState(rawValue: row.integer(0)) else {
                preconditionFailure("a saga step in state \(row.integer(0)), which the table's check forbids")
            }
            return (state, RecordedAnswer(row, from: 1))
        }.first
    }

    func perform<Reply: WireMessage>(
        _ known: Known?, _ fingerprint: Int64, in transaction: any Transaction,
        _ effect: (any Transaction) throws -> Response<Reply>
    ) throws -> Answer<Reply> {
        guard let known else {
            let answer = try Answer(in: transaction, effect)
            let state: StepState =
                switch answer {
                case .reply: .done
                case .refusal: .rejected
                }
            try insert(state, fingerprint: .integer(fingerprint), answer.columns, in: transaction)
            return answer
        }
        switch known.state {
        case .done, .rejected:
            guard known.record.fingerprint == fingerprint else {
                return refuse("call.key_reused", "was answered for another request. Nothing was done.")
            }
            return try known.record.answer(Reply.self)
        case .undone, .tombstone:
            return refuse("saga.undone", "was undone and is never done again.")
        }
    }

    func undo<Reply: WireMessage>(
        _ known: Known?, in transaction: any Transaction, isPivot: Bool, _ undoEffect: (any Transaction) throws -> Void
    ) throws -> Answer<Reply> {
        guard let known else {
            try insert(.tombstone, fingerprint: .null, [.integer(0), .null, .null], in: transaction)
            return .reply(Response(Reply()))
        }
        switch known.state {
        case .done:
            if isPivot {
                return refuse(
                    "saga.already_done", "is done and decides the saga, so it is not undone. Go forward.")
            }
            try undoEffect(transaction)
            try markUndone(in: transaction)
            return .reply(Response(Reply()))
        case .rejected:
            try markUndone(in: transaction)
            return .reply(Response(Reply()))
        case .undone, .tombstone:
            return .reply(Response(Reply(), isReplay: true))
        }
    }

    private func insert(
        _ state: StepState, fingerprint: SQLValue, _ answer: [SQLValue], in transaction: any Transaction
    ) throws {
        try transaction.execute(
            """
            INSERT INTO saga_step
                (partition, account, saga_id, step, state, fingerprint, status, reply, effective_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """, saga + [.text(step.step), .integer(state.rawValue), fingerprint] + answer)
    }

    private func markUndone(in transaction: any Transaction) throws {
        try transaction.execute(
            """
            UPDATE saga_step SET state = ?, reply = NULL
            WHERE partition = ? AND account = ? AND saga_id = ? AND step = ?
            """, [.integer(StepState.undone.rawValue)] + saga + [.text(step.step)])
    }

    /// A refusal by what the row says: an answer, so that the fence it was told behind stays raised.
    private func refuse<Reply>(_ reason: String, _ why: String) -> Answer<Reply> {
        .refusal(
            RPCError(
                .failedPrecondition, reason, "Step '\(step.step)' of saga '\(step.sagaID)' \(why)", field: "step",
                value: step.step))
    }

    private var fenced: RPCError {
        RPCError(
            .failedPrecondition, "saga.fenced",
            "Saga '\(step.sagaID)' was taken over by another gateway; epoch \(epoch) is out of date. Nothing was done.",
            field: "epoch", value: String(epoch))
    }
}
