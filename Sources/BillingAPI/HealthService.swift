public import RPC

/// Answers `billing.common.v1.Health`, the same in every process.
public struct HealthService: Sendable {
    private let service: String
    private let version: String
    private let vitals: ServerVitals

    /// - Parameters:
    ///   - service: "pricing".
    ///   - version: of the program.
    ///   - vitals: of the server that answers.
    public init(service: String, version: String, vitals: ServerVitals) {
        self.service = service
        self.version = version
        self.vitals = vitals
    }

    public func check() -> CommonV1.CheckReply {
        let statistics = vitals.statistics
        return CommonV1.CheckReply(
            service: service, status: statistics.isDraining ? .draining : .serving, bootID: vitals.bootID,
            version: version,
            counters: statistics.counters.map { CommonV1.Counter(name: $0.name, count: Int64(clamping: $0.count)) })
    }

    public func register(in router: inout Router) {
        router.handle(CommonV1.Health.check) { _, _ in Response(check()) }
    }
}
