import BillingAPI
import Logging
import RPC
import RPCZeroMQ

/// The way to a gateway: ZeroMQ, the only transport between processes.
enum Connection {
    /// How long we wait for somebody at the endpoint to answer anything at all.
    private static let probeMilliseconds: Int64 = 2000

    /// - Throws: `RPCError` "call.unreachable" when nobody answers at `endpoint`.
    static func open(_ endpoint: String, on reactor: Reactor) async throws -> any Channel {
        let channel = try ZeroMQChannel(reactor: reactor, endpoint: endpoint)
        // A call waits for its service until its own deadline. Whether anybody listens at all is worth knowing sooner.
        let health = CommonV1.HealthClient(channel)
        do {
            _ = try await health.check(.init(), CallOptions(deadline: .after(milliseconds: probeMilliseconds)))
        } catch {
            // Whoever answers anything else is there, and busy or not well: the command's own call has more time, and
            // tells more.
            if error.reason == "call.unreachable" { throw error }
        }
        return channel
    }

    /// The thread of the command's socket. The command itself runs on it too, so that a reply needs no change of
    /// threads. Failures reach the person as outcomes of calls, so the transport's own log stays silent.
    static func reactor() throws -> Reactor {
        try Reactor.start(logger: Logger(label: "billing") { _ in SwiftLogNoOpLogHandler() })
    }
}
