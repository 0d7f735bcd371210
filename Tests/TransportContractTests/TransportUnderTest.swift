import BillingCore
import Logging
import RPC
import RPCZeroMQ
import Testing

/// The two transports, made alike for the contract.
enum TransportKind: String, CaseIterable, CustomTestStringConvertible, Sendable {
    case inProcess
    case zeroMQ
    /// Client and server on one reactor, as a service and its clients to others are.
    case zeroMQOneReactor

    var testDescription: String { rawValue }
}

/// A service and a channel to it.
struct TransportUnderTest {
    let channel: any Channel
    let statistics: @Sendable () -> ServerStatistics
    let stop: @Sendable () async -> Void

    static func start(
        _ kind: TransportKind, _ router: Router, admission: Admission = Admission()
    ) async throws -> TransportUnderTest {
        switch kind {
        case .inProcess:
            let server = InProcessServer(router: router, admission: admission, logger: .quiet)
            return TransportUnderTest(
                channel: InProcessChannel(server), statistics: { server.statistics }, stop: {})
        case .zeroMQ, .zeroMQOneReactor:
            let reactor = try Reactor.start(name: "server", logger: .quiet)
            let clientReactor = kind == .zeroMQ ? try Reactor.start(name: "client", logger: .quiet) : reactor
            let server = try await ZeroMQServer.start(
                on: reactor, endpoint: "tcp://127.0.0.1:0", router: router,
                configuration: .init(admission: admission))
            let channel = try ZeroMQChannel(reactor: clientReactor, endpoint: server.endpoint)
            return TransportUnderTest(
                channel: channel, statistics: { server.statistics },
                stop: {
                    await clientReactor.stop()
                    await reactor.stop()
                })
        }
    }

    /// Runs `body` against a service and stops it.
    static func with(
        _ kind: TransportKind, _ router: Router = EchoService.router(), admission: Admission = Admission(),
        _ body: (TransportUnderTest) async throws -> Void
    ) async throws {
        let transport = try await start(kind, router, admission: admission)
        do { try await body(transport) } catch {
            await transport.stop()
            throw error
        }
        await transport.stop()
    }

    /// Waits, a turn of the executor at a time, until the server's figures are as asked.
    func settle(_ condition: (ServerStatistics) -> Bool) async {
        while !condition(statistics()) { await Task.yield() }
    }
}

extension Logger {
    /// For tests that provoke what a log would tell.
    static let quiet = Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() }
}
