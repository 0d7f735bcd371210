import RPCZeroMQ

/// Loads a service once and measures it.
struct Run: Sendable {
    let scenario: any Scenario
    let connections: Connections
    let load: Load
    /// The service's process, if it is on this machine.
    let server: Int32?
    let stop: Stop
    /// Numbers the calls of all runs over one data set, so that no key and no choice comes twice.
    let firstNumber: Int

    /// - Parameter show: is told of every second.
    func perform(_ show: (Second) -> Void = { _ in }) async -> RunResult {
        let clock = RunClock(start: ContinuousClock.now.advanced(by: .milliseconds(20)), load: load)
        let recorders = connections.reactors.map { _ in
            Recorder(operations: scenario.operations.count, measured: clock.measured)
        }
        let isDone = Stop()
        let before = connections.statistics
        async let ended = work(recorders, clock, isDone)
        async let usage = ProcessorUsage.measure(clock, server, until: isDone)
        var total = Sample(operations: scenario.operations.count)
        var seconds: [Second] = []
        var last: Int64 = 0
        for tick in 1... {
            await clock.sleep(until: Int64(tick) * 1_000_000_000, orUntil: isDone)
            let isLast = isDone.isSet
            var sample = Sample(operations: scenario.operations.count)
            for recorder in recorders { sample.add(recorder.take()) }
            total.add(sample)
            let now = clock.offset
            let second = Second(sample, from: last, to: now, isWarmUp: clock.isWarmUp(now - 500_000_000))
            last = now
            // A rest that is short says little; its calls count in the total.
            if second.length > 0.5 || tick == 1 {
                seconds.append(second)
                show(second)
            }
            if isLast { break }
        }
        let end = await min(ended, clock.measured.upperBound)
        let span = stop.isSet ? max(0, end - clock.measured.lowerBound) : Int64(clock.measured.count)
        return RunResult(
            load: load, measuredSeconds: Double(span) / 1e9, wasStopped: stop.isSet, sample: total,
            total: total.measured, seconds: seconds, usage: await usage,
            statistics: connections.statistics.since(before))
    }

    /// - Returns: when the last call ended.
    private func work(_ recorders: [Recorder], _ clock: RunClock, _ isDone: Stop) async -> Int64 {
        let counter = CallCounter()
        await withDiscardingTaskGroup { group in
            for (index, reactor) in connections.reactors.enumerated() {
                let worker = Worker(
                    scenario: scenario, channels: connections.channels[index], recorder: recorders[index],
                    clock: clock, firstNumber: firstNumber, stop: stop)
                group.addTask(executorPreference: reactor) {
                    switch load.loop {
                    case .open(let arrivals):
                        let share = ScheduleShare(arrivals, worker: index, of: connections.reactors.count)
                        await worker.openLoop(share, on: reactor)
                    case .closed(let outstanding):
                        await worker.closedLoop(outstanding: outstanding, counter, on: reactor)
                    }
                }
            }
        }
        isDone.set()
        return clock.offset
    }
}

extension ClientStatistics {
    fileprivate func since(_ before: ClientStatistics) -> ClientStatistics {
        var difference = ClientStatistics()
        difference.recordsSent = recordsSent - before.recordsSent
        difference.messagesSent = messagesSent - before.messagesSent
        difference.messagesReceived = messagesReceived - before.messagesReceived
        difference.lateReplies = lateReplies - before.lateReplies
        difference.malformed = malformed - before.malformed
        difference.disconnections = disconnections - before.disconnections
        return difference
    }
}
