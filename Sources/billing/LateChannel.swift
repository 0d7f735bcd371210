import BillingCore
import RPC
import Synchronization

/// Opens the way to the gateway when the first call is made, so that a command that makes no sense says so first.
final class LateChannel: Channel {
    private let open: @Sendable () async throws -> any Channel
    private let opened = Mutex<(any Channel)?>(nil)

    init(_ open: @escaping @Sendable () async throws -> any Channel) { self.open = open }

    func call<Request, Reply>(
        _ method: Method<Request, Reply>, _ request: Request, _ options: CallOptions
    ) async throws(RPCError) -> Response<Reply> {
        try await channel().call(method, request, options)
    }

    private func channel() async throws(RPCError) -> any Channel {
        if let channel = opened.withLock({ $0 }) { return channel }
        do {
            let channel = try await open()
            opened.withLock { $0 = channel }
            return channel
        } catch let error as RPCError {
            throw error
        } catch {
            throw RPCError(.unavailable, "call.unreachable", "\(error)")
        }
    }
}
