import Histogram

/// A ramp as text: a line a step, then the knee.
enum RampText {
    static func heading() -> String { row("rate/s", "answered/s", "p50", "p99", "errors", "service", "tester", "") }

    static func line(_ step: Ramp.Step) -> String {
        let result = step.result
        return row(
            Figures.grouped(Int(step.rate)), Figures.grouped(Int(result.rate.rounded())),
            latency(result, 50), latency(result, 99),
            Figures.percent(result.errorShare),
            result.usage.server.map { Figures.percent($0.busiestThread) } ?? "-",
            Figures.percent(result.usage.generator.busiestThread),
            step.holds ? "holds" : "fails: \(step.saturation.rawValue)")
    }

    private static func latency(_ result: RunResult, _ percentile: Double) -> String {
        result.latency(percentile: percentile)?.description ?? (result.ended > 0 ? "failed" : "-")
    }

    private static func row(
        _ rate: String, _ answered: String, _ p50: String, _ p99: String, _ errors: String, _ service: String,
        _ tester: String, _ verdict: String
    ) -> String {
        let cells = [rate, answered, p50, p99, errors, service, tester].map { cell in
            String(repeating: " ", count: max(0, 10 - cell.count)) + cell
        }
        return (cells.joined(separator: "  ") + "  " + verdict).trimmedEnd
    }

    static func outcome(_ outcome: Ramp.Outcome) -> String {
        guard let knee = outcome.knee else {
            let rate = outcome.steps.map(\.rate).min().map { Figures.grouped(Int($0)) + "/s" } ?? "any rate"
            return "  knee          none: not even \(rate) holds p99 <= \(outcome.bound)\n" + saturated(outcome)
        }
        return "  knee          \(Figures.grouped(Int(knee.rate)))/s with p99 "
            + "\(knee.result.latency(percentile: 99)?.description ?? "-") (bound \(outcome.bound))\n"
            + saturated(outcome)
    }

    private static func saturated(_ outcome: Ramp.Outcome) -> String {
        let text = outcome.failure.map {
            "at \(Figures.grouped(Int($0.rate)))/s: \($0.saturation.sentence)"
        }
        return "  saturated     \(text ?? "nothing yet")\n"
            + (outcome.isComplete
                ? "" : "  warning: the time was over before the knee was found: a longer --duration?\n")
    }
}

extension String {
    /// Without blanks at the end.
    var trimmedEnd: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
