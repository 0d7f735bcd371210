import BillingCore
public import RPC
import Synchronization

/// A call from its sending to its end. `finish` is called exactly once. What becomes of the reply is a subclass's
/// business; those and what they use are inlinable, so that programs compile them for their own messages.
@usableFromInline
class PendingCall: @unchecked Sendable {
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
    @usableFromInline let method: MethodDescriptor
    let isRetrySafe: Bool
    let deadline: Deadline
    /// A message with the one record of this call.
    var message: WireBuffer
    var phase = Phase.queued
    /// Where it was sent last.
    var link: ClientLink?
    /// Attempts so far.
    var attempt = 0
    var wake = MonotonicTime.never
    let isCancelled = Atomic<Bool>(false)

    @usableFromInline
    init(_ method: MethodDescriptor, _ options: CallOptions, _ message: consuming WireBuffer) {
        self.method = method
        isRetrySafe = method.isRetrySafe(hasKey: options.key != nil)
        deadline = options.deadline
        self.message = message
    }

    var wasSent: Bool { attempt > 0 }

    func finish(_ outcome: Result<Record, RPCError>) {
        precondition(phase != .finished, "call \(id) ends twice")
        phase = .finished
        deliver(outcome)
    }

    /// Gets the reply's record, which is lent, or why there is none.
    @usableFromInline
    func deliver(_ outcome: Result<Record, RPCError>) { preconditionFailure("a subclass delivers") }
}

/// A call that a task waits for.
@usableFromInline
final class AwaitedCall<Message: WireMessage>: PendingCall, @unchecked Sendable {
    @usableFromInline typealias Outcome = Result<Response<Message>, RPCError>

    /// Set before the call begins.
    @usableFromInline var continuation: UnsafeContinuation<Outcome, Never>?

    @inlinable
    override init(_ method: MethodDescriptor, _ options: CallOptions, _ message: consuming WireBuffer) {
        super.init(method, options, message)
    }

    @inlinable
    override func deliver(_ outcome: Result<Record, RPCError>) {
        continuation?.resume(returning: Outcome(reading: outcome, method.limits))
    }
}

/// A call with a function that gets its outcome.
@usableFromInline
final class CallbackCall<Message: WireMessage>: PendingCall, @unchecked Sendable {
    @usableFromInline typealias Completion = @Sendable (Result<Response<Message>, RPCError>) -> Void

    @usableFromInline let completion: Completion

    @inlinable
    init(
        _ method: MethodDescriptor, _ options: CallOptions, _ message: consuming WireBuffer,
        _ completion: @escaping Completion
    ) {
        self.completion = completion
        super.init(method, options, message)
    }

    @inlinable
    override func deliver(_ outcome: Result<Record, RPCError>) {
        completion(Result(reading: outcome, method.limits))
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
