import BillingCore
import Gateway
import Synchronization

/// The clocks of a machine, which stand until a test turns them.
final class Machine: TimeSource {
    private let start: Timestamp
    private let elapsed = Mutex<Int64>(0)

    init(_ start: Timestamp) { self.start = start }

    var wall: Timestamp { start.adding(milliseconds: monotonicMilliseconds) }
    var monotonicMilliseconds: Int64 { elapsed.withLock { $0 } }

    func pause(milliseconds: Int64) async { await Task.yield() }

    /// - Precondition: `instant` is not before now.
    func turn(to instant: Timestamp) {
        elapsed.withLock { elapsed in
            precondition(instant - start >= elapsed, "time goes on")
            elapsed = instant - start
        }
    }
}

/// Time between the attempts of a saga, which passes at once and turns no business clock.
final class Patience: TimeSource {
    private let elapsed = Mutex<Int64>(0)

    var wall: Timestamp { Timestamp(milliseconds: monotonicMilliseconds) }
    var monotonicMilliseconds: Int64 { elapsed.withLock { $0 } }

    func pause(milliseconds: Int64) async {
        elapsed.withLock { $0 += milliseconds }
        await Task.yield()
    }
}
