import BillingCore

extension DataSet {
    init(_ options: DataOptions, _ maker: CallMaker) {
        self.init(
            accounts: options.accounts, groups: options.groups, seed: options.seed, maker: maker,
            linesPerBatch: options.lines)
    }
}

extension Report {
    init(
        _ command: Program, scenario: String, startedAt: String, _ result: RunResult, _ ramp: Ramp.Outcome?,
        _ verdicts: [ServiceLevel.Verdict], operations: [String]
    ) {
        let name: String
        var outstanding: Int?
        switch result.load.loop {
        case .open(.constant): name = "open"
        case .open(.poisson): name = "poisson"
        case .open(.trace): name = "trace"
        case .closed(let calls): (name, outstanding) = ("closed", calls)
        }
        self.init(
            service: command.service.rawValue, scenario: scenario, startedAt: startedAt,
            command: CommandLine.arguments.dropFirst().joined(separator: " "),
            load: LoadFacts(
                loop: name, intendedRate: result.intendedRate, outstanding: outstanding,
                connections: command.rate.connections, reactors: command.rate.reactors,
                durationSeconds: result.load.duration.seconds, warmUpSeconds: result.load.warmUp.seconds,
                seed: command.data.seed, accounts: command.data.accounts, groups: command.data.groups),
            result: ResultFacts(result, operations: operations), distribution: result.total.latency.distribution,
            seconds: result.seconds, ramp: ramp.map(RampFacts.init), verdicts: verdicts,
            warnings: ResultText.warnings(of: result))
    }
}
