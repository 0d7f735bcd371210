import CZeroMQ
import Logging
import RPC

/// Reads what ZeroMQ tells about the connections of a socket, and writes it to the log with its cause. Advisory:
/// nothing is correct only because an event came.
final class SocketMonitor {
    enum Event {
        case connected
        case disconnected
        case other
    }

    let socket: ZeroMQSocket
    private let frame = ZeroMQFrame()
    private let logger: Logger

    init(_ watched: ZeroMQSocket, in context: ZeroMQContext, logger: Logger) throws(RPCError) {
        socket = try watched.startMonitor(in: context)
        self.logger = logger
    }

    /// The next event, or `nil` when there is none.
    func next() -> Event? {
        guard socket.receive(into: frame) else { return nil }
        // The first frame is the event's number and value, the second the address it concerns.
        guard frame.bytes.count >= 6 else {
            _ = socket.drainFrames(after: frame)
            return .other
        }
        let number = Int32(frame.bytes.loadUnaligned(as: UInt16.self))
        let value = frame.bytes.loadUnaligned(fromByteOffset: 2, as: UInt32.self)
        var address = ""
        if frame.hasMore, socket.receive(into: frame) {
            address = String(decoding: frame.bytes, as: UTF8.self)
            _ = socket.drainFrames(after: frame)
        }
        return told(number, value, address)
    }

    private func told(_ number: Int32, _ value: UInt32, _ address: String) -> Event {
        switch number {
        case ZMQ_EVENT_CONNECTED, ZMQ_EVENT_ACCEPTED:
            log(.debug, number == ZMQ_EVENT_CONNECTED ? "connected" : "accepted", address)
            return number == ZMQ_EVENT_CONNECTED ? .connected : .other
        case ZMQ_EVENT_DISCONNECTED:
            log(.debug, "disconnected", address, "the peer closed, stopped answering, or broke a limit")
            return .disconnected
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: log(.debug, "handshake succeeded", address)
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            log(.notice, "handshake failed", address, "the peer closed during it; \(errorText(value))")
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
            log(.notice, "handshake failed", address, "the peer does not speak ZMTP as we do, code \(value)")
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            log(.notice, "handshake failed", address, "the peer's identity was refused, code \(value)")
        case ZMQ_EVENT_ACCEPT_FAILED: log(.error, "accept failed", address, errorText(value))
        case ZMQ_EVENT_BIND_FAILED: log(.error, "bind failed", address, errorText(value))
        case ZMQ_EVENT_LISTENING: log(.debug, "listening", address)
        case ZMQ_EVENT_CONNECT_RETRIED: log(.trace, "connecting again", address, "in \(value) ms")
        default: break
        }
        return .other
    }

    private func errorText(_ code: UInt32) -> String {
        zmq_strerror(Int32(truncatingIfNeeded: code)).map { String(cString: $0) } ?? "unknown cause"
    }

    private func log(_ level: Logger.Level, _ event: String, _ address: String, _ cause: String = "") {
        var metadata: Logger.Metadata = [LogKey.event: "\(event)", LogKey.endpoint: "\(address)"]
        if !cause.isEmpty { metadata[LogKey.cause] = "\(cause)" }
        logger.log(level: level, "connection event", metadata: metadata)
    }
}
