import ArgumentParser
import BillingAPI
import BillingCore
import Foundation
import Logging
import RPC
import RPCZeroMQ
import Storage
import Synchronization

/// One process: a reactor, the services on it, and an orderly end.
final class Host: Sendable {
    /// Told by `Health`, and by `billing health`.
    static let version = "0.1"

    let identifiers: any IdentifierGenerator = RandomIdentifierGenerator()
    private let reactor: Reactor
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var servers: [ZeroMQServer] = []
        var databases: [SQLiteDatabase] = []
        var closing: [@Sendable () -> Void] = []
    }

    private init(logLevel: Logger.Level) throws {
        ShutdownSignal.install()
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = logLevel
            return handler
        }
        logger = Logger(label: "billingd")
        reactor = try Reactor.start(name: "billingd")
    }

    /// Starts services, and serves until SIGTERM or SIGINT. What keeps a service from starting is told in one sentence.
    static func run(_ options: ServiceOptions, _ start: (Host) async throws -> Void) async throws {
        let host: Host
        do {
            host = try Host(logLevel: options.logLevel)
            try await start(host)
        } catch {
            let text = (error as? any BillingError).map { "\($0.message) (\($0.reason))" } ?? "\(error)"
            FileHandle.standardError.write(Data("billingd: \(text)\n".utf8))
            throw ExitCode.failure
        }
        let signal = await ShutdownSignal.wait()
        host.logger.notice("stopping", metadata: ["signal": "\(signal)"])
        await host.stop()
    }

    func open(_ directory: String, _ options: ServiceOptions, migrations: [Migration]) throws -> SQLiteDatabase {
        var settings = SQLiteOptions()
        settings.crashPlan = options.crashAfter
        let database = try SQLiteDatabase.open(directory: directory, migrations: migrations, options: settings)
        state.withLock { $0.databases.append(database) }
        return database
    }

    /// Where tasks run best that call other services.
    var executor: any TaskExecutor { reactor }

    /// A way to a service in another process.
    func channel(_ endpoint: String) throws -> any Channel {
        try ZeroMQChannel(reactor: reactor, endpoint: endpoint)
    }

    /// What is to be stopped before the databases are closed.
    func onStop(_ action: @escaping @Sendable () -> Void) {
        state.withLock { $0.closing.append(action) }
    }

    func health(_ name: ServiceName, _ vitals: ServerVitals) -> HealthService {
        HealthService(service: name.rawValue, version: Host.version, vitals: vitals)
    }

    /// Answers at the service's endpoint from now on.
    /// - Parameter limits: bounds the messages of peers; the gateway's are the public ones.
    func serve(
        _ name: ServiceName, _ options: ServiceOptions, _ router: Router, _ vitals: ServerVitals, limits: WireLimits
    ) async throws {
        let server = try await ZeroMQServer.start(
            on: reactor, endpoint: options.bind ?? name.defaultEndpoint, router: router,
            configuration: ZeroMQServer.Configuration(limits: limits), vitals: vitals)
        state.withLock { $0.servers.append(server) }
        logger.info("serving", metadata: ["service": "\(name.rawValue)", "endpoint": "\(server.endpoint)"])
    }

    /// Finishes the calls in flight, then closes what was opened, newest first.
    private func stop() async {
        let (servers, databases, closing) = state.withLock { ($0.servers, $0.databases, $0.closing) }
        for server in servers.reversed() { await server.shutDown() }
        for close in closing.reversed() { close() }
        await reactor.stop()
        for database in databases.reversed() { database.close() }
        logger.info("stopped")
    }
}
