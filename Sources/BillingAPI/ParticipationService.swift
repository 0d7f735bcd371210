package import RPC

/// Answers `billing.common.v1.Participation`, the same in every service that takes part in sagas.
package struct ParticipationService: Sendable {
    package typealias Steps =
        @Sendable (CommonV1.AuditStepsRequest, _ limit: Int) async throws -> [CommonV1.KeptStep]

    private let steps: Steps

    /// - Parameter steps: reads one page from the service's database.
    package init(steps: @escaping Steps) { self.steps = steps }

    package func register(in router: inout Router) {
        router.handle(CommonV1.Participation.auditSteps) { request, _ in
            Response(CommonV1.AuditStepsReply(steps: try await steps(request, WireLimits.batch.items)))
        }
        router.requireAll(CommonV1.Participation.all)
    }
}

extension CommonV1.KeptStep {
    /// - Parameter state: as it is stored, which is as it is on the wire.
    package init(account: String, sagaID: String, step: String, state: Int64, maxEpoch: Int64) {
        self.init(
            accountID: account, sagaID: sagaID, step: step,
            state: CommonV1.StepState(rawValue: Int32(truncatingIfNeeded: state)) ?? .unspecified,
            maxEpoch: UInt64(clamping: maxEpoch))
    }
}
