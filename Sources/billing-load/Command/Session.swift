import ArgumentParser
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

    /// What is to be done.
    private struct Assignment {
        let name: String
        let scenario: any Scenario
        let maker: CallMaker
        /// Without a ramp.
        let load: Load
        /// The run to compare with.
        let before: Report?
    }

    /// - Returns: whether the service level was kept.
    /// - Throws: what kept the run from being made.
    func run() async throws -> Bool {
        let assignment = try makeAssignment()
        let stop = stop
        Task {
            _ = await ShutdownSignal.wait()
            stop.set()
        }
        let standIns = try await startStandIns()
        do {
            let isKept = try await withService(standIns) { endpoint, started in
                try await load(endpoint, started, assignment)
            }
            await standIns.stop()
            return isKept
        } catch {
            await standIns.stop()
            throw error
        }
    }

    /// Finds out what cannot be done before anything is started.
    private func makeAssignment() throws -> Assignment {
        guard let entry = Catalogue.entry(service, command.scenario) else { preconditionFailure("checked before") }
        let (rate, report) = (command.rate, command.report)
        let maker = CallMaker(runID: RandomIdentifierGenerator().next(), timeout: rate.timeout)
        let scenario = entry.make(DataSet(command.data, maker))
        var load = Load(
            loop: try rate.loop(seed: command.data.seed), duration: command.duration,
            warmUp: .zero, seed: command.data.seed, timeout: rate.timeout)
        load.warmUp = command.warmUp(of: load.sendingEnd)
        guard load.warmUp == .zero || load.warmUp < load.sendingEnd else {
            throw ValidationError("The trace ends in the warm-up, so that nothing would be measured.")
        }
        if case .closed(let outstanding) = load.loop, let bound = scenario.bound,
            outstanding * rate.connections > bound.count
        {
            throw ValidationError(
                "\(outstanding) calls on each of \(rate.connections) connections are more than the "
                    + "\(Figures.grouped(bound.count)) \(bound.name) of \(service.rawValue) \(entry.name), "
                    + "each of which has one call at a time.")
        }
        try report.report.map(ReportFiles.prepare)
        let before = try report.compare.map { try ReportFiles.read($0, of: service, entry.name) }
        return Assignment(name: entry.name, scenario: scenario, maker: maker, load: load, before: before)
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
        _ endpoint: String, _ started: StartedService?, _ assignment: Assignment
    ) async throws -> Bool {
        let connections = try Connections.open(
            endpoint, connections: command.rate.connections, reactors: command.rate.reactors,
            logger: logger)
        do {
            let isKept = try await load(connections, endpoint, started, assignment)
            await connections.close()
            return isKept
        } catch {
            await connections.close()
            throw error
        }
    }

    private func load(
        _ connections: Connections, _ endpoint: String, _ started: StartedService?, _ assignment: Assignment
    ) async throws -> Bool {
        let target = try await Target.find(
            service, at: endpoint, through: connections.channels[0][0], started: started, hint: hint)
        let scenario = assignment.scenario
        console.line("\(service.rawValue) at \(endpoint), scenario \(assignment.name), seed \(command.data.seed)")
        try await scenario.prepare(
            Preparation(connections: connections, maker: assignment.maker, console: console, stop: stop))
        // For people who read the report; nothing is computed from the wall clock.
        let startedAt = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)).description
        let run = { @Sendable [stop] (load: Load, firstNumber: Int) in
            Run(
                scenario: scenario, connections: connections, load: load, server: target.process, stop: stop,
                firstNumber: firstNumber)
        }
        let (result, ramp) = command.ramp.ramp ? await findKnee(run) : (await runOnce(assignment.load, run), nil)
        guard let result else { throw StartedService.Fault(description: "stopped before anything was measured") }
        console.write(ResultText.text(result, scenario))
        if let ramp { console.write(RampText.outcome(ramp)) }
        let verdicts = command.report.slo?.judge(result) ?? []
        console.write(ResultText.verdicts(verdicts))
        if let folder = command.report.report {
            let report = Report(
                command, scenario: assignment.name, startedAt: startedAt, result, ramp, verdicts,
                operations: scenario.operations)
            try ReportFiles.write(report, result.total.latency, before: assignment.before, to: folder)
            console.write("  report        \(folder)/report.html\n")
        }
        return verdicts.allSatisfy(\.isMet)
    }

    private func runOnce(_ load: Load, _ run: (Load, Int) -> Run) async -> RunResult? {
        let result = await run(load, 0).perform(LiveDisplay(console: console, duration: load.sendingEnd).show)
        console.line("")
        return result
    }

    /// - Returns: the run at the knee, or the gentlest one if none held.
    private func findKnee(_ run: @escaping @Sendable (Load, Int) -> Run) async -> (RunResult?, Ramp.Outcome?) {
        let options = command.ramp
        let ramp = Ramp(
            plan: RampPlan(start: command.rate.rate ?? RateOptions.defaultRate), bound: options.rampBound,
            errors: options.rampErrors / 100, isPoisson: command.rate.poisson, run: run, seed: command.data.seed,
            stepDuration: options.rampStep, warmUp: command.warmUp(of: options.rampStep),
            timeout: command.rate.timeout, duration: command.duration)
        console.line(RampText.heading())
        let display = LiveDisplay(console: console, duration: options.rampStep)
        let outcome = await ramp.perform(
            stop: stop, begin: { _ in display.show }, end: { console.line(RampText.line($0)) })
        console.line("")
        return ((outcome.knee ?? outcome.steps.min { $0.rate < $1.rate })?.result, outcome)
    }

    /// How the user gets the service to run.
    private var hint: String {
        let standIns = Dictionary(uniqueKeysWithValues: service.neighbours.map { ($0, $0.defaultEndpoint) })
        let arguments = StartedService.arguments(
            service, at: command.endpoint, neighbours: standIns, catalog: command.target.catalog)
        return "Start it with\n  billingd \(arguments.joined(separator: " "))\nor have it started by --start."
    }
}
