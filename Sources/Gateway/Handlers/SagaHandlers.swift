import BillingAPI
import BillingCore
import RPC
import Storage

/// What an operator sees of sagas and does about parked ones.
struct SagaHandlers: Sendable {
    let engine: SagaEngine
    let database: any Database

    func register(in router: inout Router) {
        router.handle(GatewayV1.Operations.listSagas, listSagas)
        router.handle(GatewayV1.Operations.getSaga, getSaga)
        router.handle(GatewayV1.Operations.retrySaga, retrySaga)
    }

    /// Sagas in the order in which they were started; all accounts' when the call is for none.
    func listSagas(
        _ request: GatewayV1.ListSagasRequest, _ call: CallContext
    ) async throws -> Response<GatewayV1.ListSagasReply> {
        let (after, limit) = (try PageCursor(request.cursor), try PageCursor.limit(request.limit))
        let states = request.statuses.flatMap(\.states)
        let account = call.account
        let found = try await database.read { transaction in
            try transaction.sagas(
                account: account, states: states, after: after, limit: limit + 1)
        }
        let page = found.prefix(limit)
        let next =
            found.count > limit ? page.last.map { PageCursor(instant: $0.createdAt, id: $0.sagaID).text } ?? "" : ""
        return Response(GatewayV1.ListSagasReply(sagas: page.map(message), nextCursor: next))
    }

    /// - Throws: `GatewayError.sagaNotFound`, also for a saga of another account.
    func getSaga(
        _ request: GatewayV1.GetSagaRequest, _ call: CallContext
    ) async throws -> Response<GatewayV1.SagaReply> {
        try await reply(request.sagaID, call)
    }

    /// - Throws: `GatewayError.sagaNotFound`, `.sagaFinished`.
    func retrySaga(
        _ request: GatewayV1.RetrySagaRequest, _ call: CallContext
    ) async throws -> Response<GatewayV1.SagaReply> {
        try await engine.retry(request.sagaID, account: call.account)
        return try await reply(request.sagaID, call)
    }

    private func reply(_ id: String, _ call: CallContext) async throws -> Response<GatewayV1.SagaReply> {
        let account = call.account
        let found = try await database.read { transaction in
            try transaction.saga(id: id, account: account).map { ($0, try transaction.events(of: $0)) }
        }
        guard let (record, events) = found else { throw GatewayError.sagaNotFound(id) }
        var saga = message(record)
        saga.events = events.map { event in
            GatewayV1.SagaEvent(
                sequence: UInt32(event.sequence), step: event.step, kind: event.kind.text, epoch: event.epoch,
                at: event.at.milliseconds)
        }
        return Response(GatewayV1.SagaReply(saga: saga))
    }

    private func message(_ record: SagaRecord) -> GatewayV1.Saga {
        let progress = engine.progress(of: record.sagaID)
        let isLive = progress.map { $0.attempts > 0 } ?? false
        return GatewayV1.Saga(
            sagaID: record.sagaID, definition: record.definition, accountID: record.account, groupID: record.groupID,
            status: record.isParked ? .parked : record.status.message, step: record.step, epoch: record.epoch,
            attempts: UInt32(isLive ? progress?.attempts ?? 0 : record.attempts),
            lastError: isLive ? progress?.lastError ?? "" : refusal(record) ?? record.lastError,
            startedAt: record.createdAt.milliseconds)
    }
}

/// Why a saga was undone; `nil` for one that was not.
private func refusal(_ record: SagaRecord) -> String? {
    guard record.status == .aborted else { return nil }
    do { return try record.answer?.refusal()?.description } catch { return "\(error)" }
}

extension SagaRecord.Status {
    var message: GatewayV1.SagaStatus {
        switch self {
        case .running: .running
        case .undoing: .undoing
        case .committed: .committed
        case .aborted: .aborted
        }
    }
}

extension GatewayV1.SagaStatus {
    /// What it means for a row: its status, and whether it is parked.
    var states: [(SagaRecord.Status, isParked: Bool)] {
        switch self {
        case .running: [(.running, false)]
        case .undoing: [(.undoing, false)]
        case .committed: [(.committed, false)]
        case .aborted: [(.aborted, false)]
        case .parked: [(.running, true), (.undoing, true)]
        case .unspecified: []
        }
    }
}

extension SagaEvent.Kind {
    /// As the API names it.
    var text: String {
        switch self {
        case .started: "started"
        case .done: "done"
        case .rejected: "rejected"
        case .undoStarted: "undo started"
        case .undone: "undone"
        }
    }
}
