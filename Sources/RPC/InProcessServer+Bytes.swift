import Synchronization

extension InProcessServer {
    /// The answers to a message that come at once, for tests of bytes that no client of ours sends.
    package func answers(to message: [UInt8]) -> [[UInt8]] {
        let collect = Collected()
        message.withUnsafeBytes { bytes in
            receive(bytes, from: Peer()) { answer in collect.answers.withLock { $0.append(answer) } }
        }
        return collect.answers.withLock { $0 }
    }

    private final class Collected: Sendable {
        let answers = Mutex<[[UInt8]]>([])
    }
}
