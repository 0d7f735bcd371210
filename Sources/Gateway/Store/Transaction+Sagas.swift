import BillingCore
import Storage

/// The journal's statements.
extension Transaction {
    private static var sagaColumns: String {
        """
        account, saga_id, definition, definition_version, group_id, method, key, fingerprint, input, effective_at,
        status, step, epoch, owner, parked, attempts, last_error, result_status, result, result_at, created_at,
        updated_at
        """
    }

    /// Keeps a new saga.
    func insert(_ saga: SagaRecord) throws {
        try execute(
            """
            INSERT INTO saga (partition, \(Self.sagaColumns))
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .integer(Partition.of(saga.account)), .text(saga.account), .text(saga.sagaID), .text(saga.definition),
                .integer(saga.definitionVersion), .text(saga.groupID), .integer(Int64(saga.method)), .text(saga.key),
                .integer(saga.fingerprint), .blob(saga.input), .integer(saga.effectiveAt.milliseconds),
            ] + changing(saga) + [.integer(saga.createdAt.milliseconds), .integer(saga.updatedAt.milliseconds)])
    }

    /// Keeps where an unfinished saga stands, if its owner still is the one that the caller thinks.
    /// - Returns: whether it was; otherwise another process took the saga up, or it ended, and nothing changed.
    func update(_ saga: SagaRecord) throws -> Bool {
        try execute(
            """
            UPDATE saga SET status = ?, step = ?, epoch = ?, owner = ?, parked = ?, attempts = ?, last_error = ?,
                result_status = ?, result = ?, result_at = ?, key = ?, updated_at = ?
            WHERE partition = ? AND account = ? AND saga_id = ? AND epoch = ? AND owner = ?
                AND status IN ('RUNNING', 'UNDOING')
            """,
            changing(saga) + [.text(saga.key), .integer(saga.updatedAt.milliseconds)] + saga.identity
                + [.integer(Int64(saga.epoch)), .text(saga.owner)]) == 1
    }

    /// Shows an unfinished saga to operators, with why nobody works on it.
    func park(_ saga: SagaRecord, _ cause: String) throws {
        try execute(
            """
            UPDATE saga SET parked = 1, last_error = ?
            WHERE partition = ? AND account = ? AND saga_id = ? AND epoch = ? AND owner = ?
                AND status IN ('RUNNING', 'UNDOING')
            """, [.text(cause)] + saga.identity + [.integer(Int64(saga.epoch)), .text(saga.owner)])
    }

    func append(_ events: [SagaEventRecord], to saga: SagaRecord) throws {
        for event in events {
            try execute(
                """
                INSERT INTO saga_event
                    (partition, account, saga_id, sequence, step, kind, epoch, status, output, effective_at, at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                saga.identity + [
                    .integer(event.sequence), .text(event.step), .text(event.kind.rawValue),
                    .integer(Int64(event.epoch)), .integer(event.output.map { Int64($0.status.rawValue) }),
                    event.output.map { .blob($0.bytes) } ?? .null,
                    .integer(event.output?.effectiveAt?.milliseconds), .integer(event.at.milliseconds),
                ])
        }
    }

    /// Makes `owner` the owner of every unfinished saga, with the next epoch: whoever had them before is fenced off.
    func takeOverSagas(owner: String) throws {
        try execute(
            "UPDATE saga SET epoch = epoch + 1, owner = ? WHERE status IN ('RUNNING', 'UNDOING')", .text(owner))
    }

    func unfinishedSagas() throws -> [SagaRecord] {
        try all(
            "SELECT \(Self.sagaColumns) FROM saga WHERE status IN ('RUNNING', 'UNDOING') ORDER BY created_at, saga_id",
            map: Self.saga)
    }

    /// The saga that an API call started, or one that repeats it.
    func saga(account: String, method: UInt32, key: String) throws -> SagaRecord? {
        try first(
            "SELECT \(Self.sagaColumns) FROM saga WHERE partition = ? AND account = ? AND method = ? AND key = ?",
            .integer(Partition.of(account)), .text(account), .integer(Int64(method)), .text(key), map: Self.saga)
    }

    /// The unfinished saga about a group; `nil` when there is none, or when the group is empty.
    func unfinishedSaga(account: String, group: String) throws -> SagaRecord? {
        try first(
            """
            SELECT \(Self.sagaColumns) FROM saga
            WHERE partition = ? AND account = ? AND group_id = ? AND status IN ('RUNNING', 'UNDOING')
                AND group_id <> ''
            """, .integer(Partition.of(account)), .text(account), .text(group), map: Self.saga)
    }

    /// Whether an account has a saga that is under way, parked or not.
    func hasUnfinishedSaga(account: String) throws -> Bool {
        try first(
            """
            SELECT 1 FROM saga WHERE partition = ? AND account = ? AND status IN ('RUNNING', 'UNDOING') LIMIT 1
            """, .integer(Partition.of(account)), .text(account)
        ) { _ in true } ?? false
    }

    /// - Parameter account: only a saga of this account; empty: of any.
    func saga(id: String, account: String = "") throws -> SagaRecord? {
        try first(
            "SELECT \(Self.sagaColumns) FROM saga WHERE saga_id = ? AND (? = '' OR account = ?)", .text(id),
            .text(account), .text(account), map: Self.saga)
    }

