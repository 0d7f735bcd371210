/// How many calls whose handlers wait a server keeps in hand, learnt from how long they take. Above its capacity a server
/// that accepts everything answers everything too late; one that accepts what it can answer soon keeps answering at its
/// full rate, and tells the others at once to come back.
///
/// Every tenth of a second it looks at the *shortest* time that a finished call took: if even that one waited long, there
/// is a standing queue, and the limit shrinks; if not, and the limit was reached, it grows. What "long" means is three
/// times what a call takes while there is no queue, and a tenth of a second at least. A value; time is an argument.
package struct ConcurrencyLimit {
    /// Below so many calls it never shrinks: their waiting is their own.
    private static let floor = 64
    private static let firstLimit = 1024
    private static let window = Duration.milliseconds(100)
    private static let leastPatience = Duration.milliseconds(100)

    package private(set) var limit: Int
    private let maximum: Int
    private var windowEnd: ContinuousClock.Instant?
    /// In this window: the shortest time that a call took, and the most calls in hand.
    private var shortest: Duration?
    private var peak = 0
    /// What a call takes without a queue, as far as is known.
    private var unqueued = Duration.zero

    package init(maximum: Int) {
        self.maximum = maximum
        limit = min(Self.firstLimit, maximum)
    }

    /// A call was started; `inFlight` counts it.
    package mutating func started(inFlight: Int) { peak = max(peak, inFlight) }

    /// A call that was started at `start` has its answer; `inFlight` are left.
    package mutating func finished(_ start: ContinuousClock.Instant, at now: ContinuousClock.Instant, inFlight: Int) {
        let took = start.duration(to: now)
        shortest = min(shortest ?? took, took)
        guard let windowEnd else {
            windowEnd = now.advanced(by: Self.window)
            return
        }
        guard windowEnd <= now else { return }
        if let shortest { adjust(shortest) }
        self.windowEnd = now.advanced(by: Self.window)
        shortest = nil
        peak = inFlight
    }

    private mutating func adjust(_ shortest: Duration) {
        let floor = min(Self.floor, maximum)
        if peak <= limit / 2 || limit == floor { unqueued = shortest } else { unqueued = min(unqueued, shortest) }
        if shortest > max(Self.leastPatience, unqueued * 3) {
            limit = max(floor, min(limit, peak) * 3 / 4)
        } else if peak >= limit {
            limit = min(maximum, limit + limit / 4 + 1)
        }
    }
}
