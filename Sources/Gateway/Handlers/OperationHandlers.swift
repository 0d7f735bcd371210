import BillingAPI
import BillingCore
import RPC

/// The clock, the cuts and the health of the system.
struct OperationHandlers: Sendable {
    static let longestWaitMilliseconds: Int64 = 30_000

    let forwarding: Forwarding
    let health: HealthService

    func register(in router: inout Router) {
        router.handle(GatewayV1.Operations.showClock, showClock)
        router.handle(GatewayV1.Operations.advanceClock, advanceClock)
        router.handle(GatewayV1.Operations.cutStatus, cutStatus)
        router.handle(GatewayV1.Operations.systemHealth, systemHealth)
    }

    func showClock(
        _ request: GatewayV1.ShowClockRequest, _ call: CallContext
    ) throws -> Response<GatewayV1.ClockReply> {
        Response(GatewayV1.ClockReply(forwarding.clock.status))
    }

    /// Moves a manual clock and waits a while; a repeat with the same target goes on waiting.
    func advanceClock(
        _ request: GatewayV1.AdvanceClockRequest, _ call: CallContext
    ) async throws -> Response<GatewayV1.ClockReply> {
        let wait = Deadline.after(milliseconds: min(Int64(request.waitMilliseconds), Self.longestWaitMilliseconds))
        let status = try await forwarding.clock.advance(
            to: Timestamp(milliseconds: request.to), until: min(wait, call.deadline))
        return Response(GatewayV1.ClockReply(status))
    }

    func cutStatus(
        _ request: MeteringV1.CutStatusRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.CutStatusReply> {
        try await forwarding.read(.metering, MeteringV1.Cuts.cutStatus, request, call)
    }

    /// Asks all services at once, each for a second at most.
    func systemHealth(
        _ request: GatewayV1.SystemHealthRequest, _ call: CallContext
    ) async throws -> Response<GatewayV1.SystemHealthReply> {
        let options = CallOptions(traceID: call.traceID, deadline: .after(milliseconds: 1000))
        let services = forwarding.services
        let answers = await withTaskGroup(of: (Int, GatewayV1.ServiceHealth).self) { group in
            for (index, participant) in Participant.allCases.enumerated() {
                group.addTask {
                    do throws(RPCError) {
                        let reply = try await services[participant].call(
                            CommonV1.Health.check, CommonV1.CheckRequest(), options)
                        return (index, GatewayV1.ServiceHealth(health: reply.message))
                    } catch {
                        let unknown = CommonV1.CheckReply(service: participant.rawValue, status: .notServing)
                        return (index, GatewayV1.ServiceHealth(health: unknown, problem: error.message))
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let own = GatewayV1.ServiceHealth(health: health.check(), problem: forwarding.clock.status.problem)
        return Response(
            GatewayV1.SystemHealthReply(services: answers.sorted { $0.0 < $1.0 }.map { $0.1 } + [own]))
    }
}

extension GatewayV1.ClockReply {
    init(_ status: ClockStatus) {
        let mode: GatewayV1.ClockMode =
            switch status.mode {
            case .real: .real
            case .manual: .manual
            }
        self.init(
            mode: mode, now: status.now.milliseconds, target: status.target.milliseconds,
            startedAt: status.startedAt.milliseconds, lines: status.lines, problem: status.problem)
    }
}
