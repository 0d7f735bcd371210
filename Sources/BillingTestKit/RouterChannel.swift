import BillingCore
package import RPC

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
            var buffer = WireBuffer()
            let marks: Router.ReplyMarks
            switch handler {
            case .inline(let answer): marks = try bytes.withUnsafeBytes { try answer($0, context, &buffer) }
            case .waiting(let decode): marks = try await bytes.withUnsafeBytes { try decode($0, context) }()(&buffer)
            }
            let message = try buffer.withUnsafeBytes { bytes throws(RPCError) in
                try Reply(wire: bytes, limits: method.descriptor.limits)
            }
            return Response(message, isReplay: marks.isReplay, effectiveAt: marks.effectiveAt)
        } catch {
            throw RPCError(error, callID: 0)
        }
    }
}
