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

    var answered: Int { Int(latency.totalCount) }
    var failed: Int { failures.values.reduce(0, +) }
    var ended: Int { answered + failed }
    var errorShare: Double { ended > 0 ? Double(failed) / Double(ended) : 0 }

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
    }
}

/// What one worker saw since it was last asked.
struct Sample: Sendable {
    /// Calls of the warm-up, which count for nothing but the display.
    var warmUp = Tally()
    /// Measured calls, by operation.
    var operations: [Tally]
    /// How long after its intended instant each measured call was sent.
    var lag = LatencyHistogram.empty()

    init(operations: Int) { self.operations = Array(repeating: Tally(), count: operations) }

    /// All measured calls.
    var measured: Tally { operations.reduce(into: Tally()) { $0.add($1) } }

    mutating func add(_ other: Sample) {
        warmUp.add(other.warmUp)
        for index in operations.indices { operations[index].add(other.operations[index]) }
        if other.lag.totalCount > 0 { lag.add(other.lag) }
    }
}
