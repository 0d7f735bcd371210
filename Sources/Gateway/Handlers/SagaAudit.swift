import BillingAPI
import BillingCore
import RPC
import Storage

/// S1, E1 and T1: every saga that has ended, by its journal and by what the services keep of its steps.
///
/// A saga's end is in the journal before the services are asked, so by then their rows are final.
struct SagaAudit: Sendable {
    private static let pageLimit = 500
    private static let participants: [Participant] = [.metering, .order, .refund]

    private let source: AuditSource
    private let database: any Database
    private var ends = CommonV1.AuditFinding(
        invariant: "S1", title: "Every saga is at work, or has ended with all its steps done or none")
    private var effects = CommonV1.AuditFinding(
        invariant: "E1", title: "Every saga that is committed took effect exactly once, and no other did")
    private var order = CommonV1.AuditFinding(
        invariant: "T1", title: "Sagas only go along the edges of their states, and their epochs never go back")

    init(source: AuditSource, database: any Database) {
        self.source = source
        self.database = database
    }

    func findings() async throws -> [CommonV1.AuditFinding] {
        var audit = self
        try await audit.checkParked()
        try await audit.checkEnded()
        return [audit.ends, audit.effects, audit.order]
    }

    private mutating func checkParked() async throws {
        let partitions = source.partitions
        for saga in try await database.read({ try $0.parkedSagas(in: partitions) }) {
            ends.checked += 1
            ends.add("\(saga.sagaID) of \(saga.account) is parked at \(saga.step): \(saga.lastError)")
        }
    }

    private mutating func checkEnded() async throws {
        var readers = Self.participants.map { StepReader(source, $0) }
        var after: SagaKey?
        while true {
            let (page, place) = (try await endedSagas(after: after), after)
            let isLast = page.count < Self.pageLimit
            let through = isLast ? nil : page.last.map { SagaKey($0.saga) }
            var rows: [SagaKey: [KeptRow]] = [:]
            for index in readers.indices {
                for row in try await readers[index].rows(through: through) { rows[row.saga, default: []].append(row) }
            }
            for ended in page {
                try await check(ended, rows.removeValue(forKey: SagaKey(ended.saga)) ?? [])
            }
            try await checkStrays(rows.keys.sorted())
            guard let through, through != place else { return }
            after = through
        }
    }

    private typealias EndedSaga = (saga: SagaRecord, events: [SagaEventRecord])

    private func endedSagas(after: SagaKey?) async throws -> [EndedSaga] {
        let partitions = (after?.partition ?? source.partitions.lowerBound)..<source.partitions.upperBound
        return try await database.read { transaction in
            try transaction.endedSagas(
                in: partitions, after: (after?.account ?? "", after?.sagaID ?? ""), limit: Self.pageLimit
            ).map { ($0, try transaction.events(of: $0)) }
        }
    }

    private mutating func check(_ ended: EndedSaga, _ rows: [KeptRow]) async throws {
        let saga = ended.saga
        let name = "\(saga.sagaID) of \(saga.account)"
        ends.checked += 1
        effects.checked += 1
        order.checked += 1
        guard let definition = SagaDefinition.named(saga.definition, version: saga.definitionVersion) else {
            return ends.add("\(name) is of a kind '\(saga.definition)' that this program does not know")
        }
        let places: [StepRow.Place]?
        do {
            let run = try SagaRun(definition, saga, events: ended.events)
            guard run.end == saga.status else {
                return ends.add("\(name) is \(saga.status.rawValue), its journal says otherwise")
            }
            if let last = ended.events.last, last.epoch > saga.epoch {
                order.add("\(name) is of epoch \(saga.epoch), its journal of \(last.epoch)")
            }
            places = saga.status == .committed ? try run.places() : nil
        } catch let error as SagaLogError {
            return order.add("\(name): \(error)")
        } catch let error as RPCError {
            return ends.add("\(name): \(error.message)")
        }
        var (rows, evidence) = (rows, SagaEvidence(of: places, rows: rows.compactMap(\.step)))
        if !evidence.isSound {
            // The rows may have been read before it ended.
            rows = try await readAgain(SagaKey(saga))
            evidence = SagaEvidence(of: places, rows: rows.compactMap(\.step))
        }
        for fault in evidence.steps { ends.add("\(name) \(fault)") }
        for fault in evidence.effects { effects.add("\(name) \(fault)") }
        for row in rows where row.maxEpoch > saga.epoch {
            order.add("\(name) is of epoch \(saga.epoch), \(row.participant.rawValue) has seen \(row.maxEpoch)")
        }
    }

