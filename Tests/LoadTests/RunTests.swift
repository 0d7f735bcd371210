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

    func plan(_ number: Int, _ random: inout SeededGenerator) -> PlannedCall? {
        numbers.withLock { _ = $0.insert(number) }
        return PlannedCall(operation: 0) { channel throws(RPCError) in
            _ = try await CommonV1.HealthClient(channel).check(
                .init(), CallOptions(deadline: .after(milliseconds: 30_000)))
            return 1
        }
    }
}

/// The same, about one of a few things.
private final class FewScenario: Scenario {
    let operations = ["check"]
    private let stock: Stock<Int>

    init(_ count: Int) { stock = Stock(Array(0..<count)) }

    func plan(_ number: Int, _ random: inout SeededGenerator) -> PlannedCall? {
        stock.take(&random).map { element in
            stock.call(0, about: element) { channel, _ throws(RPCError) in
                _ = try await CommonV1.HealthClient(channel).check(
                    .init(), CallOptions(deadline: .after(milliseconds: 30_000)))
                return 1
            }
        }
    }
}

@Suite("A run", .serialized) struct RunTests {
    private let logger = Logger(label: "load-tests") { _ in SwiftLogNoOpLogHandler() }

    /// Runs `load` against a server whose n-th answer is made by `answer`.
    private func run(
        _ load: Load, connections: Int = 2, stop: Stop = Stop(), _ scenario: any Scenario = HealthScenario(),
        answer: @escaping @Sendable (Int) throws -> Void
    ) async throws -> RunResult {
        try await serving(connections: connections, answer: answer) { connections in
            await Run(
                scenario: scenario, connections: connections, load: load, server: nil, stop: stop, firstNumber: 1000
            ).perform()
        }
    }

    private func serving<Value>(
        connections: Int = 2, answer: @escaping @Sendable (Int) throws -> Void, _ work: (Connections) async -> Value
    ) async throws -> Value {
        let reactor = try Reactor.start(name: "server", logger: logger)
        var router = Router()
        let counter = CallCounter()
        router.handle(CommonV1.Health.check) { (_: CommonV1.CheckRequest, _) in
            try answer(counter.take())
            return Response(CommonV1.CheckReply())
        }
        let server = try await ZeroMQServer.start(on: reactor, endpoint: "tcp://127.0.0.1:0", router: router)
        let connections = try Connections.open(
            server.endpoint, connections: connections, reactors: connections, logger: logger)
        let value = await work(connections)
        await connections.close()
        await server.shutDown()
        await reactor.stop()
        return value
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
            loop: .closed(outstanding: 3), duration: TimeSpan(seconds: 1), warmUp: TimeSpan(seconds: 0), seed: 1)
        let result = try await run(load) { if $0 == 50 { usleep(300_000) } }
        let slow = result.total.latency.count(within: 250_000_000...LatencyHistogram.longestNanoseconds)
        // The six that were under way; an open loop at this rate would have hundreds.
        #expect((1..<100).contains(slow))
        // It goes on after the stall.
        #expect(result.total.answered > 56)
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
        #expect(result.measuredSeconds == 0.8)
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

    @Test("Calls that find nothing to be about wait for it, with latencies from when they were due, and are no errors")
    func held() async throws {
        let result = try await run(open(200, 1), FewScenario(2)) { if $0 == 40 { usleep(400_000) } }
        #expect(result.total.answered == 200 && result.total.failed == 0)
        // The 80 that were due in the stall; all but the two that were under way are held.
        #expect(result.sample.held >= 70)
        let slow = Int(result.total.latency.count(within: 100_000_000...LatencyHistogram.longestNanoseconds))
        #expect(slow >= 50)
        // The service was fast to those that it got, and the load tester to those that it could send.
        #expect((result.sample.afterSending.span(percentile: 90)?.milliseconds ?? 1000) < 200)
        #expect((result.sample.lag.span(percentile: 50)?.milliseconds ?? 1000) < 100)
    }

