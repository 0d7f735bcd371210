/// How many calls whose handlers wait a server keeps in hand, learnt from how long they take. Above its capacity a server
/// that accepts everything answers everything too late; one that accepts what it can answer soon keeps answering at its
/// full rate, and tells the others at once to come back.
///
/// Every tenth of a second it looks at the calls that were finished: if most of them took long, there is a standing queue,
/// and the limit shrinks; if not, and the limit was reached, it grows. What "long" means is three times what a call takes
/// while there is no queue, and a tenth of a second at least. A value; time is an argument.
package struct ConcurrencyLimit {
    /// Below so many calls it never shrinks: their waiting is their own.
    private static let floor = 64
    private static let firstLimit = 1024
    private static let windowMilliseconds: Int64 = 100
    private static let leastPatienceNanoseconds: Int64 = 100_000_000

    package private(set) var limit: Int
    private let maximum: Int
    private var windowEnd: MonotonicTime?
    // In this window: finished calls, the nanoseconds that they took, how many of them took long, and the most calls in
    // hand.
    private var count: Int64 = 0
    private var total: Int64 = 0
    private var long: Int64 = 0
    private var peak = 0
    /// The nanoseconds that a call takes without a queue, as far as is known.
    private var unqueued: Int64 = 0

    package init(maximum: Int) {
        self.maximum = maximum
        limit = min(Self.firstLimit, maximum)
    }

    /// A call was started; `inFlight` counts it.
    package mutating func started(inFlight: Int) { peak = max(peak, inFlight) }

    /// A call that was started at `start` has its answer; `inFlight` are left.
    package mutating func finished(_ start: MonotonicTime, at now: MonotonicTime, inFlight: Int) {
        let took = start.nanoseconds(until: now)
        (count, total) = (count + 1, total + took)
        if took > max(Self.leastPatienceNanoseconds, unqueued * 3) { long += 1 }
        guard let windowEnd else {
            windowEnd = now.advanced(milliseconds: Self.windowMilliseconds)
            return
        }
        guard windowEnd <= now else { return }
        adjust()
        self.windowEnd = now.advanced(milliseconds: Self.windowMilliseconds)
        (count, total, long, peak) = (0, 0, 0, inFlight)
    }

    private mutating func adjust() {
        let floor = min(Self.floor, maximum)
        let mean = total / count
        unqueued = peak <= floor ? mean : min(unqueued, mean)
        if long * 2 > count {
            limit = max(floor, min(limit, peak) * 3 / 4)
        } else if peak >= limit {
            limit = min(maximum, limit + limit / 4 + 1)
        }
    }
}