    /// Steps of sagas that were not over when the journal was read. Each saga is in the journal before its first step.
    private mutating func checkStrays(_ keys: [SagaKey]) async throws {
        for key in keys {
            let isKnown = try await database.read { try $0.saga(id: key.sagaID, account: key.account) != nil }
            if !isKnown { ends.add("\(key.sagaID) of \(key.account) has steps and no journal") }
        }
    }

    private func readAgain(_ key: SagaKey) async throws -> [KeptRow] {
        var rows: [KeptRow] = []
        for participant in Self.participants {
            let steps = try await source.steps(
                of: participant,
                CommonV1.AuditStepsRequest(
                    partitionFrom: UInt32(key.partition), partitionTo: UInt32(key.partition + 1),
                    afterAccount: key.account, afterSaga: key.sagaID))
            rows += steps.map { KeptRow($0, participant) }.filter { $0.saga == key }
        }
        return rows
    }
}

/// The order in which sagas are kept everywhere.
private struct SagaKey: Hashable, Comparable, Sendable {
    let partition: Int
    let account: String
    let sagaID: String

    init(_ account: String, _ sagaID: String) {
        (partition, self.account, self.sagaID) = (Partition.of(account), account, sagaID)
    }

    init(_ saga: SagaRecord) { self.init(saga.account, saga.sagaID) }

    static func < (left: Self, right: Self) -> Bool {
        (left.partition, left.account, left.sagaID) < (right.partition, right.account, right.sagaID)
    }
}

private struct KeptRow: Sendable {
    let saga: SagaKey
    let participant: Participant
    /// `nil` for a state that means nothing to this program.
    let step: StepRow?
    let maxEpoch: UInt64

    init(_ kept: CommonV1.KeptStep, _ participant: Participant) {
        saga = SagaKey(kept.accountID, kept.sagaID)
        self.participant = participant
        step = StepRow.State(kept.state).map {
            StepRow(participant: participant.rawValue, step: kept.step, state: $0)
        }
        maxEpoch = kept.maxEpoch
    }
}

extension StepRow.State {
    fileprivate init?(_ state: CommonV1.StepState) {
        switch state {
        case .unspecified: return nil
        case .done: self = .done
        case .rejected: self = .rejected
        case .undone: self = .undone
        case .tombstone: self = .tombstone
        }
    }
}

/// The steps that one service keeps, in order.
private struct StepReader: Sendable {
    private let source: AuditSource
    private let participant: Participant
    private var buffer: ArraySlice<KeptRow> = []
    private var request: CommonV1.AuditStepsRequest
    private var isAtEnd = false

    init(_ source: AuditSource, _ participant: Participant) {
        self.source = source
        self.participant = participant
        request = CommonV1.AuditStepsRequest(
            partitionFrom: UInt32(source.partitions.lowerBound), partitionTo: UInt32(source.partitions.upperBound))
    }

    /// The next rows, through those of a saga; all if that is `nil`.
    mutating func rows(through key: SagaKey?) async throws -> [KeptRow] {
        var rows: [KeptRow] = []
        while true {
            if let key, let end = buffer.firstIndex(where: { $0.saga > key }) {
                rows += buffer[..<end]
                buffer = buffer[end...]
                return rows
            }
            rows += buffer
            buffer = []
            if isAtEnd { return rows }
            try await readOn()
        }
    }

    private mutating func readOn() async throws {
        let page = try await source.steps(of: participant, request)
        isAtEnd = page.count < WireLimits.batch.items
        buffer = page.map { KeptRow($0, participant) }[...]
        guard let last = page.last else { return }
        request.partitionFrom = UInt32(Partition.of(last.accountID))
        (request.afterAccount, request.afterSaga, request.afterStep) = (last.accountID, last.sagaID, last.step)
    }
}
