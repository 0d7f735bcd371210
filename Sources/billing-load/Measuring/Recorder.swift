import RPC
import Synchronization

/// Where one worker notes its calls. Its own mutex is free but once a second, when the samples of all workers are summed.
final class Recorder: Sendable {
    private let operations: Int
    private let sample: Mutex<Sample>

    init(operations: Int) {
        self.operations = operations
        sample = Mutex(Sample(operations: operations))
    }

    /// Notes the end of a call.
    /// - Parameters:
    ///   - latency: from the intended instant to the end.
    ///   - lag: from the intended instant to the sending.
    func record(_ outcome: Result<Int, RPCError>, operation: Int, latency: Int64, lag: Int64, isMeasured: Bool) {
        sample.withLock { sample in
            guard isMeasured else { return sample.warmUp.record(outcome, nanoseconds: latency) }
            sample.operations[operation].record(outcome, nanoseconds: latency)
            sample.lag.record(nanoseconds: lag)
        }
    }

    /// What was noted since the last time.
    func take() -> Sample {
        let empty = Sample(operations: operations)
        return sample.withLock { sample in
            defer { sample = empty }
            return sample
        }
    }
}
