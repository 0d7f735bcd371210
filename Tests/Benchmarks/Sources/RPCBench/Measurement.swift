import Glibc
import Synchronization

/// Counts calls and how long they took between two instants; any number of tasks may report.
final class Measurement: @unchecked Sendable {
    // `@unchecked`: the pointer is a `let`, and what it points at are atomics.

    let begin: UInt64
    let end: UInt64
    /// Logarithmic, 128 to an octave, as in `c/measure.h`.
    private let buckets: UnsafeMutableBufferPointer<Atomic<UInt64>>
    private let wrong = Atomic<UInt64>(0)

    init(warm: Double, seconds: Double) {
        begin = nowNanoseconds() + UInt64(warm * 1e9)
        end = begin + UInt64(seconds * 1e9)
        buckets = .allocate(capacity: 64 * 128)
        for index in buckets.indices { (buckets.baseAddress! + index).initialize(to: Atomic(0)) }
    }

    deinit { buckets.deallocate() }

    /// - Returns: `false` once the measurement is over.
    func report(from start: UInt64, isRight: Bool) -> Bool {
        let now = nowNanoseconds()
        if !isRight { wrong.add(1, ordering: .relaxed) }
        guard now >= begin, now < end else { return now < end }
        let value = (now - start) | 128
        let octave = 63 - value.leadingZeroBitCount
        let bucket = (octave - 6) * 128 + Int((value >> UInt64(octave - 7)) & 127)
        buckets[bucket].add(1, ordering: .relaxed)
        return true
    }

    var wrongCount: UInt64 { wrong.load(ordering: .relaxed) }

    var count: UInt64 { buckets.indices.reduce(0) { $0 + buckets[$1].load(ordering: .relaxed) } }

    /// Says "start" when the measurement begins and, when it is over, a line of JSON. With `marks`, says how many
    /// calls were made each time that so many more were.
    func tell(scale: Double = 1, marks: UInt64? = nil) async throws {
        try await sleep(until: begin)
        say("start")
        let cpu = processorSeconds()
        if let marks {
            var next = marks
            while nowNanoseconds() < end {
                try await Task.sleep(for: .milliseconds(20))
                guard count >= next else { continue }
                say("calls \(next)")
                next += marks
            }
        } else {
            try await sleep(until: end)
        }
        let used = processorSeconds() - cpu
        let seconds = Double(end - begin) / 1e9
        let calls = count
        say(
            """
            {"calls": \(calls), "seconds": \(seconds), "calls_per_s": \(Double(calls) * scale / seconds), \
            "p50_us": \(percentile(0.5)), "p99_us": \(percentile(0.99)), "client_cpu_s": \(used), \
            "wrong": \(wrongCount)}
            """)
    }

    private func sleep(until instant: UInt64) async throws {
        let now = nowNanoseconds()
        if now < instant { try await Task.sleep(for: .nanoseconds(Int64(instant - now)), tolerance: .zero) }
    }

    /// In microseconds: the middle of the bucket.
    private func percentile(_ share: Double) -> Double {
        var left = UInt64(share * Double(count))
        for index in buckets.indices {
            let here = buckets[index].load(ordering: .relaxed)
            if here > left {
                return scalbn(128.5 + Double(index % 128), index / 128 - 1) / 1e3
            }
            left -= here
        }
        return 0
    }
}

func nowNanoseconds() -> UInt64 { read(CLOCK_MONOTONIC) }

/// What this process has used of the processors.
func processorSeconds() -> Double { Double(read(CLOCK_PROCESS_CPUTIME_ID)) / 1e9 }

private func read(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Writes a line at once.
func say(_ line: String) {
    print(line)
    fflush(nil)
}
