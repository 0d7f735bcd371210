import BillingCore
import BillingTestKit
import RPC
import RPCZeroMQ
import Synchronization
import Testing

@Suite("Overload", .serialized, .timeLimit(.minutes(5)))
struct OverloadTests {
    /// What became of calls.
    private final class Tally: Sendable {
        private struct State {
            var answered = 0
            var refused = 0
            var failures: Set<String> = []
            var took: [Int64] = []
            var refusedAfter: [Int64] = []
        }

        private let state = Mutex(State())

        func add(_ outcome: Result<Response<EchoMessage>, RPCError>, after nanoseconds: Int64) {
            state.withLock { state in
                switch outcome {
                case .success:
                    state.answered += 1
                    state.took.append(nanoseconds)
                case .failure(let error) where error.reason == "call.overloaded" && error.retryAfterMilliseconds > 0:
                    state.refused += 1
                    state.refusedAfter.append(nanoseconds)
                case .failure(let error):
                    state.failures.insert(error.description)
                }
            }
        }

        var answered: Int { state.withLock(\.answered) }
        var refused: Int { state.withLock(\.refused) }
        var failures: Set<String> { state.withLock(\.failures) }
        var p99: Int64 { Self.p99(state.withLock(\.took)) }
        var p99OfRefusals: Int64 { Self.p99(state.withLock(\.refusedAfter)) }

        private static func p99(_ values: [Int64]) -> Int64 {
            values.isEmpty ? 0 : values.sorted()[values.count * 99 / 100]
        }
    }

    /// Calls that are offered: what bounds those in hand is the server for handlers that wait (`store`), and the client
    /// for those that do not (`compute`). Some may be repeated, which must not make two of one.
    struct Load: Sendable, CustomTestStringConvertible {
        var method: Method<EchoMessage, EchoMessage>
        var microseconds: Int64
        var hasKey = false
        /// How many times what the server can do is asked of it.
        var times = 2

        var testDescription: String {
            "\(method.descriptor.name), \(microseconds) us, x\(times), repeatable: \(method.descriptor.isRetrySafe(hasKey: hasKey))"
        }
    }

    static let loads = [
        Load(method: EchoMessage.store, microseconds: 3000, hasKey: true),
        Load(method: .init(EchoMessage.store.descriptor.name, .read), microseconds: 1000),
        Load(method: EchoMessage.compute, microseconds: 1000, times: 8),
        Load(method: .init(EchoMessage.compute.descriptor.name, .read), microseconds: 3000),
    ]

    @Test(
        "Above its capacity a server goes on at its rate, and the rest is refused at once with the time to come back",
        arguments: loads)
    func aboveCapacity(_ load: Load) async throws {
        // A machine that others slow down while this compares one second with six says nothing of the server, so what
        // does not hold is tried again; a server that does not bear it fails each time.
        var complaints: [String] = []
        for _ in 0..<3 {
            complaints = try await Replicas.with(1) { try await Self.overload($0.channel, load) }
            if complaints.isEmpty { break }
        }
        #expect(complaints.isEmpty)
    }

    private static let budgetMilliseconds: Int64 = 6000

    /// - Returns: what did not hold.
    private static func overload(_ channel: ZeroMQChannel, _ load: Load) async throws -> [String] {
        let work = EchoMessage(load.microseconds)
        let number = Counter()

        @Sendable func options(_ milliseconds: Int64) throws -> CallOptions {
            .test(
                milliseconds: milliseconds,
                key: load.hasKey ? try IdempotencyKey("overload-key-\(1_000_000 + number.next())") : nil)
        }

        func send(_ tally: Tally) throws {
            let (start, options) = (MonotonicTime.now, try options(Self.budgetMilliseconds))
            do throws(RPCError) {
                try channel.send(load.method, work, options) { outcome in
                    tally.add(outcome, after: start.nanoseconds(until: .now))
                }
            } catch { tally.add(.failure(error), after: 0) }
        }

        /// Offers calls at a steady rate for a time, however many are answered.
        func offer(_ perSecond: Int, milliseconds: Int64) async throws -> Tally {
            let tally = Tally()
            let start = MonotonicTime.now
            var sent = 0
            while case let elapsed = start.nanoseconds(until: .now) / 1_000_000, elapsed < milliseconds {
                while sent < perSecond * Int(elapsed) / 1000 {
                    try send(tally)
                    sent += 1
                }
                try await Task.sleep(for: .milliseconds(1))
            }
            while tally.answered + tally.refused < sent, tally.failures.isEmpty {
                try await Task.sleep(for: .milliseconds(5))
            }
            return tally
        }

        // What it can do: 32 calls at a time, each followed by the next.
        let peak = Tally()
        let peakStart = MonotonicTime.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<32 {
                group.addTask {
                    while peakStart.nanoseconds(until: .now) < 1_000_000_000 {
                        let (start, options) = (MonotonicTime.now, try options(120_000))
                        do throws(RPCError) {
                            let reply = try await channel.call(load.method, work, options)
                            peak.add(.success(reply), after: start.nanoseconds(until: .now))
                        } catch { peak.add(.failure(error), after: 0) }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(peak.refused == 0)

        // A second to learn, then six that count.
        _ = try await offer(load.times * peak.answered, milliseconds: 1000)
        let overload = try await offer(load.times * peak.answered, milliseconds: 6000)
        #expect(overload.refused > 0)
        var complaints = (peak.failures.union(overload.failures)).sorted()
        // What it answers in six seconds, and a little that it was given before they were over.
        if Double(overload.answered) < 0.8 * 6 * Double(peak.answered) {
            complaints.append("\(overload.answered) were answered in 6 s, and at the peak \(peak.answered) a second")
        }
        // No call that was taken runs out of time, as `failures` would show, or comes near it.
        if overload.p99 >= budgetMilliseconds / 2 * 1_000_000 { complaints.append("p99 is \(overload.p99) ns") }
        if overload.p99OfRefusals >= 500_000_000 { complaints.append("refusals took \(overload.p99OfRefusals) ns") }
        print(
            "overload: \(load.testDescription): peak \(peak.answered)/s, then \(overload.answered) answered in 6 s, p99 "
                + "\(overload.p99 / 1_000_000) ms, and \(overload.refused) refused, p99 "
                + "\(overload.p99OfRefusals / 1_000_000) ms; \(channel.statistics.retries) sent again")
        return complaints
    }
}
