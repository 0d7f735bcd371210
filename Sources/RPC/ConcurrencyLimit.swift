/// How many calls are in hand at a time, learnt from how long they take: on a server those whose handlers wait, and on a
/// client those that it has given to a server. Above its capacity a server that accepts everything answers everything too
/// late; one that has in hand what it can answer soon keeps answering at its full rate, and the others are told at once to
/// come back.
///
/// Every tenth of a second, or as often as a call takes if that is longer, so that it sees what came of the last change, it
/// looks at the calls that ended: if most of them took long, there is a standing queue, and the limit shrinks; if not, and the
/// limit was reached, it grows. What "long" means is three times what a call takes while there is no queue, and a tenth of
/// a second at least. A value; time is an argument.
package struct ConcurrencyLimit {
    /// Below so many calls it never shrinks: their waiting is their own.
    private static let floor = 64
    private static let firstLimit = 1024
    private static let leastWindowNanoseconds: Int64 = 100_000_000
    private static let leastPatienceNanoseconds: Int64 = 100_000_000

    package private(set) var limit: Int
    private let maximum: Int
    private var windowEnd: MonotonicTime?
    // In this window: finished calls, the nanoseconds that they took, how many of them took long, how many more had no
    // answer, and the most calls in hand.
    private var count: Int64 = 0
    private var total: Int64 = 0
    private var long: Int64 = 0
    private var unanswered: Int64 = 0
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
        ended(at: now, inFlight: inFlight)
    }

    /// A client's call was refused because the server has too many: what it has in hand of ours, `inFlight`, is enough.
    package mutating func wasRefused(at now: MonotonicTime, inFlight: Int) {
        limit = max(min(Self.floor, maximum), min(limit, inFlight))
        wasNotAnswered(at: now, inFlight: inFlight)
    }

    /// A client's call had no answer when its time was over.
    package mutating func wasNotAnswered(at now: MonotonicTime, inFlight: Int) {
        unanswered += 1
        ended(at: now, inFlight: inFlight)
    }

    private mutating func ended(at now: MonotonicTime, inFlight: Int) {
        guard let windowEnd else {
            windowEnd = now.advanced(nanoseconds: Self.leastWindowNanoseconds)
            return
        }
        guard windowEnd <= now else { return }
        let mean = count > 0 ? total / count : 0
        adjust(mean)
        self.windowEnd = now.advanced(nanoseconds: max(Self.leastWindowNanoseconds, mean))
        (count, total, long, unanswered, peak) = (0, 0, 0, 0, inFlight)
    }

    private mutating func adjust(_ mean: Int64) {
        let floor = min(Self.floor, maximum)
        if count > 0 { unqueued = peak <= floor ? mean : min(unqueued, mean) }
        if (long + unanswered) * 2 > count + unanswered {
            limit = max(floor, min(limit, peak) * 3 / 4)
        } else if peak >= limit {
            limit = min(maximum, limit + limit / 4 + 1)
        }
    }
}
