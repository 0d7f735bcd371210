import RPC
import RPCZeroMQ

/// How a scenario makes its data, before anything is measured.
struct Preparation: Sendable {
    let connections: Connections
    let maker: CallMaker
    let console: Console
    let stop: Stop

    /// So many calls are under way at once.
    private static let outstanding = 256

    /// The run was ended while its data were made.
    struct Stopped: Error, CustomStringConvertible {
        var description: String { "stopped before anything was measured" }
    }

    /// Runs `work` for each number below `count`, many at once.
    /// - Parameters:
    ///   - what: what is made, for the progress bar: "accounts".
    ///   - more: what comes with them, told at the end: "100 groups".
    /// - Throws: the first error, or `Stopped`.
    func each(
        _ count: Int, _ what: String, with more: String? = nil,
        _ work: @escaping @Sendable (Int, any Channel) async throws -> Void
    ) async throws {
        let next = CallCounter()
        let done = CallCounter()
        let progress = Progress(console, what, of: count)
        progress.show(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<min(Self.outstanding, count) {
                group.addTask {
                    while !stop.isSet, case let index = next.take(), index < count {
                        try await work(index, connections.patient)
                        progress.show(done.take() + 1)
                    }
                }
            }
            try await group.waitForAll()
        }
        guard !stop.isSet else { throw Stopped() }
        progress.finish(with: more)
    }
}
