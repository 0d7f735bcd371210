package import BillingCore
import Glibc

/// The machine's clocks, injected so that tests and simulations have their own.
package protocol TimeSource: Sendable {
    /// The wall clock, in UTC.
    var wall: Timestamp { get }
    /// Milliseconds of a clock that nobody sets, from an arbitrary start.
    var monotonicMilliseconds: Int64 { get }
    /// Waits that long, or less when the task is cancelled.
    func pause(milliseconds: Int64) async
}

/// The operating system's clocks.
package struct SystemTimeSource: TimeSource {
    package init() {}

    package var wall: Timestamp { Timestamp(milliseconds: read(CLOCK_REALTIME)) }
    package var monotonicMilliseconds: Int64 { read(CLOCK_MONOTONIC) }

    package func pause(milliseconds: Int64) async {
        // Throws only when the task is cancelled, and then the wait is over.
        try? await Task.sleep(for: .milliseconds(milliseconds))
    }

    private func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
