import BillingCore
import Synchronization

/// Reaches a service in the same process.
public final class InProcessChannel: Channel {
    private let server: InProcessServer
    private let peer = InProcessServer.Peer()
    private let policy: RetryPolicy
    private let random: Mutex<any RandomNumberGenerator & Sendable>
    private let nextCallID: Atomic<UInt64>
    private let watch = DeadlineWatch()

    /// - Parameter random: where jitter and the first call id come from.
    public init(
        _ server: InProcessServer, policy: RetryPolicy = RetryPolicy(),
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        var random = random
        self.server = server
        self.policy = policy
        nextCallID = Atomic(random.next())
        self.random = Mutex(random)
    }

    /// A channel to a server of its own.
    public convenience init(router: Router) { self.init(InProcessServer(router: router)) }

    public func call<Request, Reply>(
        _ method: Method<Request, Reply>, _ request: Request, _ options: CallOptions
    ) async throws(RPCError) -> Response<Reply> {
        let callID = nextCallID.wrappingAdd(1, ordering: .relaxed).oldValue
        var message = try WireBuffer.calling(method, request, options)
        let isRetrySafe = method.descriptor.isRetrySafe(hasKey: options.key != nil)
        var attempt = 1
        while true {
            guard let budget = options.deadline.budget(at: .now) else { throw .notSentInTime(method.descriptor) }
            message.setBudget(milliseconds: budget, callID: callID, ofRecordAt: 0)
            let outcome: Result<Response<Reply>, RPCError> = await send(
                message.withUnsafeBytes { Array($0) }, callID, method, options.deadline)
            switch outcome {
            case .success(let response): return response
            case .failure(let error):
                let pause = random.withLock {
                    policy.pause(afterRefusal: error, attempt: attempt, isRetrySafe: isRetrySafe, using: &$0)
                }
                guard let pause, !Task.isCancelled else { throw error }
                guard MonotonicTime.now.advanced(nanoseconds: pause) < options.deadline.instant else { throw error }
                do { try await Task.sleep(for: .nanoseconds(pause)) } catch {
                    throw .cancelled(method.descriptor)
                }
                attempt += 1
            }
        }
    }

    private func send<Request, Reply>(
        _ message: [UInt8], _ callID: UInt64, _ method: Method<Request, Reply>, _ deadline: Deadline
    ) async -> Result<Response<Reply>, RPCError> {
        let slot = Slot<Result<Response<Reply>, RPCError>>()
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                message.withUnsafeBytes { bytes in
                    server.receive(bytes, from: peer) { slot.fill(Self.read($0, method)) }
                }
                if !slot.isFilled {
                    watch.add(callID, deadline) { slot.fill(.failure(.deadlineExceeded(method.descriptor))) }
                }
                slot.wait(continuation)
            }
        } onCancel: {
            slot.fill(.failure(.cancelled(method.descriptor)))
        }
        watch.remove(callID)
        return outcome
    }

    private static func read<Request, Reply>(
        _ message: [UInt8], _ method: Method<Request, Reply>
    ) -> Result<Response<Reply>, RPCError> {
        message.withUnsafeBytes { bytes in
            var reader = RecordReader(bytes)
            let record: Record?
            do throws(RecordFault) { record = try reader.next() } catch { return .failure(error.rpcError) }
            guard let record else { preconditionFailure("an answer without a record") }
            return Result { () throws(RPCError) in try Response(record, limits: method.descriptor.limits) }
        }
    }
}

/// Holds a value that one party waits for; the first one put in counts.
private final class Slot<Value: Sendable>: Sendable {
    private enum State {
        case empty
        case waited(CheckedContinuation<Value, Never>)
        case filled(Value)
        case taken
    }

    private let state = Mutex(State.empty)

    var isFilled: Bool {
        state.withLock {
            switch $0 {
            case .empty, .waited: false
            case .filled, .taken: true
            }
        }
    }

    func fill(_ value: Value) {
        let waiting = state.withLock { state -> CheckedContinuation<Value, Never>? in
            switch state {
            case .empty:
                state = .filled(value)
                return nil
            case .waited(let continuation):
                state = .taken
                return continuation
            case .filled, .taken:
                return nil
            }
        }
        waiting?.resume(returning: value)
    }

    func wait(_ continuation: CheckedContinuation<Value, Never>) {
        let value = state.withLock { state -> Value? in
            switch state {
            case .empty:
                state = .waited(continuation)
                return nil
            case .filled(let value):
                state = .taken
                return value
            case .waited, .taken:
                preconditionFailure("a slot is waited for once")
            }
        }
        if let value { continuation.resume(returning: value) }
    }
}
