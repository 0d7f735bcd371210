import BillingAPI
import BillingCore
import Glibc
import Histogram
import Logging
import RPC
import RPCZeroMQ
import Synchronization
import Testing

@testable import billing_load

/// Asks a service for its health; the n-th call is refused by the server if it says so.
private final class HealthScenario: Scenario {
    let operations = ["check"]
    let numbers = Mutex<Set<Int>>([])

    func plan(_ number: Int, _ random: inout SeededGenerator) -> PlannedCall {
        numbers.withLock { _ = $0.insert(number) }
        return PlannedCall(operation: 0) { channel throws(RPCError) in
            _ = try await CommonV1.HealthClient(channel).check(
                .init(), CallOptions(deadline: .after(milliseconds: 2000)))
            return 1
        }
    }
}

@Suite("A run", .serialized) struct RunTests {
    private let logger = Logger(label: "load-tests") { _ in SwiftLogNoOpLogHandler() }

    /// Runs `load` against a server whose n-th answer is made by `answer`.
    private func run(
        _ load: Load, connections: Int = 2, stop: Stop = Stop(), _ scenario: HealthScenario = HealthScenario(),
        answer: @escaping @Sendable (Int) throws -> Void
    ) async throws -> RunResult {
        let reactor = try Reactor.start(name: "server", logger: logger)
        var router = Router()
        let counter = CallCounter()
        router.handle(CommonV1.Health.check) { (_: CommonV1.CheckRequest, _) in
            try answer(counter.take())
            return Response(CommonV1.CheckReply())
        }
        let server = try await ZeroMQServer.start(on: reactor, endpoint: "tcp://127.0.0.1:0", router: router)
        let connections = try Connections.open(
            server.endpoint, connections: connections, reactors: connections, timeout: TimeSpan(seconds: 2),
            logger: logger)
        let result = await Run(
            scenario: scenario, connections: connections, load: load, server: nil, stop: stop, firstNumber: 1000
        ).perform()
        await connections.close()
        await server.shutDown()
        await reactor.stop()
        return result
    }

    private func open(_ rate: Double, _ seconds: Double, warmUp: Double = 0) -> Load {
        Load(
            loop: .open(.constant(rate: rate)), duration: TimeSpan(seconds: seconds),
            warmUp: TimeSpan(seconds: warmUp), seed: 1)
    }

    @Test("A stall is charged to every call that was due in it, and the schedule goes on: no coordinated omission")
    func stall() async throws {
        // The service sleeps, here and below: the stall that is measured.
        let result = try await run(open(1000, 1)) { if $0 == 300 { usleep(400_000) } }
        #expect(result.total.answered == 1000 && result.total.failed == 0)
        // Of the 400 calls that were due in the stall 300 had to wait longer than this; a busy machine adds to them.
        let slow = Int(result.total.latency.count(within: 100_000_000...LatencyHistogram.longestNanoseconds))
        #expect(slow >= 250)
        #expect((result.latency(percentile: 100)?.milliseconds ?? 0) >= 390)
    }

    @Test("A closed loop has as many calls under way as it says, so a stall holds it up")
    func closedLoop() async throws {
        let load = Load(
            loop: .closed(outstanding: 3), duration: TimeSpan(seconds: 0.6), warmUp: TimeSpan(seconds: 0), seed: 1)
        let result = try await run(load) { if $0 == 50 { usleep(300_000) } }
        let slow = result.total.latency.count(within: 250_000_000...LatencyHistogram.longestNanoseconds)
        // The six that were under way; an open loop at this rate would have hundreds.
        #expect((1..<100).contains(slow))
        #expect(result.total.answered > 100)
        #expect(result.intendedRate == nil)
    }

    @Test("Each call of the schedule is sent once, the warm-up is left out, refusals are counted by reason")
    func counts() async throws {
        let scenario = HealthScenario()
        let result = try await run(open(500, 1.2, warmUp: 0.4), scenario) { number in
            if number % 10 == 5 {
                throw RPCError(.resourceExhausted, "call.overloaded", "No.", retryAfterMilliseconds: 1)
            }
        }
        #expect(scenario.numbers.withLock { $0 } == Set(1000..<1600))
        #expect(result.total.ended == 400)
        #expect((30...50).contains(result.total.failures["call.overloaded"] ?? 0))
        #expect(result.total.failures.count == 1)
        #expect((0.79...10).contains(result.measuredSeconds))
        #expect(result.intendedRate == 500)
        #expect(!result.wasStopped)
    }

    @Test("A run that is stopped ends at once and says so")
    func stopped() async throws {
        let stop = Stop()
        let result = try await run(open(100, 60), stop: stop) { if $0 == 10 { stop.set() } }
        #expect(result.wasStopped)
        #expect((10...2000).contains(result.total.ended))
        #expect(result.measuredSeconds < 30)
    }
}
