/// The processor time of a run, from the end of the warm-up until the last call was sent.
struct ProcessorUsage: Hashable, Sendable, Codable {
    let generator: ProcessorTime.Share
    /// `nil` when the service's process was not found.
    let server: ProcessorTime.Share?
    /// Of all cores together, 0 to 1.
    let machine: Double

    /// - Parameter isDone: set when the run ends, which may be before its time.
    static func measure(_ clock: RunClock, _ server: Int32?, until isDone: Stop) async -> ProcessorUsage {
        await clock.sleep(until: clock.load.warmUp.nanoseconds, orUntil: isDone)
        let first = Look(server)
        await clock.sleep(until: clock.load.sendingEnd.nanoseconds, orUntil: isDone)
        let last = Look(server)
        let busy = last.machine.busy - first.machine.busy
        let all = busy + last.machine.idle - first.machine.idle
        return ProcessorUsage(
            generator: last.own.share(since: first.own),
            server: last.server.flatMap { now in first.server.map { now.share(since: $0) } },
            machine: all > 0 ? busy / all : 0)
    }

    private struct Look {
        let own = ProcessorTime.own()
        let server: ProcessorTime?
        let machine = ProcessFiles.machine()

        init(_ process: Int32?) { server = process.flatMap { .of(process: $0) } }
    }
}
