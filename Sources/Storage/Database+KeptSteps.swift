import BillingCore

extension Database {
    /// What the participant keeps of the steps of sagas, in the order of partition, account, saga and step, each with the
    /// fence of its saga.
    /// - Parameters:
    ///   - partitions: the first of them is that of `after`.
    ///   - after: the account, saga and step that the last page ended with; empty: none.
    package func keptSteps<Value: Sendable>(
        in partitions: Range<Int>, after: (account: String, sagaID: String, step: String), limit: Int,
        map:
            @escaping @Sendable (
                _ account: String, _ sagaID: String, _ step: String, _ state: Int64, _ maxEpoch: Int64
            ) throws -> Value
    ) async throws -> [Value] {
        let arguments: [SQLValue] = [
            .integer(partitions.lowerBound), .text(after.account), .text(after.sagaID), .text(after.step),
            .integer(partitions.upperBound), .integer(limit),
        ]
        return try await read { transaction in
            try transaction.all(
                """
                SELECT s.account, s.saga_id, s.step, s.state, COALESCE(f.max_epoch, 0)
                FROM saga_step s LEFT JOIN saga_fence f
                    ON f.partition = s.partition AND f.account = s.account AND f.saga_id = s.saga_id
                WHERE (s.partition, s.account, s.saga_id, s.step) > (?, ?, ?, ?) AND s.partition < ?
                ORDER BY s.partition, s.account, s.saga_id, s.step LIMIT ?
                """, arguments
            ) { try map($0.text(0), $0.text(1), $0.text(2), $0.integer(3), $0.integer(4)) }
        }
    }
}
