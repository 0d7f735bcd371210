public import RPC

/// Answers `billing.common.v1.Health`, the same in every process.
public struct HealthService: Sendable {
    private let service: String
    private let bootID: UInt64
    private let version: String
    private let status: @Sendable () -> CommonV1.ServingStatus
    private let counters: @Sendable () -> [CommonV1.Counter]

    /// - Parameters:
    ///   - service: "pricing".
    ///   - bootID: tells one life of the process from the next.
    ///   - counters: what the process has counted since it started.
    public init(
        service: String, bootID: UInt64, version: String,
        status: @escaping @Sendable () -> CommonV1.ServingStatus = { .serving },
        counters: @escaping @Sendable () -> [CommonV1.Counter] = { [] }
    ) {
        self.service = service
        self.bootID = bootID
        self.version = version
        self.status = status
        self.counters = counters
    }

    public func check() -> CommonV1.CheckReply {
        CommonV1.CheckReply(
            service: service, status: status(), bootID: bootID, version: version, counters: counters())
    }

    public func register(in router: inout Router) {
        let check = check
        router.handle(CommonV1.Health.check) { _, _ in Response(check()) }
    }
}

extension ServerStatistics {
    /// As `Health` reports them.
    public var healthCounters: [CommonV1.Counter] {
        let counts: [(String, UInt64)] = [
            ("messages_received", messagesReceived), ("messages_sent", messagesSent), ("calls", calls),
            ("replies", replies), ("overloaded", overloaded), ("drained", drained), ("malformed", malformed),
            ("unknown_methods", unknownMethods), ("expired", expired), ("too_large", tooLarge),
            ("internal_errors", internalErrors), ("dropped_replies", droppedReplies),
            ("disconnections", disconnections), ("in_flight", UInt64(max(0, inFlight))),
        ]
        return counts.map { CommonV1.Counter(name: $0.0, count: Int64(clamping: $0.1)) }
    }
}
