import ArgumentParser

extension TimeSpan: ExpressibleByArgument {
    init?(argument: String) { self.init(argument) }
    var defaultValueDescription: String { description.replacing(" ", with: "") }
}

/// Which service is loaded, and how it comes to run.
struct TargetOptions: ParsableArguments {
    @Option(help: "Endpoint of the service: tcp://127.0.0.1:PORT or ipc://PATH. Its default endpoint if not given.")
    var target: String?

    @Flag(
        help: ArgumentHelp(
            "Start the service, alone and over data that are deleted at the end.",
            discussion: "The data lie below TMPDIR; let that be on the disk that counts."))
    var start = false

    @Option(help: "The program that --start starts. The one beside this program if not given.")
    var billingd: String?

    @Option(help: "The price list of a pricing service that --start starts.")
    var catalog = "deploy/catalog.yaml"

    @Flag(name: .customLong("i-own-this-target"), help: "Allow a target that is not on this machine.")
    var isOwned = false
}

/// How the service is loaded.
struct RateOptions: ParsableArguments {
    @Option(help: "Open loop: calls a second, sent when they are due whatever became of those before. (default: 1000)")
    var rate: Double?

    @Flag(help: "Open loop: random gaps with the mean of --rate, as independent users make them.")
    var poisson = false

    @Option(
        help: ArgumentHelp(
            "Open loop: send when calls came, by the instants in the first column of a CSV file.", valueName: "csv[.gz]"
        ))
    var arrivals: String?

    @Option(help: "How many times as fast --arrivals is played.")
    var speed = 1.0

    @Option(help: "Closed loop instead: calls under way on each connection, each followed by the next.")
    var outstanding: Int?

    @Option(help: "Connections to the service.")
    var connections = 4

    @Option(help: "Threads of the load tester that send and receive.")
    var reactors = 1

    @Option(
        help: "How long calls are sent, the warm-up included; all steps together if --ramp. (default: 30s, a ramp 5m)")
    var duration: TimeSpan?

    @Option(
        help: "What comes first, in each step if --ramp, and is not measured. (default: a fifth, at most 2s)")
    var warmUp: TimeSpan?

    @Option(help: "How long a call may take, and wait before it is sent; no call is sent twice.")
    var timeout = TimeSpan(nanoseconds: 5_000_000_000)

    func validate() throws {
        guard outstanding == nil || rate == nil && !poisson && arrivals == nil else {
            throw ValidationError("--outstanding is a closed loop, which has no --rate, --poisson or --arrivals.")
        }
        guard arrivals == nil || rate == nil && !poisson else {
            throw ValidationError("--arrivals has its own rate; change it with --speed.")
        }
        func check(_ holds: Bool, _ text: String) throws { if !holds { throw ValidationError(text) } }
        try check((0.001...10_000_000).contains(rate ?? 1), "--rate must be a number from 0.001 to 10000000.")
        try check((0.001...1_000_000).contains(speed), "--speed must be a number from 0.001 to 1000000.")
        try check((1...1024).contains(connections), "--connections must be 1 to 1024.")
        try check(
            (1...Connections.window).contains(outstanding ?? 1),
            "--outstanding must be 1 to \(Connections.window), as many as a service takes of a peer.")
        try check((1...connections).contains(reactors), "--reactors must be 1 to the number of connections.")
        try check(duration != .zero, "--duration must be longer than 0 s.")
        try check(timeout.nanoseconds >= 1_000_000, "--timeout must be at least 1ms.")
    }

    static let defaultRate = 1000.0

    /// - Throws: `ArrivalTrace.Fault`.
    func loop(seed: UInt64) throws -> Load.Loop {
        if let outstanding { return .closed(outstanding: outstanding) }
        if let arrivals {
            do { return .open(.trace(try ArrivalTrace.offsets(ofFile: arrivals), speed: speed)) } catch {
                throw ValidationError("The trace '\(arrivals)' cannot be used: \(error).")
            }
        }
        let rate = rate ?? Self.defaultRate
        return .open(poisson ? .poisson(rate: rate, seed: seed) : .constant(rate: rate))
    }
}

/// What the calls are about.
struct DataOptions: ParsableArguments {
    @Option(help: "Accounts that are made before the run, each with one call at a time; pricing has none.")
    var accounts = 5000

    @Option(help: "Groups (metering, order) or subscriptions (refund) that the accounts have between them.")
    var groups = 20_000

    @Option(help: "Lines of a batch between services: pricing rating, order usage.")
    var lines = 256

    @Option(
        help:
            "Seed of all choices: the same one makes the same mix; whose turn it is depends on who has no call under way."
    )
    var seed: UInt64 = 1

    func validate() throws {
        guard (1...10_000_000).contains(accounts), (1...10_000_000).contains(groups), (1...2048).contains(lines) else {
            throw ValidationError("--accounts and --groups must be 1 to 10000000, --lines 1 to 2048.")
        }
    }
}

/// The search for the knee.
struct RampOptions: ParsableArguments {
    @Flag(help: "Find the highest rate that the service holds, by steps from --rate on.")
    var ramp = false

    @Option(help: "What p99 stays under at a rate that is held.")
    var rampBound = TimeSpan(nanoseconds: 20_000_000)

    @Option(help: "The most errors at a rate that is held, in percent.")
    var rampErrors = 0.1

    @Option(help: "How long each step lasts.")
    var rampStep = TimeSpan(nanoseconds: 5_000_000_000)

    func validate() throws {
        guard (0...100).contains(rampErrors), rampStep.nanoseconds >= 100_000_000 else {
            throw ValidationError("--ramp-errors must be 0 to 100, --ramp-step at least 100ms.")
        }
    }
}

/// What is made of the figures.
struct ReportOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What the run must achieve: p99=20ms,errors=0.1%,max=1s,rate=5000.",
            discussion: "Exit status 1 if it does not. A failed call counts as slower than any that is answered."),
        transform: { try ServiceLevel($0) })
    var slo: ServiceLevel?

    @Option(help: "Folder for report.json, histogram.csv and report.html.")
    var report: String?

    @Option(help: "The report.json of an earlier run of the same scenario, to compare with in report.html.")
    var compare: String?

    func validate() throws {
        guard compare == nil || report != nil else { throw ValidationError("--compare needs --report.") }
    }
}
