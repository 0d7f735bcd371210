import BillingCore
import CZeroMQ
import Glibc
import RPC

/// Owns a ZeroMQ socket. Used on one thread for life: that of the reactor which made it.
final class ZeroMQSocket {
    enum Kind {
        case router
        case dealer
        case pair

        var number: Int32 {
            switch self {
            case .router: ZMQ_ROUTER
            case .dealer: ZMQ_DEALER
            case .pair: ZMQ_PAIR
            }
        }
    }

    enum Sending {
        case done
        /// Its queue is full, or nobody is connected.
        case wouldBlock
        /// A router's peer that is gone.
        case unroutable
    }

    @exclusivity(unchecked) private(set) var handle: UnsafeMutableRawPointer?
    /// Readable when the library's other threads have news for the socket: messages, connections, room to send.
    let descriptor: Int32
    /// Whether there may be something to receive. Each call into the library takes in the news that `descriptor` tells
    /// of, so after a send, or a receive that found something, the descriptor may be silent though messages wait. Only a
    /// receive that found nothing, or a look, says that it can be slept on.
    @exclusivity(unchecked) var mayHaveNews = true

    fileprivate init(handle: UnsafeMutableRawPointer) {
        self.handle = handle
        var value: Int32 = -1
        var size = MemoryLayout<Int32>.size
        let status = zmq_getsockopt(handle, ZMQ_FD, &value, &size)
        precondition(status == 0, "ZeroMQ has no descriptor for a socket, which it documents")
        descriptor = value
    }
    convenience init(owning handle: UnsafeMutableRawPointer) { self.init(handle: handle) }

    deinit { close() }

    func close() {
        guard let handle else { return }
        zmq_close(handle)
        self.handle = nil
    }

    func set(_ option: Int32, _ value: Int32) {
        var value = value
        let status = zmq_setsockopt(handle, option, &value, MemoryLayout<Int32>.size)
        precondition(status == 0, "ZeroMQ refuses option \(option) = \(value), which it documents")
    }

    func set(_ option: Int32, wide value: Int64) {
        var value = value
        let status = zmq_setsockopt(handle, option, &value, MemoryLayout<Int64>.size)
        precondition(status == 0, "ZeroMQ refuses option \(option) = \(value), which it documents")
    }

    private func number(_ option: Int32) -> Int32 {
        var value: Int32 = 0
        var size = MemoryLayout<Int32>.size
        while zmq_getsockopt(handle, option, &value, &size) != 0, zmq_errno() == EINTR {}
        return value
    }

    var isWritable: Bool {
        let events = number(ZMQ_EVENTS)
        mayHaveNews = events & ZMQ_POLLIN != 0
        return events & ZMQ_POLLOUT != 0
    }

    /// Makes sure of `mayHaveNews` where it is in doubt, and gives it back.
    func lookForNews() -> Bool {
        if mayHaveNews { mayHaveNews = number(ZMQ_EVENTS) & ZMQ_POLLIN != 0 }
        return mayHaveNews
    }

    /// The endpoint that was bound last, with the port that was chosen for port 0.
    var lastEndpoint: String {
        withUnsafeTemporaryAllocation(byteCount: 512, alignment: 1) { bytes in
            var size = bytes.count
            guard zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, bytes.baseAddress, &size) == 0 else { return "" }
            return String(decoding: bytes.prefix(max(0, size - 1)), as: UTF8.self)
        }
    }

    /// - Throws: `RPCError` "server.endpoint_in_use", or "server.endpoint_unusable" with the system's reason.
    func bind(_ endpoint: Endpoint) throws(RPCError) {
        guard zmq_bind(handle, endpoint.text) != 0 else { return }
        let code = zmq_errno()
        if code == EADDRINUSE {
            throw RPCError(
                .failedPrecondition, "server.endpoint_in_use",
                "\(endpoint) is in use by another program; stop that program or choose another port "
                    + "(BILLING_BASE_PORT).", field: "endpoint", value: endpoint.text)
        }
        let cause = zmq_strerror(code).map { String(cString: $0) } ?? "unknown cause"
        throw RPCError(
            .failedPrecondition, "server.endpoint_unusable",
            "Cannot listen at \(endpoint): \(cause). Choose an address of this machine, or a path in an existing "
                + "directory.", field: "endpoint", value: endpoint.text)
    }

    /// Starts to connect in the background.
    func connect(_ endpoint: String) throws(RPCError) {
        guard zmq_connect(handle, endpoint) == 0 else { throw .zeroMQ("connect to \(endpoint)") }
    }

    /// Sends a frame without ever waiting.
    func send(_ bytes: UnsafeRawBufferPointer, more: Bool = false) -> Sending {
        let flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)
        mayHaveNews = true
        while zmq_send(handle, bytes.baseAddress, bytes.count, flags) < 0 {
            switch zmq_errno() {
            case EINTR: continue
            case EAGAIN: return .wouldBlock
            // Anything else, as ETERM, means that this peer or the socket itself is not coming back.
            default: return .unroutable
            }
        }
        return .done
    }

    /// Receives a frame without ever waiting.
    /// - Returns: `false` when there is none.
    func receive(into frame: ZeroMQFrame) -> Bool {
        while zmq_msg_recv(frame.message, handle, ZMQ_DONTWAIT) < 0 {
            guard zmq_errno() == EINTR else {
                mayHaveNews = false
                return false
            }
        }
        mayHaveNews = true
        return true
    }

    /// Reads the frames of a message that follow `frame`, and forgets them.
    /// - Returns: how many there were.
    func drainFrames(after frame: ZeroMQFrame) -> Int {
        var count = 0
        while frame.hasMore, receive(into: frame) { count += 1 }
        return count
    }

    /// Announces what happens to this socket's connections on a socket pair of `context`.
    func startMonitor(in context: ZeroMQContext) throws(RPCError) -> ZeroMQSocket {
        let name = "inproc://monitor-\(UInt(bitPattern: handle))"
        guard zmq_socket_monitor(handle, name, ZMQ_EVENT_ALL) == 0 else { throw .zeroMQ("watch a socket") }
        let events = try context.socket(.pair)
        events.set(ZMQ_LINGER, 0)
        try events.connect(name)
        return events
    }

    func stopMonitor() { zmq_socket_monitor(handle, nil, 0) }
}

/// Owns a frame as the library keeps it. The `zmq_msg_t` stays where it is for life, since short frames lie inside it.
final class ZeroMQFrame {
    fileprivate let message: UnsafeMutablePointer<zmq_msg_t>

    init() {
        message = .allocate(capacity: 1)
        zmq_msg_init(message)
    }

    deinit {
        zmq_msg_close(message)
        message.deallocate()
    }

    /// The frame's content, lent until the next one is received into this.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: zmq_msg_data(message), count: zmq_msg_size(message))
    }

    var hasMore: Bool { zmq_msg_more(message) != 0 }
}
