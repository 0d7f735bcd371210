import CSocketOptions
@_spi(Benchmarks) import RPCZeroMQ

/// Turns CURVE on for all sockets of the process. The keys are the examples of ZeroMQ's manual: known to everybody, and
/// good enough to measure with.
enum Encryption {
    private static let serverPublic = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
    private static let serverSecret = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
    private static let clientPublic = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
    private static let clientSecret = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

    static func use() {
        SocketPreparation.use { socket, isServer in
            if isServer {
                var yes: Int32 = 1
                set(socket, ZMQ_CURVE_SERVER, &yes, MemoryLayout<Int32>.size)
                key(socket, ZMQ_CURVE_SECRETKEY, serverSecret)
            } else {
                key(socket, ZMQ_CURVE_SERVERKEY, serverPublic)
                key(socket, ZMQ_CURVE_PUBLICKEY, clientPublic)
                key(socket, ZMQ_CURVE_SECRETKEY, clientSecret)
            }
        }
    }

    /// Keys are given as text with its final NUL.
    private static func key(_ socket: UnsafeMutableRawPointer, _ option: Int32, _ text: String) {
        var bytes = text.utf8CString
        bytes.withUnsafeMutableBytes { set(socket, option, $0.baseAddress, $0.count) }
    }

    private static func set(
        _ socket: UnsafeMutableRawPointer, _ option: Int32, _ value: UnsafeRawPointer?, _ count: Int
    ) {
        let status = zmq_setsockopt(socket, option, value, count)
        precondition(status == 0, "ZeroMQ refuses option \(option); was it built with libsodium?")
    }
}
