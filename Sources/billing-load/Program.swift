import ArgumentParser
import Foundation
import RPCZeroMQ

/// `billing-load`: loads one service and tells how it bears it.
@main
struct Program: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "billing-load",
        abstract: "Loads one service, alone, and tells its latencies, its errors and what saturates.",
        discussion: """
            An open loop (--rate, --poisson, --arrivals) sends when calls are due, and measures latency from then: a \
            service that stalls is charged for every call that waits. A closed loop (--outstanding) tells the most that \
            a service does. The neighbours of the service do not run; the load tester answers in their place.
            Times are written as 500ms, 30s or 2m.

            Scenarios, the first of each service being its default:
            \(Catalogue.text)

            Exit status: 0 done, 1 the service level is broken, 2 the run could not be made, 64 wrong usage.
            """)

    @Argument(help: "The service: pricing, metering, order, refund or gateway.")
    var service: Service

    @Option(help: "What is sent; see above.")
    var scenario: String?

    @OptionGroup(title: "Target") var target: TargetOptions
    @OptionGroup(title: "Load") var rate: RateOptions
    @OptionGroup(title: "Ramp") var ramp: RampOptions
    @OptionGroup(title: "Data") var data: DataOptions
    @OptionGroup(title: "Result") var report: ReportOptions

    func validate() throws {
        if let refusal = TargetCheck.refusal(of: endpoint, isOwned: target.isOwned) { throw ValidationError(refusal) }
        guard !target.start || !endpoint.contains(",") else {
            throw ValidationError("--start starts one service, at one --target.")
        }
        guard !ramp.ramp || rate.outstanding == nil && rate.arrivals == nil else {
            throw ValidationError("--ramp makes its own rates: no --outstanding, no --arrivals.")
        }
        guard !ramp.ramp || ramp.rampStep <= duration else {
            throw ValidationError(
                "--ramp-step must not be longer than --duration, which is that of all steps together.")
        }
        guard warmUp(of: .zero) < (ramp.ramp ? ramp.rampStep : duration) else {
            throw ValidationError("--warm-up must be shorter than \(ramp.ramp ? "--ramp-step" : "--duration").")
        }
        guard Catalogue.entry(service, scenario) != nil else {
            let names = Catalogue.entries(of: service).map(\.name).joined(separator: ", ")
            throw ValidationError("\(service.rawValue) has no scenario '\(scenario ?? "")'; it has \(names).")
        }
    }

    /// Where the service is, unless `--start` chooses.
    var endpoint: String { target.target ?? service.defaultEndpoint }

    /// How long calls are sent.
    var duration: TimeSpan { rate.duration ?? TimeSpan(seconds: ramp.ramp ? 300 : 30) }

    /// What comes first in so long a run, or step, and is not measured.
    func warmUp(of duration: TimeSpan) -> TimeSpan {
        rate.warmUp ?? min(TimeSpan(seconds: 2), TimeSpan(nanoseconds: duration.nanoseconds / 5))
    }

    func run() async throws {
        ShutdownSignal.install()
        // Whoever reads our output may go; the service that we started is stopped all the same.
        signal(SIGPIPE, SIG_IGN)
        let session = Session(command: self, console: .standardOutput)
        do {
            let isKept = try await session.run()
            if !isKept { throw ExitCode(1) }
        } catch let code as ExitCode {
            throw code
        } catch let error as ValidationError {
            throw error
        } catch {
            FileHandle.standardError.write(Data("billing-load: \(error)\n".utf8))
            throw ExitCode(2)
        }
    }
}
