import BillingCore
import RPC
import RPCZeroMQ
import Synchronization

/// Sends the calls of one reactor. It runs on the reactor, as its calls do, so a call never changes threads.
struct Worker: Sendable {
    let scenario: any Scenario
    let channels: [ZeroMQChannel]
    let recorder: Recorder
    let clock: RunClock
    /// Of the run's first call.
    let firstNumber: Int
    /// Set when the run is to end early.
    let stop: Stop

    /// So many calls may be begun in one go before the reactor gets to send and receive.
    private static let burst = 64
    /// The shortest sleep. What falls due within it goes together, which saves the generator a wake-up a call; its
    /// share in latencies is told as lag.
    private static let quantum = Duration.microseconds(100)
    /// The longest sleep, after which it looks whether the run is to stop.
    private static let patience = Duration.milliseconds(100)
    /// So many calls of each connection may be under way; the channel itself takes no more.
    static let mostUnderWay = 65_536

    /// Sends each call when it is due, and returns when all have ended. One that finds nothing free that it could be about
    /// waits, and those after it, as long as a call may take; its latency goes on from when it was due.
    func openLoop(_ share: ScheduleShare, on reactor: Reactor) async {
        let underWay = UnderWay()
        await withDiscardingTaskGroup { group in
            var share = share
            var begun = 0
            var burst = 0
            // When calls last had waited for something to be about, and went on.
            var freeSince: Int64 = 0
            while let (number, offset) = share.next(), offset < clock.load.duration.nanoseconds {
                while clock.offset < offset, !stop.isSet {
                    burst = 0
                    await sleep(until: clock.instant(offset))
                }
                guard !stop.isSet else { return }
                burst += 1
                if burst % Self.burst == 0 { await Task.yield() }
                guard underWay.count < Self.mostUnderWay * channels.count else {
                    recordUnsent(.tooManyUnderWay, intended: offset, ready: offset)
                    continue
                }
                var call = plan(number)
                if call == nil {
                    call = await planWhenFree(number, until: offset + clock.load.timeout.nanoseconds)
                    freeSince = clock.offset
                }
                let ready = max(offset, freeSince)
                guard let call else {
                    if !stop.isSet { recordUnsent(.allInUse, intended: offset, ready: ready) }
                    continue
                }
                let channel = channels[begun % channels.count]
                begun += 1
                underWay.add(1)
                group.addTask(executorPreference: reactor) {
                    await send(call, intended: offset, ready: ready, on: channel)
                    underWay.add(-1)
                }
            }
        }
    }

    /// Keeps so many calls of each connection under way until the time is over.
    /// - Parameter next: gives the numbers of calls, to all workers.
    func closedLoop(outstanding: Int, _ next: CallCounter, on reactor: Reactor) async {
        await clock.sleep(until: 0, orUntil: stop)
        let end = clock.load.duration.nanoseconds
        await withDiscardingTaskGroup { group in
            for channel in channels {
                for _ in 0..<outstanding {
                    group.addTask(executorPreference: reactor) {
                        while !stop.isSet, clock.offset < end {
                            guard let call = await planWhenFree(next.take(), until: end) else { return }
                            let now = clock.offset
                            await send(call, intended: now, ready: now, on: channel)
                        }
                    }
                }
            }
        }
    }

    private func sleep(until instant: ContinuousClock.Instant) async {
        let now = ContinuousClock.now
        let wake = min(max(instant, now.advanced(by: Self.quantum)), now.advanced(by: Self.patience))
        // Only a cancelled task is woken early, and then the loop looks at the clock again.
        try? await Task.sleep(until: wake, tolerance: .zero, clock: .continuous)
    }

    private func plan(_ number: Int) -> PlannedCall? {
        let number = firstNumber + number
        var random = SeededGenerator(seed: clock.load.seed ^ UInt64(number) &* 0x9e37_79b9_7f4a_7c15)
        return scenario.plan(number, &random)
    }

    /// Looks again and again, giving way to the calls that it waits for; `nil` at the instant `end`, or if the run is to
    /// stop.
    private func planWhenFree(_ number: Int, until end: Int64) async -> PlannedCall? {
        while !stop.isSet {
            if let call = plan(number) { return call }
            guard clock.offset < end else { return nil }
            await sleep(until: clock.instant(min(end, clock.offset + 500_000)))
        }
        return nil
    }

    private func send(_ call: PlannedCall, intended: Int64, ready: Int64, on channel: ZeroMQChannel) async {
        let sent = clock.offset
        let outcome: Result<Int, RPCError>
        do throws(RPCError) { outcome = .success(try await call.send(channel)) } catch { outcome = .failure(error) }
        recorder.record(
            EndedCall(
                outcome: outcome, operation: call.operation, intended: intended, ready: ready, sent: sent,
                ended: clock.offset))
    }

    private func recordUnsent(_ error: RPCError, intended: Int64, ready: Int64) {
        let now = clock.offset
        recorder.record(
            EndedCall(
                outcome: .failure(error), operation: nil, intended: intended, ready: ready, sent: now, ended: now))
    }
}

extension RPCError {
    /// Of a call that waited in vain for something that it could be about.
    fileprivate static let allInUse = RPCError(
        .deadlineExceeded, "load.all_in_use", "All that the call could be about had calls under way for too long.")
    /// Of a call that was not sent; the service has no say in it.
    fileprivate static let tooManyUnderWay = RPCError(
        .resourceExhausted, "load.too_many_under_way", "As many calls are under way as the connections take.")
}

/// Calls that are under way.
private final class UnderWay: Sendable {
    private let calls = Atomic(0)
    var count: Int { calls.load(ordering: .relaxed) }
    func add(_ difference: Int) { calls.wrappingAdd(difference, ordering: .relaxed) }
}

/// The numbers of calls, each given once.
final class CallCounter: Sendable {
    private let next = Atomic(0)
    func take() -> Int { next.wrappingAdd(1, ordering: .relaxed).oldValue }
}

/// Ends a run early.
final class Stop: Sendable {
    private let flag = Atomic(false)
    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
}
