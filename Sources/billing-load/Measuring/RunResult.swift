import RPCZeroMQ

// `Double` in this program: times, rates and shares that were measured, for tables and charts. Money stays in integers, and
// the program makes none.

/// What happened in one second of a run.
struct Second: Hashable, Sendable, Codable {
    /// When it ended, in seconds from the start of the run.
    let at: Double
    let isWarmUp: Bool
    /// Calls that ended in it, and how many of them failed.
    let answered: Int
    let failed: Int
    /// How long it was, in seconds; the last one may be short.
    let length: Double
    /// In milliseconds; `nil` when nothing was answered.
    let p50: Double?
    let p99: Double?
    let maximum: Double?

    /// - Parameters:
    ///   - start: in nanoseconds from the start of the run, as is `end`.
    init(_ sample: Sample, from start: Int64, to end: Int64, isWarmUp: Bool) {
        var all = sample.measured
        all.add(sample.warmUp)
        at = Double(end) / 1e9
        length = Double(end - start) / 1e9
        self.isWarmUp = isWarmUp
        answered = all.answered
        failed = all.failed
        p50 = all.latency.span(percentile: 50)?.milliseconds
        p99 = all.latency.span(percentile: 99)?.milliseconds
        maximum = all.latency.span(percentile: 100)?.milliseconds
    }

    var rate: Double { length > 0 ? Double(answered) / length : 0 }
}

/// What a run measured, the warm-up left out.
struct RunResult: Sendable, MeasuredFacts {
    let load: Load
    /// From the end of the warm-up until the last call was due to be sent, in seconds.
    let measuredSeconds: Double
    /// Whether it was ended before its time.
    let wasStopped: Bool
    let sample: Sample
    let total: Tally
    let seconds: [Second]
    let usage: ProcessorUsage
    let statistics: ClientStatistics

    /// When more than one in a hundred calls is sent later than this, the schedule is not kept.
    static let tolerableLag = TimeSpan(nanoseconds: 10_000_000)

    func latency(percentile: Double) -> TimeSpan? { total.latency(percentile: percentile) }
    var ended: Int { total.ended }
    var errorShare: Double { total.errorShare }
    var rate: Double { rate(of: total) }

    /// Calls answered a second while calls were sent: answers that came after are left out, and their time as well.
    func rate(of tally: Tally) -> Double {
        measuredSeconds > 0 ? Double(tally.answeredInTime) / measuredSeconds : 0
    }

    /// The rate that the schedule asked for; `nil` in a closed loop.
    var intendedRate: Double? {
        guard case .open(let arrivals) = load.loop else { return nil }
        return Schedule(arrivals).meanRate(from: load.warmUp, to: load.sendingEnd)
    }

    var keptSchedule: Bool { keptSchedule(within: Self.tolerableLag) }

    private func keptSchedule(within bound: TimeSpan) -> Bool {
        guard case .open = load.loop, let lag = sample.lag.span(percentile: 99) else { return true }
        return lag <= bound
    }

    /// Of the calls those that had to wait for something that they could be about, as a share of 1.
    var heldShare: Double { ended > 0 ? Double(sample.held) / Double(ended) : 0 }

    /// Whether a good part of the latencies is our own lateness. A thread that uses all its time does not show that: one
    /// that stays awake for the next message does so as well.
    var isGeneratorLate: Bool {
        guard let lag = sample.lag.span(percentile: 99) else { return false }
        let latency = total.latency.span(percentile: 99) ?? Self.tolerableLag
        return lag >= max(TimeSpan(nanoseconds: latency.nanoseconds / 4), TimeSpan(nanoseconds: 1_000_000))
    }

    /// Whether our processor time is what is short. Calls of a closed loop are never late, so it is not known of them.
    var isGeneratorSaturated: Bool {
        usage.generator.busiestThread >= Saturation.busyShare && isGeneratorLate
    }

    /// Whether calls wait for each other in the service, so that half of them are slow and not a few.
    private var isQueueing: Bool {
        guard let half = sample.afterSending.span(percentile: 50), let most = sample.afterSending.span(percentile: 99)
        else { return true }
        return half.nanoseconds >= most.nanoseconds / 10 || total.failures["call.overloaded"] != nil
    }

    func saturation(bound: TimeSpan, errors: Double) -> Saturation {
        let isFast = sample.afterSending.span(percentile: 99).map { $0 <= bound } ?? false
        // Latencies include our lateness, so what is small beside the bound spoils no step.
        let tolerable = max(Self.tolerableLag, TimeSpan(nanoseconds: bound.nanoseconds / 2))
        return Saturation(
            Saturation.Facts(
                holdsLatency: latency(percentile: 99).map { $0 <= bound } ?? false, holdsErrors: errorShare <= errors,
                keptSchedule: keptSchedule(within: tolerable), isGeneratorSaturated: isGeneratorSaturated,
                isDataShort: heldShare > 0.01 && isFast, serverThreadShare: usage.server?.busiestThread,
                isQueueing: isQueueing, machineShare: usage.machine))
    }
}
