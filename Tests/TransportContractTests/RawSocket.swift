import CZeroMQ
import Glibc

/// A ZeroMQ socket without our manners, for bytes that our own client and server never send.
final class RawSocket {
    private let context = zmq_ctx_new()
    private let socket: UnsafeMutableRawPointer?

    /// - Parameter receiveQueueMessages: what the library reads ahead of us.
    init(connectedTo endpoint: String, receiveQueueMessages: Int32 = 1000) {
        socket = zmq_socket(context, ZMQ_DEALER)
        set(ZMQ_LINGER, 0)
        set(ZMQ_RCVHWM, receiveQueueMessages)
        zmq_connect(socket, endpoint)
    }

    init(boundTo endpoint: String) {
        socket = zmq_socket(context, ZMQ_ROUTER)
        set(ZMQ_LINGER, 0)
        zmq_bind(socket, endpoint)
    }

    deinit {
        zmq_close(socket)
        zmq_ctx_term(context)
    }

    private func set(_ option: Int32, _ value: Int32) {
        var value = value
        zmq_setsockopt(socket, option, &value, MemoryLayout<Int32>.size)
    }

    func send(_ frames: [UInt8]...) { send(frames) }

    func send(_ frames: [[UInt8]]) {
        for (index, frame) in frames.enumerated() {
            zmq_send(socket, frame, frame.count, index + 1 < frames.count ? ZMQ_SNDMORE : 0)
        }
    }

    /// The frames of the next message, without blocking a thread until it comes.
    func receive() async -> [[UInt8]] {
        var frames: [[UInt8]] = []
        var bytes = [UInt8](repeating: 0, count: 8 << 20)
        while true {
            let count = zmq_recv(socket, &bytes, bytes.count, ZMQ_DONTWAIT)
            guard count >= 0 else {
                await Task.yield()
                continue
            }
            frames.append(Array(bytes.prefix(Int(count))))
            var more: Int32 = 0
            var size = MemoryLayout<Int32>.size
            zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size)
            if more == 0 { return frames }
        }
    }
}
