import BillingCore
import RPC

/// Calls a router's handlers in this task, through the codec both ways.
struct LoopbackChannel: Channel {
    let router: Router

    func call<Request, Reply>(
        _ method: Method<Request, Reply>, _ request: Request, _ options: CallOptions
    ) async throws(RPCError) -> Response<Reply> {
        do {
            let context = CallContext(
                method: method.descriptor, caller: .local, account: options.account, key: options.key,
                effectiveAt: options.effectiveAt, epoch: options.epoch, traceID: options.traceID,
                deadline: options.deadline)
            guard let handler = router.handlers[method.descriptor.id]?.handler else {
                throw RPCError(.unimplemented, "call.unknown_method", method.descriptor.name)
            }
            let response = try await answer(handler, request, context)
            let message = try Reply(wire: response.message.encoded(), limits: method.descriptor.limits)
            return Response(message, isReplay: response.isReplay, effectiveAt: response.effectiveAt)
        } catch {
            throw RPCError(error, callID: 0)
        }
    }

    private func answer(
        _ handler: Router.Handler, _ request: some WireMessage, _ context: CallContext
    ) async throws -> Router.ErasedResponse {
        let bytes = request.encoded()
        switch handler {
        case .inline(let answer): return try bytes.withUnsafeBytes { try answer($0, context) }
        case .waiting(let decode): return try await bytes.withUnsafeBytes { try decode($0, context) }()
        }
    }
}
