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

    /// Sends each call when it is due, and returns when all have ended.
    func openLoop(_ share: ScheduleShare, on reactor: Reactor) async {
        await withDiscardingTaskGroup { group in
            var share = share
            var begun = 0
            var burst = 0
            while let (number, offset) = share.next(), offset < clock.load.duration.nanoseconds {
                while clock.offset < offset, !stop.isSet {
                    burst = 0
                    await sleep(until: clock.instant(offset))
                }
                guard !stop.isSet else { return }
                burst += 1
                if burst % Self.burst == 0 { await Task.yield() }
                let channel = channels[begun % channels.count]
                begun += 1
                group.addTask(executorPreference: reactor) { await send(number, intended: offset, on: channel) }
            }
        }
    }

    /// Keeps so many calls of each connection under way until the time is over.
    /// - Parameter next: gives the numbers of calls, to all workers.
    func closedLoop(outstanding: Int, _ next: CallCounter, on reactor: Reactor) async {
        await clock.sleep(until: 0, orUntil: stop)
        await withDiscardingTaskGroup { group in
            for channel in channels {
                for _ in 0..<outstanding {
                    group.addTask(executorPreference: reactor) {
                        while !stop.isSet, case let now = clock.offset, now < clock.load.duration.nanoseconds {
                            await send(next.take(), intended: now, on: channel)
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

    private func send(_ number: Int, intended: Int64, on channel: ZeroMQChannel) async {
        let number = firstNumber + number
        var random = SeededGenerator(seed: clock.load.seed ^ UInt64(number) &* 0x9e37_79b9_7f4a_7c15)
        let call = scenario.plan(number, &random)
        let lag = clock.offset - intended
        let outcome: Result<Int, RPCError>
        do throws(RPCError) { outcome = .success(try await call.send(channel)) } catch { outcome = .failure(error) }
        recorder.record(
            outcome, operation: call.operation, latency: clock.offset - intended, lag: lag,
            isMeasured: clock.isMeasured(intended))
    }
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
