import Histogram
import RPC

/// Latencies, from a microsecond to an hour, to three digits.
typealias LatencyHistogram = Histogram<UInt64>

extension LatencyHistogram {
    static let longestNanoseconds: UInt64 = 3_600_000_000_000

    static func empty() -> LatencyHistogram {
        LatencyHistogram(
            lowestDiscernibleValue: 1000, highestTrackableValue: longestNanoseconds,
            numberOfSignificantValueDigits: .three)
    }

    /// Takes what is longer for the longest that there is, and what is negative for nothing.
    mutating func record(nanoseconds: Int64) {
        record(Swift.min(UInt64(clamping: nanoseconds), Self.longestNanoseconds))
    }

    /// `nil` when it is empty.
    func span(percentile: Double) -> TimeSpan? {
        guard totalCount > 0 else { return nil }
        // The upper end of a cell can lie above the largest value in it.
        return TimeSpan(nanoseconds: Int64(Swift.min(valueAtPercentile(percentile), highest)))
    }

    /// The largest value, as recorded.
    private var highest: UInt64 { max }
}

/// What became of calls.
struct Tally: Sendable {
    /// Of the calls that were answered without an error.
    private(set) var latency = LatencyHistogram.empty()
    /// The others, by reason.
    private(set) var failures: [String: Int] = [:]
    /// What the answered calls carried: lines, slices, or one each.
    private(set) var items = 0
    /// Answers that came in the time that is measured, also those to calls of the warm-up.
    var answeredInTime = 0

    var answered: Int { Int(latency.totalCount) }
    var failed: Int { failures.values.reduce(0, +) }
    var ended: Int { answered + failed }
    var errorShare: Double { ended > 0 ? Double(failed) / Double(ended) : 0 }

    /// What so many percent of all calls kept to, a failed call being slower than any that is answered; `nil` if that is
    /// a failed call, or none has ended.
    func latency(percentile: Double) -> TimeSpan? {
        guard failed > 0 else { return latency.span(percentile: percentile) }
        // So much less than the product that its rounding does not make it the next rank.
        let rank = max(1, (percentile / 100 * Double(ended) * (1 - 1e-12)).rounded(.up))
        guard rank <= Double(answered) else { return nil }
        return latency.span(percentile: rank / Double(answered) * 100)
    }

    mutating func record(_ outcome: Result<Int, RPCError>, nanoseconds: Int64) {
        switch outcome {
        case .success(let items):
            latency.record(nanoseconds: nanoseconds)
            self.items += items
        case .failure(let error):
            failures[error.reason, default: 0] += 1
        }
    }

    mutating func add(_ other: Tally) {
        if other.latency.totalCount > 0 { latency.add(other.latency) }
        failures.merge(other.failures, uniquingKeysWith: +)
        items += other.items
        answeredInTime += other.answeredInTime
    }
}

/// What one worker saw since it was last asked.
struct Sample: Sendable {
    /// Calls of the warm-up, which count for nothing but the display.
    var warmUp = Tally()
    /// Measured calls, by operation.
    var operations: [Tally]
    /// Calls that were due in the measured time and not sent.
    var unsent = Tally()
    /// How long after it could be sent each measured call was sent.
    var lag = LatencyHistogram.empty()
    /// From the sending of each measured call to its answer.
    var afterSending = LatencyHistogram.empty()
    /// Measured calls that had to wait for something that they could be about.
    var held = 0

    init(operations: Int) { self.operations = Array(repeating: Tally(), count: operations) }

    /// All measured calls.
    var measured: Tally { operations.reduce(into: unsent) { $0.add($1) } }

    /// - Parameters:
    ///   - isInTime: whether it ended in the time that is measured.
    ///   - isMeasured: whether it was due in that time.
    mutating func record(_ call: EndedCall, isInTime: Bool, isMeasured: Bool) {
        let latency = call.ended - call.intended
        if isInTime, case .success = call.outcome, let operation = call.operation {
            operations[operation].answeredInTime += 1
        }
        guard isMeasured else { return warmUp.record(call.outcome, nanoseconds: latency) }
        if call.ready > call.intended { held += 1 }
        guard let operation = call.operation else { return unsent.record(call.outcome, nanoseconds: latency) }
        operations[operation].record(call.outcome, nanoseconds: latency)
        lag.record(nanoseconds: call.sent - call.ready)
        if case .success = call.outcome { afterSending.record(nanoseconds: call.ended - call.sent) }
    }

    mutating func add(_ other: Sample) {
        warmUp.add(other.warmUp)
        for index in operations.indices { operations[index].add(other.operations[index]) }
        unsent.add(other.unsent)
        if other.lag.totalCount > 0 { lag.add(other.lag) }
        if other.afterSending.totalCount > 0 { afterSending.add(other.afterSending) }
        held += other.held
    }
}
