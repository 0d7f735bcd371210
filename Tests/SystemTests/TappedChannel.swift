import BillingTestKit
import RPC
import Synchronization

/// What a test does around calls of some methods, once each.
final class Taps: Sendable {
    typealias Hook = @Sendable () async throws(RPCError) -> Void

    private struct Hooks {
        var before: [UInt32: Hook] = [:]
        var after: [UInt32: Hook] = [:]
    }

    private let hooks = Mutex(Hooks())

    func before<Request, Reply>(_ method: Method<Request, Reply>, _ hook: @escaping Hook) {
        hooks.withLock { $0.before[method.descriptor.id] = hook }
    }

    /// - Parameter hook: comes when the call was carried out or refused; what it throws is thrown in the place of the reply.
    func after<Request, Reply>(_ method: Method<Request, Reply>, _ hook: @escaping Hook) {
        hooks.withLock { $0.after[method.descriptor.id] = hook }
    }

    fileprivate func takeBefore(_ id: UInt32) -> Hook? { hooks.withLock { $0.before.removeValue(forKey: id) } }
    fileprivate func takeAfter(_ id: UInt32) -> Hook? { hooks.withLock { $0.after.removeValue(forKey: id) } }
}

/// A way to a service, with taps on it.
struct TappedChannel: Channel {
    let inner: RouterChannel
    let taps: Taps

    func call<Request, Reply>(
        _ method: Method<Request, Reply>, _ request: Request, _ options: CallOptions
    ) async throws(RPCError) -> Response<Reply> {
        try await taps.takeBefore(method.descriptor.id)?()
        let outcome: Result<Response<Reply>, RPCError>
        do {
            outcome = .success(try await inner.call(method, request, options))
        } catch {
            outcome = .failure(error)
        }
        try await taps.takeAfter(method.descriptor.id)?()
        return try outcome.get()
    }
}

/// Opens once.
final class Gate: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func open() { continuation.finish() }
    func wait() async { for await _ in stream {} }
}
