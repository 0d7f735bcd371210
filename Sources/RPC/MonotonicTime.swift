import Glibc

/// An instant on the machine's clock that never goes back and counts sleep, for deadlines and pauses: what
/// `ContinuousClock` reads, as one integer, since every call compares and adds several.
public struct MonotonicTime: Hashable, Comparable, Sendable {
    /// Since the machine started.
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static var now: MonotonicTime {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return MonotonicTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// So late that it never comes.
    public static let never = MonotonicTime(nanoseconds: .max)

    /// Later by that much; `never` where that is past all time.
    public func advanced(nanoseconds more: Int64) -> MonotonicTime {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(more)
        return MonotonicTime(nanoseconds: overflow ? (more > 0 ? .max : .min) : sum)
    }

    /// Later by that much; `never` where that is past all time.
    public func advanced(milliseconds more: Int64) -> MonotonicTime {
        let (product, overflow) = more.multipliedReportingOverflow(by: 1_000_000)
        return advanced(nanoseconds: overflow ? (more > 0 ? .max : .min) : product)
    }

    /// How much later `other` is.
    public func nanoseconds(until other: MonotonicTime) -> Int64 {
        let (difference, overflow) = other.nanoseconds.subtractingReportingOverflow(nanoseconds)
        return overflow ? (other > self ? .max : .min) : difference
    }

    public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool { left.nanoseconds < right.nanoseconds }
}
