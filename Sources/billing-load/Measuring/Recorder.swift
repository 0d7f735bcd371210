import RPC
import Synchronization

/// A call that was made, or could not be. Its instants are nanoseconds from the start of the run.
struct EndedCall: Sendable {
    let outcome: Result<Int, RPCError>
    /// Index into the scenario's operations; `nil` for a call that was not sent.
    let operation: Int?
    /// When it was due.
    let intended: Int64
    /// When there was something free that it could be about; as late as `intended` if it had to wait for that.
    let ready: Int64
    let sent: Int64
    let ended: Int64
}

/// Where one worker notes its calls. Its own mutex is free but once a second, when the samples of all workers are summed.
final class Recorder: Sendable {
    private let operations: Int
    private let measured: Range<Int64>
    private let sample: Mutex<Sample>

    /// - Parameter measured: the time that is measured.
    init(operations: Int, measured: Range<Int64>) {
        self.operations = operations
        self.measured = measured
        sample = Mutex(Sample(operations: operations))
    }

    func record(_ call: EndedCall) {
        let isInTime = measured.contains(call.ended)
        let isMeasured = call.intended >= measured.lowerBound
        sample.withLock { $0.record(call, isInTime: isInTime, isMeasured: isMeasured) }
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
