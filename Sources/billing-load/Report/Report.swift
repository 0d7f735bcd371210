import Histogram

/// All that a run found, as it is written to report.json. Latencies are in milliseconds, shares are of 1.
struct Report: Codable, Sendable {
    /// Of this format; a reader that knows another one refuses.
    var format = 1
    let service: String
    let scenario: String
    /// When the run began, ISO 8601 in UTC.
    let startedAt: String
    /// The command line, without the program's path.
    let command: String
    let load: LoadFacts
    let result: ResultFacts
    let distribution: [Point]
    let seconds: [Second]
    let ramp: RampFacts?
    let verdicts: [ServiceLevel.Verdict]
    let warnings: [String]

    struct LoadFacts: Codable, Sendable {
        /// "open", "poisson", "trace" or "closed".
        let loop: String
        let intendedRate: Double?
        let outstanding: Int?
        let connections: Int
        let reactors: Int
        let durationSeconds: Double
        let warmUpSeconds: Double
        let seed: UInt64
        let accounts: Int
        let groups: Int
    }

    struct ResultFacts: Codable, Sendable {
        let measuredSeconds: Double
        let rate: Double
        let calls: Int
        let errorShare: Double
        let failures: [String: Int]
        let items: Int
        let latency: [String: Double]
        let lag: [String: Double]
        let usage: ProcessorUsage
        let operations: [Operation]
    }

    struct Operation: Codable, Sendable {
        let name: String
        let calls: Int
        let rate: Double
        let failures: [String: Int]
        let latency: [String: Double]
    }

    /// So many calls took at most so long.
    struct Point: Codable, Sendable, Hashable {
        let percentile: Double
        let milliseconds: Double
        let calls: UInt64
    }

    struct RampFacts: Codable, Sendable {
        let boundMilliseconds: Double
        let steps: [Step]
        /// `nil` if no step held.
        let knee: Double?
        let saturated: Saturation?

        struct Step: Codable, Sendable {
            let rate: Double
            let answered: Double
            let p50: Double?
            let p99: Double?
            let errorShare: Double
            let holds: Bool
            let saturation: Saturation
        }
    }
}

extension LatencyHistogram {
    /// The shown percentiles in milliseconds, by title; empty when there is nothing.
    var shownMilliseconds: [String: Double] {
        var shown: [String: Double] = [:]
        for percentile in Percentile.shown {
            shown[Percentile.title(percentile)] = span(percentile: percentile)?.milliseconds
        }
        return shown
    }

    /// Percentiles ever closer to 100, as many as the calls can tell apart.
    var distribution: [Report.Point] {
        guard totalCount > 0 else { return [] }
        return percentiles(ticksPerHalfDistance: 5).map { step in
            Report.Point(
                percentile: step.percentile,
                milliseconds: span(percentile: step.percentile)?.milliseconds ?? 0,
                calls: step.totalCountToThisValue)
        }
    }

    /// A line for each cell that holds calls: its upper end, its calls, and all up to it.
    var csv: String {
        var text = "milliseconds,calls,calls_up_to,percentile\n"
        for step in recordedValues() where step.count > 0 {
            text += "\(Double(step.value) / 1e6),\(step.count),\(step.totalCountToThisValue),"
            text += Figures.fixed(100 * Double(step.totalCountToThisValue) / Double(totalCount), 6) + "\n"
        }
        return text
    }
}

extension Report.RampFacts {
    init(_ outcome: Ramp.Outcome) {
        self.init(
            boundMilliseconds: outcome.bound.milliseconds,
            steps: outcome.steps.map { step in
                Step(
                    rate: step.rate, answered: step.result.rate,
                    p50: step.result.latency(percentile: 50)?.milliseconds,
                    p99: step.result.latency(percentile: 99)?.milliseconds, errorShare: step.result.errorShare,
                    holds: step.holds, saturation: step.saturation)
            }, knee: outcome.knee?.rate, saturated: outcome.failure?.saturation)
    }
}

extension Report.ResultFacts {
    init(_ result: RunResult, operations: [String]) {
        self.init(
            measuredSeconds: result.measuredSeconds, rate: result.rate, calls: result.total.ended,
            errorShare: result.errorShare, failures: result.total.failures, items: result.total.items,
            latency: result.total.latency.shownMilliseconds, lag: result.sample.lag.shownMilliseconds,
            usage: result.usage,
            operations: zip(operations + ["not sent"], result.sample.operations + [result.sample.unsent])
                .filter { $0 != "not sent" || $1.ended > 0 }.map { name, tally in
                    Report.Operation(
                        name: name, calls: tally.ended, rate: result.rate(of: tally), failures: tally.failures,
                        latency: tally.latency.shownMilliseconds)
                })
    }
}
