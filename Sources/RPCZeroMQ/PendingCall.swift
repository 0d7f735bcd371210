import BillingCore
import RPC
import Synchronization

/// A call from its sending to its end. `finish` is called exactly once.
final class PendingCall: @unchecked Sendable {
    // `@unchecked`: made by the caller, then touched by the client's reactor alone; `isCancelled` is atomic.

    enum Phase: Hashable {
        /// In the client's queue, to be sent as soon as the socket and the window allow.
        case queued
        /// Handed to the socket; `wake` is when it is sent again, if that is safe.
        case sent
        /// Refused or lost; `wake` is when it goes into the queue again.
        case pausing
        case finished
    }

    /// Given by the channel's table when the call begins.
    var id: UInt64 = 0
    let method: MethodDescriptor
    let isRetrySafe: Bool
    let deadline: Deadline
    /// A message with the one record of this call.
    var message: WireBuffer
    var phase = Phase.queued
    /// Where it was sent last.
    var link: ClientLink?
    /// Attempts so far.
    var attempt = 0
    var wake = ContinuousClock.Instant.never
    let isCancelled = Atomic<Bool>(false)
    /// Gets the reply's record, which is lent, or why there is none. Set before the call begins.
    var deliver: ((Result<Record, RPCError>) -> Void)?

    init(method: MethodDescriptor, isRetrySafe: Bool, deadline: Deadline, message: consuming WireBuffer) {
        self.method = method
        self.isRetrySafe = isRetrySafe
        self.deadline = deadline
        self.message = message
    }

    var wasSent: Bool { attempt > 0 }

    func finish(_ outcome: Result<Record, RPCError>) {
        precondition(phase != .finished, "call \(id) ends twice")
        phase = .finished
        deliver?(outcome)
        deliver = nil
    }
}
