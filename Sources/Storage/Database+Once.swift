package import BillingCore
package import RPC

extension Database {
    /// Carries out a keyed call once: the effect and the answer are kept in one transaction under (account, method,
    /// key), and a repeat gets the same answer again, its bytes equal, marked as a replay (reliability 2.2).
    ///
    /// A refusal whose status is recorded is an answer too: what `unit` did before it threw is undone, the refusal is
    /// kept. Any other error undoes everything, so that the same key may be tried again.
    /// - Throws: what `unit` threw, or as an `RPCError` the refusal that was recorded earlier; `RPCError`
    ///   "call.key_missing", "call.key_reused" for another request under the same key, "call.already_done" when the
    ///   reply is no longer kept; `StorageError`.
    package func write<Request: WireMessage, Reply: WireMessage>(
        once call: CallContext, _ request: Request, lane: WriteLane = .single,
        _ unit: @escaping @Sendable (any Transaction) throws -> Response<Reply>
    ) async throws -> Response<Reply> {
        guard let key = call.key else {
            throw RPCError(
                .invalidArgument, "call.key_missing",
                "\(call.method.name) changes something, so it needs an idempotency key that a repeat can carry.",
                field: "key")
        }
        let record = KeyedRecord(call, key, fingerprint: request.fingerprint)
        return try await write(lane) { transaction -> Answer<Reply> in
            if let earlier = try record.find(in: transaction) { return try earlier.answer(Reply.self) }
            let answer = try Answer(in: transaction, unit)
            try record.keep(answer, in: transaction)
            return answer
        }.get()
    }

    /// Forgets the replies of one partition's calls that were made before `cutoff`; that they were made is kept for as
    /// long as the ledger. Calls that no gateway stamped are kept whole.
    /// - Returns: the number of replies forgotten.
    @discardableResult
    package func pruneReplies(partition: Int, before cutoff: Timestamp) async throws -> Int {
        try await write(.bulk) { transaction in
            try transaction.execute(
                "UPDATE idempotency SET reply = NULL WHERE partition = ? AND called_at < ? AND reply IS NOT NULL",
                .integer(partition), .integer(cutoff.milliseconds))
        }
    }
}

/// The row of one keyed call.
private struct KeyedRecord: Sendable {
    private let method: String
    private let identity: [SQLValue]
    private let fingerprint: Int64
    private let calledAt: Timestamp?

    init(_ call: CallContext, _ key: IdempotencyKey, fingerprint: Int64) {
        method = call.method.name
        identity = [
            .integer(Partition.of(call.account)), .text(call.account), .integer(Int64(call.method.id)),
            .text(key.text),
        ]
        self.fingerprint = fingerprint
        calledAt = call.effectiveAt
    }

    /// - Throws: `RPCError` "call.key_reused".
    func find(in transaction: any Transaction) throws -> RecordedAnswer? {
        let found = try transaction.all(
            """
            SELECT fingerprint, status, reply, effective_at FROM idempotency
            WHERE partition = ? AND account = ? AND method = ? AND key = ?
            """, identity
        ) { RecordedAnswer($0) }.first
        if let found, found.fingerprint != fingerprint {
            throw RPCError(
                .failedPrecondition, "call.key_reused",
                "This key belongs to an earlier call of \(method) with another request. Nothing was done; a new call "
                    + "takes a new key.", field: "key")
        }
        return found
    }

    func keep(_ answer: Answer<some WireMessage>, in transaction: any Transaction) throws {
        try transaction.execute(
            """
            INSERT INTO idempotency
                (partition, account, method, key, fingerprint, status, reply, effective_at, called_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            identity + [.integer(fingerprint)] + answer.columns + [.integer(calledAt?.milliseconds)])
    }
}
