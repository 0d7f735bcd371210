import Dispatch
import RPC

/// Keeps a channel's links at the addresses that its endpoints' names stand for at the time.
final class NameWatch: Sendable {
    private static let interval = Duration.seconds(5)

    private let task: Task<Void, Never>

    init(_ endpoints: [Endpoint], for loop: ClientLoop, on reactor: Reactor) {
        task = Task.detached { [weak reactor] in
            var known: [Endpoint: [Endpoint]] = [:]
            while !Task.isCancelled {
                let found = await Self.lookUp(endpoints.filter(\.isName))
                // A name that cannot be looked up for now stays where it was last; ZeroMQ itself tries one that never
                // could.
                known.merge(found) { _, new in new }
                let addresses = endpoints.flatMap { known[$0] ?? [$0] }
                guard let reactor, reactor.submit({ loop.connect(to: addresses) }) else { return }
                // Throws when it is stopped, which the loop looks at next.
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    func stop() { task.cancel() }

    /// Looking up may block for seconds, so it has a thread that is no task's.
    private static func lookUp(_ names: [Endpoint]) async -> [Endpoint: [Endpoint]] {
        await withUnsafeContinuation { continuation in
            DispatchQueue.global().async {
                var found: [Endpoint: [Endpoint]] = [:]
                for name in names { found[name] = name.addresses() }
                continuation.resume(returning: found)
            }
        }
    }
}
