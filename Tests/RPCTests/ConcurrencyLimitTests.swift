import RPC
import Testing

@Suite("How many calls a server keeps in hand") struct ConcurrencyLimitTests {
    /// A server that takes `service` for each of `width` calls at a time, in order, is offered calls at a steady rate.
    /// Time passes in microseconds of the simulation.
    struct Outcome {
        var answered = 0
        var refused = 0
        var longestMilliseconds: Int64 = 0
        var limit = 0
    }

    static func simulate(
        _ limit: inout ConcurrencyLimit, serviceMicroseconds: Int64, width: Int, offeredPerSecond: Int64,
        from start: Int64 = 0, seconds: Int64
    ) -> Outcome {
        func instant(_ microseconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: microseconds * 1000) }
        var outcome = Outcome()
        var inFlight: [(started: Int64, ends: Int64)] = []
        var free = Array(repeating: start, count: width)
        var next = 0
        for number in 0..<(offeredPerSecond * seconds) {
            let now = start + number * 1_000_000 / offeredPerSecond
            while next < inFlight.count, inFlight[next].ends <= now {
                let call = inFlight[next]
                next += 1
                limit.finished(instant(call.started), at: instant(call.ends), inFlight: inFlight.count - next)
                outcome.answered += 1
                // The first second is for learning.
                if call.started - start > 1_000_000 {
                    outcome.longestMilliseconds = max(
                        outcome.longestMilliseconds, (call.ends - call.started) / 1000)
                }
            }
            guard inFlight.count - next < limit.limit else {
                outcome.refused += 1
                continue
            }
            let worker = number % Int64(width)
            let ends = max(now, free[Int(worker)]) + serviceMicroseconds
            free[Int(worker)] = ends
            inFlight.append((now, ends))
            limit.started(inFlight: inFlight.count - next)
        }
        outcome.limit = limit.limit
        return outcome
    }

    @Test("Below its capacity a server refuses nobody", arguments: [100, 1000, 9000] as [Int64])
    func belowCapacity(rate: Int64) {
        var limit = ConcurrencyLimit(maximum: 16_384)
        let outcome = Self.simulate(
            &limit, serviceMicroseconds: 100, width: 1, offeredPerSecond: rate, seconds: 10)
        #expect(outcome.refused == 0)
    }

    @Test("At twice its capacity it goes on at its full rate, and what it accepts is answered soon")
    func overload() {
        var limit = ConcurrencyLimit(maximum: 16_384)
        let outcome = Self.simulate(
            &limit, serviceMicroseconds: 100, width: 1, offeredPerSecond: 20_000, seconds: 10)
        #expect(outcome.answered > 98_000)
        #expect(outcome.refused > 90_000)
        #expect(outcome.longestMilliseconds < 300)
    }

    @Test("A limit that an overload made small grows again when calls become quicker")
    func recovery() {
        var limit = ConcurrencyLimit(maximum: 16_384)
        let slow = Self.simulate(&limit, serviceMicroseconds: 1000, width: 1, offeredPerSecond: 3000, seconds: 10)
        #expect(slow.limit < 400)
        let quick = Self.simulate(
            &limit, serviceMicroseconds: 20, width: 1, offeredPerSecond: 60_000, from: 20_000_000, seconds: 10)
        #expect(quick.limit > 1000)
    }

    @Test("A refused client keeps what it has in hand and adds nothing; calls without an answer make the limit smaller")
    func refusals() {
        func instant(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }
        var limit = ConcurrencyLimit(maximum: 1024)
        limit.wasRefused(at: instant(0), inFlight: 300)
        #expect(limit.limit == 300)
        limit.wasRefused(at: instant(1), inFlight: 10)
        #expect(limit.limit == 64)
        var other = ConcurrencyLimit(maximum: 1024)
        other.started(inFlight: 1024)
        for millisecond in 0...100 { other.wasNotAnswered(at: instant(Int64(millisecond)), inFlight: 1000) }
        #expect(other.limit == 768)
    }

    @Test("Calls that take long by themselves are not taken for a queue")
    func slowByItself() {
        var limit = ConcurrencyLimit(maximum: 16_384)
        // 500 at a time, each 400 ms: 1,250 a second is its capacity.
        let outcome = Self.simulate(
            &limit, serviceMicroseconds: 400_000, width: 500, offeredPerSecond: 1200, seconds: 30)
        #expect(outcome.refused < 36_000 / 5)
    }

    @Test("A few long calls among short ones change nothing, and few calls are never limited")
    func fewCalls() {
        var limit = ConcurrencyLimit(maximum: 16_384)
        let before = limit.limit
        _ = Self.simulate(&limit, serviceMicroseconds: 30_000_000, width: 50, offeredPerSecond: 1, seconds: 600)
        #expect(limit.limit >= 64)
        #expect(limit.limit <= before)
        var small = ConcurrencyLimit(maximum: 3)
        _ = Self.simulate(&small, serviceMicroseconds: 1_000_000, width: 1, offeredPerSecond: 10, seconds: 60)
        #expect(small.limit == 3)
    }
}
