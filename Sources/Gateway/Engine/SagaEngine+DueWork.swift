import BillingAPI
import BillingCore
package import RPC
import Storage

/// Runs the sagas that are due without anybody's call.
package protocol DueSagas: Sendable {
    /// Starts a saga, or joins the one that the same work started before, and waits until it ends or is parked.
    /// - Throws: what a repeat may get past: the saga was given up, or left by this process.
    func run(_ saga: DueSaga) async throws -> DueSagaOutcome

    /// Waits until what a predecessor left has ended or is parked. Due work comes after it: it may be the rest of an
    /// earlier stop, whose owner does not tell of it any more.
    func waitForRecovered() async
}

/// A saga that the clock starts.
package struct DueSaga: Sendable {
    let definition: SagaDefinition
    let account: String
    /// Empty for a saga about the account alone.
    let group: String
    /// Names the work: the same for every attempt at it, another one for the next work on the group.
    let key: String
    let input: FrozenMessages
    /// The instant at which it takes effect.
    let at: Timestamp
}

package enum DueSagaOutcome: Hashable, Sendable {
    case done
    /// A rule said no, and everything is undone.
    case refused(RPCError)
    /// It can be neither done nor undone for now: an operator was told, and the journal goes on.
    case parked
    /// Another saga holds the group; the work is due again when that is over.
    case passedBy
}

extension SagaEngine: DueSagas {
    func run(_ due: DueSaga) async throws -> DueSagaOutcome {
        let now = surroundings.now()
        let run = try SagaRun(
            due.definition,
            SagaRecord(
                sagaID: SagaID(from: surroundings.identifiers).text, account: due.account,
                definition: due.definition.name, definitionVersion: due.definition.version, groupID: due.group,
                method: 0, key: due.key, fingerprint: 0, input: due.input.bytes, effectiveAt: due.at, status: .running,
                step: "", epoch: 1, owner: surroundings.owner, isParked: false, attempts: 0, lastError: "", answer: nil,
                createdAt: now, updatedAt: now))
        let record: SagaRecord
        do {
            record = try await start(run).record
        } catch GatewayError.groupLocked {
            return .passedBy
        }
        if let saga = saga(record.sagaID) {
            switch await saga.endingUnlessParked() {
            case .finished(let finished): return try outcome(of: finished)
            case .left: throw GatewayError.sagaLeft(record.sagaID)
            case nil: return .parked
            }
        }
        // It ended before, or in between.
        return try await outcome(
            of: surroundings.database.read { try $0.saga(id: record.sagaID, account: record.account) } ?? record)
    }

    func waitForRecovered() async {
        for saga in recovered { _ = await saga.endingUnlessParked() }
    }

    private func outcome(of record: SagaRecord) throws -> DueSagaOutcome {
        switch record.status {
        case .committed: return .done
        case .running, .undoing:
            guard record.isParked else { throw GatewayError.sagaLeft(record.sagaID) }
            return .parked
        case .aborted:
            guard let error = try record.answer?.refusal() else {
                throw RPCError.journalDamaged("\(record.sagaID) was undone for no reason")
            }
            if error.status.isRecorded { return .refused(error) }
            if error.reason == "group.locked" { return .passedBy }
            throw error
        }
    }
}
