import BillingCore
public import RPC
import Synchronization

/// A call from its sending to its end. `finish` is called exactly once.
@usableFromInline
final class PendingCall: @unchecked Sendable {
    // `@unchecked`: made by the caller, then touched by the client's reactor alone; `isCancelled` is atomic.

    enum Phase: Hashable {
        /// In the client's queue, to be sent as soon as the socket and the window allow.
        case queued
        /// Handed to the socket; `wake` is when to look whether it was lost.
        case sent
        /// Refused or lost; `wake` is when it goes into the queue again.
        case pausing
        case finished
    }

    /// Given by the channel's table when the call begins.
    @exclusivity(unchecked) var id: UInt64 = 0
    @usableFromInline let method: MethodDescriptor
    /// When it came into the channel's queue, and behind how many others.
    @exclusivity(unchecked) var queuedAt = MonotonicTime.never
    @exclusivity(unchecked) var queuedBehind = 0
    let isRetrySafe: Bool
    let deadline: Deadline
    /// A message with the one record of this call.
    @exclusivity(unchecked) var message: WireBuffer
    @exclusivity(unchecked) var phase = Phase.queued
    /// The link that it was sent over last; `0` before.
    @exclusivity(unchecked) var linkID = 0
    /// Whether it counts as outstanding there. One that is to be sent again keeps its place until it goes elsewhere.
    @exclusivity(unchecked) var holdsPlace = false
    @exclusivity(unchecked) var sentAt = MonotonicTime.never
    /// Attempts so far.
    @exclusivity(unchecked) var attempt = 0
    @exclusivity(unchecked) var wake = MonotonicTime.never
    let isCancelled = Atomic<Bool>(false)

    /// Gets the reply's record, which is lent, or why there is none. Set before the call begins.
    @exclusivity(unchecked) @usableFromInline var deliver: ((Result<Record, RPCError>) -> Void)?

    @usableFromInline
    init(_ method: MethodDescriptor, hasKey: Bool, _ deadline: Deadline, _ message: consuming WireBuffer) {
        self.method = method
        isRetrySafe = method.isRetrySafe(hasKey: hasKey)
        self.deadline = deadline
        self.message = message
    }

    var wasSent: Bool { attempt > 0 }

    /// Takes back that it was handed to a socket, which did not take it.
    func wasNotSent() {
        attempt -= 1
        phase = .queued
    }

    @usableFromInline
    func finish(_ outcome: Result<Record, RPCError>) {
        precondition(phase != .finished, "call \(id) ends twice")
        phase = .finished
        if let deliver = deliver.take() { deliver(outcome) }
    }
}

extension Result where Failure == RPCError {
    /// Reads the record of a reply, which is lent.
    @inlinable
    init<Message>(reading outcome: Result<Record, RPCError>, _ limits: WireLimits)
    where Success == Response<Message> {
        switch outcome {
        case .success(let record):
            do throws(RPCError) { self = .success(try Response(record, limits: limits)) } catch {
                self = .failure(error)
            }
        case .failure(let error): self = .failure(error)
        }
    }
}
