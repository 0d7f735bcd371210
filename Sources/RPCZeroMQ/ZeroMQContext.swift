import BillingCore
import CZeroMQ
import Glibc
import RPC

/// Owns a ZeroMQ context: its I/O thread, and the names of its inproc endpoints. Closed by the reactor that made it,
/// after its sockets.
final class ZeroMQContext {
    private let handle: UnsafeMutableRawPointer

    /// - Throws: `RPCError` "call.no_resources".
    init() throws(RPCError) {
        guard let handle = zmq_ctx_new() else { throw .zeroMQ("create a context") }
        self.handle = handle
    }

    func socket(_ kind: ZeroMQSocket.Kind) throws(RPCError) -> ZeroMQSocket {
        guard let socket = zmq_socket(handle, kind.number) else { throw .zeroMQ("create a socket") }
        return ZeroMQSocket(owning: socket)
    }

    /// Waits for what lingers in the sockets, which all have a bound on that, and frees everything.
    deinit {
        while zmq_ctx_term(handle) != 0, zmq_errno() == EINTR {}
    }
}

extension RPCError {
    /// A failure of the library itself, from its errno.
    static func zeroMQ(_ what: String) -> RPCError {
        let cause = zmq_strerror(zmq_errno()).map { String(cString: $0) } ?? "unknown cause"
        return RPCError(
            .resourceExhausted, "call.no_resources",
            "ZeroMQ cannot \(what): \(cause). A limit on open files or memory may be reached.")
    }
}