    /// - Parameters:
    ///   - account: only sagas of this account; empty: of all.
    ///   - states: (status, whether parked); empty: all.
    ///   - after: where the last page ended.
    func sagas(
        account: String, states: [(SagaRecord.Status, isParked: Bool)], after: PageCursor, limit: Int
    ) throws -> [SagaRecord] {
        let filter =
            states.isEmpty
            ? "" : "AND (" + states.map { _ in "(status = ? AND parked = ?)" }.joined(separator: " OR ") + ")"
        return try all(
            """
            SELECT \(Self.sagaColumns) FROM saga
            WHERE (? = '' OR account = ?) AND (created_at > ? OR (created_at = ? AND saga_id > ?)) \(filter)
            ORDER BY created_at, saga_id LIMIT ?
            """,
            [
                .text(account), .text(account), .integer(after.instant.milliseconds),
                .integer(after.instant.milliseconds), .text(after.id),
            ] + states.flatMap { [SQLValue.text($0.0.rawValue), .integer($0.isParked ? 1 : 0)] } + [.integer(limit)],
            map: Self.saga)
    }

    /// The sagas of some partitions that have ended, in the order of their keys.
    /// - Parameter after: the last one of the page before, of the first partition; empty: none.
    func endedSagas(
        in partitions: Range<Int>, after: (account: String, sagaID: String), limit: Int
    ) throws -> [SagaRecord] {
        try all(
            """
            SELECT \(Self.sagaColumns) FROM saga
            WHERE (partition, account, saga_id) > (?, ?, ?) AND partition < ? AND status IN ('COMMITTED', 'ABORTED')
            ORDER BY partition, account, saga_id LIMIT ?
            """, .integer(partitions.lowerBound), .text(after.account), .text(after.sagaID),
            .integer(partitions.upperBound), .integer(limit), map: Self.saga)
    }

    /// The sagas of some partitions that wait for an operator.
    func parkedSagas(in partitions: Range<Int>) throws -> [SagaRecord] {
        try all(
            """
            SELECT \(Self.sagaColumns) FROM saga
            WHERE partition >= ? AND partition < ? AND status IN ('RUNNING', 'UNDOING') AND parked = 1
            ORDER BY partition, account, saga_id
            """, .integer(partitions.lowerBound), .integer(partitions.upperBound), map: Self.saga)
    }

    /// Whether a saga of an account has ended since an instant.
    func hasSagaEnded(account: String, since instant: Timestamp) throws -> Bool {
        try first(
            "SELECT 1 FROM saga WHERE partition = ? AND account = ? AND updated_at >= ? LIMIT 1",
            .integer(Partition.of(account)), .text(account), .integer(instant.milliseconds)
        ) { _ in true } ?? false
    }

    func events(of saga: SagaRecord) throws -> [SagaEventRecord] {
        try all(
            """
            SELECT sequence, step, kind, epoch, status, output, effective_at, at FROM saga_event
            WHERE partition = ? AND account = ? AND saga_id = ? ORDER BY sequence
            """, saga.identity
        ) { row in
            guard let kind = SagaEvent.Kind(rawValue: row.text(2)) else {
                preconditionFailure("a journal row of kind \(row.text(2)), which the table's check forbids")
            }
            return SagaEventRecord(
                sequence: row.int(0), step: row.text(1), kind: kind, epoch: UInt64(row.integer(3)),
                output: Self.answer(row, from: 4), at: Timestamp(milliseconds: row.integer(7)))
        }
    }

    private func changing(_ saga: SagaRecord) -> [SQLValue] {
        [
            .text(saga.status.rawValue), .text(saga.step), .integer(Int64(saga.epoch)), .text(saga.owner),
            .integer(saga.isParked ? 1 : 0), .integer(saga.attempts), .text(saga.lastError),
            .integer(saga.answer.map { Int64($0.status.rawValue) }), saga.answer.map { .blob($0.bytes) } ?? .null,
            .integer(saga.answer?.effectiveAt?.milliseconds),
        ]
    }

    private static func saga(_ row: any Row) -> SagaRecord {
        guard let status = SagaRecord.Status(rawValue: row.text(10)) else {
            preconditionFailure("a saga with status \(row.text(10)), which the table's check forbids")
        }
        return SagaRecord(
            sagaID: row.text(1), account: row.text(0), definition: row.text(2), definitionVersion: row.int(3),
            groupID: row.text(4), method: UInt32(truncatingIfNeeded: row.integer(5)), key: row.optionalText(6),
            fingerprint: row.integer(7), input: row.blob(8), effectiveAt: Timestamp(milliseconds: row.integer(9)),
            status: status, step: row.text(11), epoch: UInt64(row.integer(12)), owner: row.text(13),
            isParked: row.integer(14) == 1, attempts: row.int(15), lastError: row.text(16),
            answer: answer(row, from: 17),
            createdAt: Timestamp(milliseconds: row.integer(20)), updatedAt: Timestamp(milliseconds: row.integer(21)))
    }

    /// Reads the columns status, bytes and effective_at, which start at `first`.
    private static func answer(_ row: any Row, from first: Int) -> StoredAnswer? {
        guard let status = row.optionalInteger(first), !row.isNull(first + 1) else { return nil }
        return StoredAnswer(
            status: Status(rawValue: UInt8(truncatingIfNeeded: status)) ?? .unknown, bytes: row.blob(first + 1),
            effectiveAt: row.optionalInteger(first + 2).map { Timestamp(milliseconds: $0) })
    }
}
