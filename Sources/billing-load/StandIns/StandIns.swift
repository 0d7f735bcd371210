import BillingAPI
import BillingCore
import Logging
import RPC
import RPCZeroMQ

/// Answers for the neighbours of the service under test, so that it alone is measured: at once, from memory, always yes.
struct StandIns: Sendable {
    /// Where each listens.
    let endpoints: [Service: String]
    private let reactor: Reactor
    private let servers: [ZeroMQServer]

    /// - Parameter endpoints: where to listen.
    /// - Throws: `RPCError`, above all when the neighbour itself runs there.
    static func start(
        for service: Service, at endpoints: [Service: String], logger: Logger
    ) async throws(RPCError) -> StandIns {
        let reactor = try Reactor.start(name: "stand-in", logger: logger)
        var servers: [ZeroMQServer] = []
        var bound: [Service: String] = [:]
        for neighbour in service.neighbours {
            guard let endpoint = endpoints[neighbour] else { continue }
            let vitals = ServerVitals()
            var router = router(of: neighbour)
            HealthService(service: neighbour.rawValue, version: "stand-in", vitals: vitals).register(in: &router)
            do throws(RPCError) {
                let server = try await ZeroMQServer.start(
                    on: reactor, endpoint: endpoint, router: router, vitals: vitals)
                servers.append(server)
                bound[neighbour] = server.endpoint
            } catch {
                await reactor.stop()
                throw error
            }
        }
        return StandIns(endpoints: bound, reactor: reactor, servers: servers)
    }

    private static func router(of neighbour: Service) -> Router {
        switch neighbour {
        case .pricing: StandInPricing.router()
        case .order: StandInOrder.router()
        case .metering: StandInMetering.router()
        // No scenario asks it anything but its health, and nobody calls the gateway.
        case .refund, .gateway: Router()
        }
    }

    /// Calls that they answered.
    var calls: UInt64 { servers.reduce(0) { $0 + $1.statistics.calls } }

    func stop() async {
        for server in servers { await server.shutDown(graceMilliseconds: 100) }
        await reactor.stop()
    }
}
