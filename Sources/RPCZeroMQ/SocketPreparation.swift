import Synchronization

/// What benchmarks do to every socket before it is bound or connected, as trying options that have no place in the product
/// yet. Nothing else uses it.
@_spi(Benchmarks)
public enum SocketPreparation {
    public typealias Action = @Sendable (_ socket: UnsafeMutableRawPointer, _ isServer: Bool) -> Void

    private static let action = Mutex<Action?>(nil)

    /// For sockets that are made from now on.
    public static func use(_ action: @escaping Action) { self.action.withLock { $0 = action } }

    static func apply(to socket: ZeroMQSocket, isServer: Bool) {
        guard let handle = socket.handle, let action = action.withLock({ $0 }) else { return }
        action(handle, isServer)
    }
}
