import BillingCore
import Foundation
import Logging
import RPC
import RPCZeroMQ

/// One invocation, from the stand-ins to the verdict.
struct Session {
    let command: Program
    let console: Console
    private let stop = Stop()
    private let logger: Logger

    init(command: Program, console: Console) {
        self.command = command
        self.console = console
        var logger = Logger(label: "billing-load") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .error
        self.logger = logger
    }

    private var service: Service { command.service }

    /// - Returns: whether the service level was kept.
    /// - Throws: what kept the run from being made.
    func run() async throws -> Bool {
        guard let entry = Catalogue.entry(service, command.scenario) else { preconditionFailure("checked before") }
        let loop = try command.rate.loop(seed: command.data.seed)
        let stop = stop
        Task {
            _ = await ShutdownSignal.wait()
            stop.set()
        }
        let standIns = try await startStandIns()
        do {
            let isKept = try await withService(standIns) { endpoint, started in
                try await load(endpoint, started, entry, loop)
            }
            await standIns.stop()
            return isKept
        } catch {
            await standIns.stop()
            throw error
        }
    }

    private func startStandIns() async throws -> StandIns {
        // A service that we start is told where they are; another one looks at the default endpoints.
        let endpoints = service.neighbours.map { neighbour in
            (neighbour, command.target.start ? "tcp://127.0.0.1:0" : neighbour.defaultEndpoint)
        }
        do throws(RPCError) {
            return try await .start(for: service, at: Dictionary(uniqueKeysWithValues: endpoints), logger: logger)
        } catch {
            throw StartedService.Fault(
                description: "\(error.message) The load tester answers for \(service.rawValue)'s neighbours, so these "
                    + "must not run; or try --start.")
        }
    }

    private func withService(
        _ standIns: StandIns, _ work: (String, StartedService?) async throws -> Bool
    ) async throws -> Bool {
        guard command.target.start else { return try await work(command.endpoint, nil) }
        guard let endpoint = command.target.target ?? StartedService.freeEndpoint() else {
            throw StartedService.Fault(description: "no port is free")
        }
        let started = try StartedService(
            service, program: program, at: endpoint, neighbours: standIns.endpoints, catalog: command.target.catalog)
        defer { started.stop() }
        return try await work(endpoint, started)
    }

    private var program: String {
        command.target.billingd
            ?? URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appending(path: "billingd").path()
    }

    private func load(
        _ endpoint: String, _ started: StartedService?, _ entry: Catalogue.Entry, _ loop: Load.Loop
    ) async throws -> Bool {
        let connections = try Connections.open(
            endpoint, connections: command.rate.connections, reactors: command.rate.reactors,
            timeout: command.rate.timeout, logger: logger)
        do {
            let isKept = try await load(connections, endpoint, started, entry, loop)
            await connections.close()
            return isKept
        } catch {
            await connections.close()
            throw error
        }
    }

    private func load(
        _ connections: Connections, _ endpoint: String, _ started: StartedService?, _ entry: Catalogue.Entry,
        _ loop: Load.Loop
    ) async throws -> Bool {
        let target = try await Target.find(
            service, at: endpoint, through: connections.channels[0][0], started: started, hint: hint)
        let maker = CallMaker(runID: RandomIdentifierGenerator().next(), timeout: command.rate.timeout)
        let scenario = entry.make(DataSet(command.data, maker))
        console.line("\(service.rawValue) at \(endpoint), scenario \(entry.name), seed \(command.data.seed)")
        try await scenario.prepare(
            Preparation(connections: connections, maker: maker, console: console, stop: stop))
        let load = Load(
            loop: loop, duration: command.rate.duration, warmUp: command.rate.warmUp, seed: command.data.seed)
        let run = Run(
            scenario: scenario, connections: connections, load: load, server: target.process, stop: stop,
            firstNumber: 0)
        let display = LiveDisplay(console: console, duration: load.duration)
        let result = await run.perform(display.show)
        console.line("")
        console.write(ResultText.text(result, scenario))
        let verdicts = command.report.slo?.judge(result) ?? []
        console.write(ResultText.verdicts(verdicts))
        return verdicts.allSatisfy(\.isMet)
    }

    /// How the user gets the service to run.
    private var hint: String {
        let standIns = Dictionary(uniqueKeysWithValues: service.neighbours.map { ($0, $0.defaultEndpoint) })
        let arguments = StartedService.arguments(
            service, at: command.endpoint, neighbours: standIns, catalog: command.target.catalog)
        return "Start it with\n  billingd \(arguments.joined(separator: " "))\nor have it started by --start."
    }
}

extension DataSet {
    fileprivate init(_ options: DataOptions, _ maker: CallMaker) {
        self.init(
            accounts: options.accounts, groups: options.groups, seed: options.seed, maker: maker,
            linesPerBatch: options.lines)
    }
}
