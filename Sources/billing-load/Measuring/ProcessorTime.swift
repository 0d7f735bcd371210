import Glibc

/// Processor time that has been used until an instant.
struct ProcessorTime: Hashable, Sendable {
    let at: ContinuousClock.Instant
    /// Of a whole process, in seconds.
    let seconds: Double
    /// Of its threads, by their ids.
    let threads: [Int32: Double]

    /// What was used since `earlier`, as a share of one core: 1 is a core that was never idle.
    func share(since earlier: ProcessorTime) -> Share {
        let elapsed = Double(earlier.at.duration(to: at).nanosecondsClamped) / 1e9
        guard elapsed > 0 else { return Share(process: 0, busiestThread: 0) }
        let busiest = threads.map { $0.value - (earlier.threads[$0.key] ?? 0) }.max() ?? 0
        return Share(
            process: max(0, seconds - earlier.seconds) / elapsed, busiestThread: max(0, busiest) / elapsed)
    }

    struct Share: Hashable, Sendable, Codable {
        let process: Double
        let busiestThread: Double
    }

    /// Of this process.
    static func own() -> ProcessorTime {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return ProcessorTime(
            at: .now, seconds: usage.ru_utime.inSeconds + usage.ru_stime.inSeconds,
            threads: ProcessFiles.threadSeconds(of: getpid()))
    }

    /// Of another process of this machine; `nil` when it cannot be looked at.
    static func of(process: Int32) -> ProcessorTime? {
        guard let seconds = ProcessFiles.seconds(in: "/proc/\(process)/stat") else { return nil }
        return ProcessorTime(at: .now, seconds: seconds, threads: ProcessFiles.threadSeconds(of: process))
    }
}

extension timeval {
    fileprivate var inSeconds: Double { Double(tv_sec) + Double(tv_usec) / 1e6 }
}

extension Duration {
    /// As a 64-bit number; what does not fit is as large as it can be.
    var nanosecondsClamped: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (seconds < 0 ? .min : .max) : product &+ attoseconds / 1_000_000_000
    }
}