    @Test("Who waits for something to be about longer than a call may take is told as that, and not as an operation")
    func allInUse() async throws {
        var load = open(200, 0.5)
        load.timeout = TimeSpan(seconds: 0.1)
        let result = try await run(load, FewScenario(1)) { if $0 == 20 { usleep(900_000) } }
        let unsent = result.sample.unsent
        #expect(Set(unsent.failures.keys) == ["load.all_in_use"] && unsent.failed > 30)
        #expect(result.sample.operations[0].failed == 0)
        #expect(result.total.ended == 100)
        #expect(result.total.latency(percentile: 99) == nil)
    }

    @Test("A closed loop that finds nothing to be about gives way to the calls that it waits for")
    func closedLoopHeld() async throws {
        let load = Load(
            loop: .closed(outstanding: 4), duration: TimeSpan(seconds: 0.5), warmUp: TimeSpan(seconds: 0), seed: 1)
        let result = try await run(load, FewScenario(3)) { _ in }
        #expect(result.total.failed == 0 && result.total.answered > 20)
    }

    @Test("Data are prepared also by a service that has too much to do now and then")
    func preparation() async throws {
        let console = Console(isTerminal: false) { _ in }
        let made = Mutex<Set<Int>>([])
        let error = try await serving(
            answer: { number in
                guard number.isMultiple(of: 3) else { return }
                throw RPCError(.resourceExhausted, "call.overloaded", "No.", retryAfterMilliseconds: 1)
            },
            { connections -> (any Error)? in
                let maker = CallMaker(runID: "0123456789abcdef", timeout: TimeSpan(seconds: 30))
                let preparation = Preparation(connections: connections, maker: maker, console: console, stop: Stop())
                do {
                    try await preparation.each(30, "checks") { index, channel in
                        _ = try await CommonV1.HealthClient(channel).check(.init(), maker.reading())
                        made.withLock { _ = $0.insert(index) }
                    }
                    return nil
                } catch { return error }
            })
        #expect(error == nil && made.withLock { $0.count } == 30)
    }

    @Test("Calls that end after the last one was due do not change the rate")
    func tail() async throws {
        let result = try await run(open(200, 1)) { if $0 == 195 { usleep(900_000) } }
        #expect(result.total.answered == 200)
        #expect(result.measuredSeconds == 1)
        #expect(result.rate > 0 && result.rate < 200)
    }

    @Test("A trace is compared with what it asked for while it lasted, the warm-up left out")
    func traceRate() async throws {
        let offsets = (0...100).map { Int64($0) * ($0 < 50 ? 1_000_000 : 5_000_000) }
        let load = Load(
            loop: .open(.trace(offsets, speed: 1)), duration: TimeSpan(seconds: 60), warmUp: TimeSpan(seconds: 0.25),
            seed: 1)
        let result = try await run(load) { _ in }
        #expect(result.total.ended == 51 && result.intendedRate == 200 && result.measuredSeconds == 0.25)
    }

    @Test("A ramp begins no step that its time has no room for")
    func rampTime() async throws {
        let outcome = try await serving(answer: { _ in }) { connections in
            await Ramp(
                plan: RampPlan(start: 10), bound: TimeSpan(seconds: 60), errors: 1, isPoisson: false,
                run: { load, firstNumber in
                    Run(
                        scenario: HealthScenario(), connections: connections, load: load, server: nil, stop: Stop(),
                        firstNumber: firstNumber)
                }, seed: 1, stepDuration: TimeSpan(seconds: 0.2), warmUp: TimeSpan(seconds: 0.1),
                timeout: TimeSpan(seconds: 1), duration: TimeSpan(seconds: 0.5)
            ).perform(stop: Stop(), begin: { _ in { _ in } }, end: { _ in })
        }
        #expect((1...2).contains(outcome.steps.count) && !outcome.isComplete)
    }
}
