import BillingCore
package import RPC
import Synchronization

/// Calls the handlers of a router in the caller's task, through the encoding of every message.
package struct RouterChannel: Channel {
    private let router: Router

    package init(router: Router) { self.router = router }

    package func call<Request, Reply>(
        _ method: Method<Request, Reply>, _ request: Request, _ options: CallOptions
    ) async throws(RPCError) -> Response<Reply> {
        do {
            guard let handler = router.handlers[method.descriptor.id]?.handler else {
                throw RPCError(.unimplemented, "call.unknown_method", method.descriptor.name)
            }
            let context = CallContext(
                method: method.descriptor, caller: .local, account: options.account, key: options.key,
                effectiveAt: options.effectiveAt, epoch: options.epoch, traceID: options.traceID,
                deadline: options.deadline)
            let bytes = request.encoded()
            let port = Port()
            switch handler {
            case .inline(let answer):
                port.keep { buffer in try bytes.withUnsafeBytes { try answer($0, context, &buffer) } }
            case .waiting(let decode): try await bytes.withUnsafeBytes { try decode($0, context) }(port)
            }
            let (reply, marks) = try port.taken()
            return Response(
                try Reply(wire: reply, limits: method.descriptor.limits), isReplay: marks.isReplay,
                effectiveAt: marks.effectiveAt)
        } catch {
            throw RPCError(error, callID: 0)
        }
    }
}

/// Keeps an answer until it is taken.
private final class Port: ReplyPort {
    private let outcome = Mutex<Result<([UInt8], Router.ReplyMarks), any Error>?>(nil)

    func answer(packing pack: (inout WireBuffer) -> Router.ReplyMarks) { keep(packing: pack) }

    func fail(_ error: any Error) { outcome.withLock { $0 = .failure(error) } }

    func keep(packing pack: (inout WireBuffer) throws -> Router.ReplyMarks) {
        var buffer = WireBuffer()
        do {
            let marks = try pack(&buffer)
            let bytes = buffer.withUnsafeBytes { Array($0) }
            outcome.withLock { $0 = .success((bytes, marks)) }
        } catch { fail(error) }
    }

    func taken() throws -> ([UInt8], Router.ReplyMarks) {
        guard let outcome = outcome.withLock({ $0 }) else { preconditionFailure("a handler without an answer") }
        return try outcome.get()
    }
}
