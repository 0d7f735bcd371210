import Synchronization

/// What a service's `Health` tells about the server that it is part of. Made before the router, which the server needs
/// to start; the server reports to it from its start on.
public final class ServerVitals: Sendable {
    /// Told in every reply: another value means that the server has restarted.
    public let bootID: UInt64
    private let source = Mutex<(@Sendable () -> ServerStatistics)?>(nil)

    /// - Parameter bootID: random unless a test needs to know it.
    public init(bootID: UInt64 = .random(in: 1 ... .max)) { self.bootID = bootID }

    /// The server's figures; all 0 before it has started.
    public var statistics: ServerStatistics { source.withLock { $0 }?() ?? ServerStatistics() }

    package func report(_ source: @escaping @Sendable () -> ServerStatistics) { self.source.withLock { $0 = source } }
}
