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
    /// How long a call may take, and how long it may wait for something that it can be about.
    var timeout = TimeSpan(nanoseconds: 5_000_000_000)

    /// When the last call is sent at the latest.
    var sendingEnd: TimeSpan {
        guard case .open(let arrivals) = loop, let end = Schedule(arrivals).end else { return duration }
        return min(end, duration)
    }

    /// The time that is measured, in nanoseconds from the start. Calls that are due in it are judged, and answers that
    /// come in it make the rate: those that come later, to a service that lags behind, would flatter it.
    var measured: Range<Int64> { warmUp.nanoseconds..<max(warmUp, sendingEnd).nanoseconds }
}

/// Where and when in a run a worker is.
struct RunClock: Sendable {
    let start: ContinuousClock.Instant
    let load: Load
    let measured: Range<Int64>

    init(start: ContinuousClock.Instant, load: Load) {
        (self.start, self.load, measured) = (start, load, load.measured)
    }

    func instant(_ offset: Int64) -> ContinuousClock.Instant { start.advanced(by: .nanoseconds(offset)) }
    func isWarmUp(_ offset: Int64) -> Bool { offset < measured.lowerBound }
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
