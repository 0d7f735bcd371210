import Histogram
import RPCZeroMQ

/// The end of a run, as text.
enum ResultText {
    /// The table of operations, then what there is to say about the run.
    static func text(_ result: RunResult, _ scenario: any Scenario) -> String {
        [table(result, scenario), failures(result), facts(result, scenario), warnings(result)].filter { !$0.isEmpty }
            .joined(separator: "\n")
    }

    private static func table(_ result: RunResult, _ scenario: any Scenario) -> String {
        let percentiles = Percentile.shown
        var table = TextTable(
            ["operation", "calls", "per second"] + percentiles.map { Percentile.title($0) } + ["errors"])
        func add(_ name: String, _ tally: Tally) {
            table.add(
                [name, Figures.grouped(tally.ended), Figures.grouped(Int(result.rate(of: tally).rounded()))]
                    + percentiles.map { tally.latency.span(percentile: $0)?.description ?? "-" }
                    + [
                        tally.failed == 0
                            ? "0" : "\(Figures.grouped(tally.failed)) (\(Figures.percent(tally.errorShare)))"
                    ])
        }
        for (name, tally) in zip(scenario.operations, result.sample.operations) { add(name, tally) }
        if result.sample.unsent.ended > 0 { add("not sent", result.sample.unsent) }
        if scenario.operations.count > 1 || result.sample.unsent.ended > 0 { add("all", result.total) }
        return table.text
    }

    private static func failures(_ result: RunResult) -> String {
        guard result.total.failed > 0 else { return "" }
        var table = TextTable(["failed calls by reason", "calls", "share"])
        for (reason, count) in result.total.failures.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            table.add([reason, Figures.grouped(count), Figures.percent(Double(count) / Double(result.total.ended))])
        }
        return table.text
    }

    private static func facts(_ result: RunResult, _ scenario: any Scenario) -> String {
        var lines: [String] = []
        if let intended = result.intendedRate {
            lines.append(
                "rate          \(Figures.short(result.rate))/s answered of \(Figures.short(intended))/s intended")
        } else {
            lines.append("rate          \(Figures.short(result.rate))/s answered")
        }
        if let item = scenario.itemName, result.total.answered > 0 {
            let rate = result.rate * Double(result.total.items) / Double(result.total.answered)
            lines.append("\(item)" + gap(item) + "\(Figures.grouped(Int(rate.rounded())))/s")
        }
        if case .open = result.load.loop, let half = result.sample.lag.span(percentile: 50),
            let most = result.sample.lag.span(percentile: 99)
        {
            lines.append("sent late     p50 \(half), p99 \(most), which the latencies include")
        }
        lines.append("processor     " + processor(result.usage))
        let statistics = result.statistics
        if statistics.messagesSent > 0 {
            let batch = Double(statistics.recordsSent) / Double(statistics.messagesSent)
            lines.append("on the wire   \(Figures.short(batch)) calls a message")
        }
        return lines.map { "  \($0)\n" }.joined()
    }

    private static func gap(_ title: String) -> String { String(repeating: " ", count: max(1, 14 - title.count)) }

    private static func processor(_ usage: ProcessorUsage) -> String {
        let server = usage.server.map {
            "service \(Figures.percent($0.process)) of a core (busiest thread \(Figures.percent($0.busiestThread)))"
        }
        return (server ?? "service not on this machine, or not seen")
            + ", load tester \(Figures.percent(usage.generator.process))"
            + " (busiest thread \(Figures.percent(usage.generator.busiestThread)))"
            + ", machine \(Figures.percent(usage.machine))"
    }

    private static func warnings(_ result: RunResult) -> String {
        warnings(of: result).map { "  warning: \($0)\n" }.joined()
    }

    /// What makes the figures doubtful.
    static func warnings(of result: RunResult) -> [String] {
        var warnings: [String] = []
        let share = result.usage.generator.busiestThread
        if case .closed = result.load.loop, share >= Saturation.busyShare {
            warnings.append(
                "the load tester's busiest thread used \(Figures.percent(share)) of a core, for work or awake for "
                    + "replies: if --reactors 2 gives more, it is what is slow")
        } else if result.isGeneratorSaturated {
            warnings.append(
                "the load tester's busiest thread used \(Figures.percent(share)) of a core and sent late: it is what is "
                    + "slow, and not the service; try --reactors 2, or a lower rate")
        }
        if result.heldShare > 0.01 {
            warnings.append(
                "\(Figures.percent(result.heldShare)) of the calls had to wait, since all that they could be about had "
                    + "calls under way: make more (--accounts, --groups), unless the service is what is slow")
        }
        if let count = result.total.failures["load.too_many_under_way"] {
            warnings.append(
                "\(Figures.grouped(count)) calls were not sent, since \(Figures.grouped(Worker.mostUnderWay)) were "
                    + "under way on each connection")
        }
        if result.usage.machine >= 0.95 {
            warnings.append(
                "the machine had no idle core: service and load tester took time from each other, or others did")
        }
        if !result.keptSchedule, let lag = result.sample.lag.span(percentile: 99) {
            warnings.append("the schedule was not kept: one call in a hundred was sent \(lag) late or more")
        }
        if result.statistics.disconnections > 0 {
            warnings.append("\(result.statistics.disconnections) connections were lost")
        }
        if result.wasStopped { warnings.append("the run was stopped before its time") }
        if result.total.ended == 0 { warnings.append("nothing was measured") }
        return warnings
    }

    /// Whether the service level was kept.
    static func verdicts(_ verdicts: [ServiceLevel.Verdict]) -> String {
        verdicts.map { "  \($0.isMet ? "kept" : "BROKEN")  \($0.objective): \($0.measured)\n" }.joined()
    }
}
