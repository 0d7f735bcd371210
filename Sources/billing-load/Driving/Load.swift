/// How a service is loaded.
struct Load: Sendable {
    enum Loop: Sendable {
        /// Calls are sent when the schedule says, whatever became of those before.
        case open(Schedule.Arrivals)
        /// So many calls of each connection are always under way; each is followed by the next.
        case closed(outstanding: Int)
    }

    var loop: Loop
    /// Including the warm-up.
    var duration: TimeSpan
    /// What comes first and is not measured.
    var warmUp: TimeSpan
    var seed: UInt64

    /// When the last call is sent at the latest.
    var sendingEnd: TimeSpan {
        guard case .open(let arrivals) = loop, let end = Schedule(arrivals).end else { return duration }
        return min(end, duration)
    }
}

/// Where and when in a run a worker is.
struct RunClock: Sendable {
    let start: ContinuousClock.Instant
    let load: Load

    func instant(_ offset: Int64) -> ContinuousClock.Instant { start.advanced(by: .nanoseconds(offset)) }
    func isMeasured(_ offset: Int64) -> Bool { offset >= load.warmUp.nanoseconds }
    /// Nanoseconds since the start.
    var offset: Int64 { start.duration(to: .now).nanosecondsClamped }

    /// Sleeps until an offset, or a little longer than until `end` is set.
    func sleep(until offset: Int64, orUntil end: Stop) async {
        while !end.isSet, case let left = offset - self.offset, left > 0 {
            // Throws only in a cancelled task, and then the loop looks at the clock again.
            try? await Task.sleep(for: .nanoseconds(min(left, 50_000_000)), tolerance: .zero)
        }
    }
}
