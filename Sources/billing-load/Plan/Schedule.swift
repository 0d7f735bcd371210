import Glibc

/// When the calls of an open loop are to be sent, whatever became of the ones before.
struct Schedule: Sendable {
    enum Arrivals: Hashable, Sendable {
        /// Evenly spaced, so many a second.
        case constant(rate: Double)
        /// Independent users: exponential gaps with this mean rate a second.
        case poisson(rate: Double, seed: UInt64)
        /// Recorded arrivals, in nanoseconds from the first, played so many times as fast.
        case trace([Int64], speed: Double)
    }

    let arrivals: Arrivals
    private var index = 0
    private var last = 0.0
    private var random: SeededGenerator

    init(_ arrivals: Arrivals) {
        self.arrivals = arrivals
        if case .poisson(_, let seed) = arrivals {
            random = SeededGenerator(seed: seed)
        } else {
            random = SeededGenerator(seed: 0)
        }
    }

    /// The next intended instant, in nanoseconds from the start; never before the one before. `nil` after the last one
    /// of a trace.
    mutating func next() -> Int64? {
        defer { index += 1 }
        switch arrivals {
        case .constant(let rate):
            return Int64(Double(index) * 1e9 / rate)
        case .poisson(let rate, _):
            last -= log(1 - random.unit()) * 1e9 / rate
            return Int64(last)
        case .trace(let offsets, let speed):
            return index < offsets.count ? Int64(Double(offsets[index]) / speed) : nil
        }
    }

    /// The mean rate from one instant of a run until before another; 0 if that is no time.
    func meanRate(from start: TimeSpan, to end: TimeSpan) -> Double {
        guard start < end else { return 0 }
        switch arrivals {
        case .constant(let rate), .poisson(let rate, _): return rate
        case .trace(let offsets, let speed):
            let within = Double(start.nanoseconds)..<Double(end.nanoseconds)
            return Double(offsets.count { within.contains(Double($0) / speed) }) / (end.seconds - start.seconds)
        }
    }

    /// Where a trace ends; `nil` for arrivals without an end.
    var end: TimeSpan? {
        guard case .trace(let offsets, let speed) = arrivals else { return nil }
        return TimeSpan(nanoseconds: Int64(Double(offsets.last ?? 0) / speed))
    }
}

/// The share of a schedule that one of several workers has: every `workers`-th arrival.
struct ScheduleShare: Sendable {
    private var schedule: Schedule
    private let worker: Int
    private let workers: Int
    private var index = 0

    init(_ arrivals: Schedule.Arrivals, worker: Int, of workers: Int) {
        schedule = Schedule(arrivals)
        self.worker = worker
        self.workers = workers
    }

    /// The number of the call in the whole schedule, and its intended instant.
    mutating func next() -> (number: Int, offset: Int64)? {
        while let offset = schedule.next() {
            defer { index += 1 }
            if index % workers == worker { return (index, offset) }
        }
        return nil
    }
}
