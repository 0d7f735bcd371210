import BillingCore
import BillingTestKit
import Glibc
import RPC
import RPCZeroMQ
import Synchronization
import Testing

@Suite("A channel over ZeroMQ", .serialized, .timeLimit(.minutes(5)))
struct ZeroMQChannelTests {
    private static let key = "key-0123456789abcdef"

    /// A port that was free a moment ago, below those that the system gives to connections.
    static func freeEndpoint() async throws -> String {
        while true {
            let reactor = try Reactor.start(logger: .quiet)
            let endpoint = "tcp://127.0.0.1:\(20_000 + (Int64(getpid()) * 64 + ports.next()) % 12_000)"
            // Nobody answers there; what counts is whether it can be bound.
            let server = try? await ZeroMQServer.start(on: reactor, endpoint: endpoint, router: Router())
            await reactor.stop()
            if server != nil { return endpoint }
        }
    }

    private static let ports = Counter()

    @Test("A service that dies with a call and comes back still answers it, if it is keyed")
    func restart() async throws {
        let (first, clients) = (
            try Reactor.start(name: "first", logger: .quiet), try Reactor.start(name: "clients", logger: .quiet)
        )
        let gate = Gate()
        let server = try await ZeroMQServer.start(
            on: first, endpoint: try await Self.freeEndpoint(), router: EchoService.router(gate: gate))
        let channel = try ZeroMQChannel(reactor: clients, endpoint: server.endpoint)
        let keyed = Task {
            try await channel.call(
                EchoService.held, EchoMessage(7), .test(key: IdempotencyKey(Self.key)))
        }
        let unkeyed = Task { try await channel.call(EchoService.held, EchoMessage(8), .test()) }
        await gate.arrival(of: 2)
        await first.stop()

        let open = Gate()
        open.open()
        let second = try Reactor.start(name: "second", logger: .quiet)
        _ = try await ZeroMQServer.start(
            on: second, endpoint: server.endpoint, router: EchoService.router(gate: open))
        #expect(try await keyed.value.number == 7)
        // Nobody may send this one again; its caller is told at once that the outcome is unknown.
        let error = await #expect(throws: RPCError.self) { try await unkeyed.value }
        #expect(error?.status == .deadlineExceeded)
        #expect(error?.reason == "call.outcome_unknown")
        #expect(channel.statistics.disconnections == 1)
        gate.open()
        await clients.stop()
        await second.stop()
    }

    @Test("The first call of a new channel is sent as soon as it is connected, whenever that comes")
    func firstCall() async throws {
        let servers = try Reactor.start(logger: .quiet)
        let server = try await ZeroMQServer.start(
            on: servers, endpoint: "tcp://127.0.0.1:0", router: EchoService.router())
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for _ in 0..<4 {
                tasks.addTask {
                    for _ in 0..<500 {
                        // As a command line does it: a thread, a socket and a call, all new.
                        let clients = try Reactor.start(logger: .quiet)
                        let channel = try ZeroMQChannel(reactor: clients, endpoint: server.endpoint)
                        let reply = try await channel.call(
                            EchoService.inline, EchoMessage(7), .test(milliseconds: 5000))
                        #expect(reply.number == 7)
                        await clients.stop()
                    }
                }
            }
            try await tasks.waitForAll()
        }
        await servers.stop()
    }

    @Test("Where nobody listens a call ends by its deadline, as not sent")
    func unreachable() async throws {
        let reactor = try Reactor.start(logger: .quiet)
        let endpoint = try await Self.freeEndpoint()
        let channel = try ZeroMQChannel(reactor: reactor, endpoint: endpoint)
        let error = await #expect(throws: RPCError.self) {
            try await channel.call(EchoService.inline, EchoMessage(), .test(milliseconds: 100))
        }
        #expect(error?.status == .unavailable)
        #expect(error?.reason == "call.unreachable")
        #expect(error?.message.contains(endpoint) == true)
        await reactor.stop()
    }

    @Test("A service may come up after its callers")
    func late() async throws {
        let reactor = try Reactor.start(logger: .quiet)
        let endpoint = try await Self.freeEndpoint()
        let channel = try ZeroMQChannel(reactor: reactor, endpoint: endpoint)
        async let reply = channel.call(EchoService.context, EchoMessage(), .test())
        _ = try await ZeroMQServer.start(on: reactor, endpoint: endpoint, router: EchoService.router())
        #expect(try await reply.message.text.hasPrefix(" - 0 local") == true)
        await reactor.stop()
    }

    @Test("A lost request is sent again under its id, and the second of two replies is dropped")
    func lostAndDoubled() async throws {
        let reactor = try Reactor.start(logger: .quiet)
        let endpoint = try await Self.freeEndpoint()
        let service = RawSocket(boundTo: endpoint)
        let channel = try ZeroMQChannel(
            reactor: reactor, endpoint: endpoint, configuration: .init(retry: RetryPolicy(attemptMilliseconds: 20)))
        async let reply = channel.call(EchoService.inline, EchoMessage(9), .test())
        let first = await service.receive()
        let second = await service.receive()
        #expect(first[1][16..<24] == second[1][16..<24])
        #expect(Array(first[1].dropFirst(60)) == Array(second[1].dropFirst(60)))

        var answer = second[1]
        answer[3] = 2
        service.send(second[0], answer)
        service.send(second[0], answer)
        service.send(second[0], [1, 2, 3])
        service.send(second[0], answer, answer)
        #expect(try await reply.number == 9)
        while channel.statistics.malformed < 2 || channel.statistics.lateReplies == 0 { await Task.yield() }
        #expect(channel.statistics.retries >= 1)
        await reactor.stop()
    }

    @Test("A call is not sent again to a server that answers others, and is when the server falls silent")
    func answersOthers() async throws {
        let reactor = try Reactor.start(logger: .quiet)
        let endpoint = try await Self.freeEndpoint()
        let service = RawSocket(boundTo: endpoint)
        let channel = try ZeroMQChannel(reactor: reactor, endpoint: endpoint)
        let slow = Task { try await channel.call(EchoService.inline, EchoMessage(1), .test()) }
        let first = await service.receive()
        // Twice as long as a silent server would be given.
        let start = ContinuousClock.now
        while start.duration(to: .now) < .seconds(2) {
            async let other = channel.call(EchoService.inline, EchoMessage(2), .test())
            var answer = await service.receive()
            answer[1][3] = 2
            #expect(answer[1][16..<24] != first[1][16..<24])
            service.send(answer)
            #expect(try await other.number == 2)
        }
        #expect(channel.statistics.retries == 0)
        var again = await service.receive()
        #expect(again[1][16..<24] == first[1][16..<24])
        again[1][3] = 2
        service.send(again)
        #expect(try await slow.value.number == 1)
        await reactor.stop()
    }

    @Test("A call that is lost waits no longer for its next attempt than half of the time that it has")
    func lostWithLittleTime() async throws {
        let (first, clients) = (try Reactor.start(logger: .quiet), try Reactor.start(logger: .quiet))
        let gate = Gate()
        let server = try await ZeroMQServer.start(
            on: first, endpoint: try await Self.freeEndpoint(), router: EchoService.router(gate: gate))
        let channel = try ZeroMQChannel(
            reactor: clients, endpoint: server.endpoint,
            configuration: .init(retry: RetryPolicy(pauseMilliseconds: 100_000_000)))
        let lost = Task {
            try await channel.call(
                EchoService.held, EchoMessage(7), .test(milliseconds: 8000, key: IdempotencyKey(Self.key)))
        }
        await gate.arrival(of: 1)
        await first.stop()
        gate.open()
        let second = try Reactor.start(logger: .quiet)
        _ = try await ZeroMQServer.start(on: second, endpoint: server.endpoint, router: EchoService.router(gate: gate))
        #expect(try await lost.value.number == 7)
        await clients.stop()
        await second.stop()
    }

    @Test("A server that says that it is unavailable rests a tenth of a second, since another one answers")
    func unavailableRests() async throws {
        let reactor = try Reactor.start(logger: .quiet)
        let refusals = Counter()
        var broken = Router()
        broken.handle(EchoService.keyed) { _, _ in
            _ = refusals.next()
            throw RPCError(.unavailable, "store.busy", "The store does not answer.")
        }
        var endpoints: [String] = []
        for router in [broken, EchoService.router()] {
            let server = try await ZeroMQServer.start(on: reactor, endpoint: "tcp://127.0.0.1:0", router: router)
            endpoints.append(server.endpoint)
        }
        let channel = try ZeroMQChannel(reactor: reactor, endpoint: endpoints.joined(separator: ","))
        while !(await channel.links()).allSatisfy(\.isConnected) { await Task.yield() }
        let start = ContinuousClock.now
        var answered = 0
        for _ in 0..<300 {
            // Without a key it is not sent again, so each refusal is seen.
            do {
                _ = try await channel.call(EchoService.keyed, EchoMessage(1), .test())
                answered += 1
            } catch { #expect(error.reason == "store.busy") }
        }
        let tenths = Int64(start.duration(to: .now) / .milliseconds(100))
        #expect(refusals.count >= 1 && refusals.count <= tenths + 1)
        #expect(Int64(answered) == 300 - refusals.count)
        await reactor.stop()
    }

    @Test("A channel that is made while its reactor stops says that it is closed")
    func madeTooLate() async throws {
        let reactor = try Reactor.start(logger: .quiet)
        let endpoint = try await Self.freeEndpoint()
        let channel = try ZeroMQChannel(reactor: reactor, endpoint: endpoint)
        let task = Task(executorPreference: reactor) {
            // Ends as the reactor stops, on its thread.
            _ = try? await channel.call(EchoService.inline, EchoMessage(), .test())
            let next = try ZeroMQChannel(reactor: reactor, endpoint: endpoint)
            return await #expect(throws: RPCError.self) {
                try await next.call(EchoService.inline, EchoMessage(), .test())
            }
        }
        while channel.statistics.calls == 0 { await Task.yield() }
        await reactor.stop()
        #expect(try await task.value?.reason == "call.channel_closed")
    }

    @Test("Whoever calls again at each refusal holds up nobody")
    func refusedAgainAndAgain() async throws {
        let reactor = try Reactor.start(logger: .quiet)
        let gate = Gate()
        let server = try await ZeroMQServer.start(
            on: reactor, endpoint: "tcp://127.0.0.1:0", router: EchoService.router(gate: gate))
        let channel = try ZeroMQChannel(
            reactor: reactor, endpoint: server.endpoint, configuration: .init(window: 1, queuedCalls: 1))
        let held = Task { try await channel.call(EchoService.held, EchoMessage(7), .test()) }
        await gate.arrival(of: 1)
        let refusals = Counter()
        @Sendable func callAgain(_ over: @escaping @Sendable (Result<Int64, RPCError>) -> Void) {
            do throws(RPCError) {
                try channel.send(EchoService.inline, EchoMessage(8), .test()) { outcome in
                    guard case .failure = outcome else { return over(outcome.map(\.number)) }
                    // Deep enough to run out of stack if each refusal came before its call returned.
                    if refusals.next() == 100_000 { gate.open() }
                    callAgain(over)
                }
            } catch { over(.failure(error)) }
        }
        let outcome = await withCheckedContinuation { done in callAgain { done.resume(returning: $0) } }
        #expect(try outcome.get() == 8)
        #expect(refusals.count >= 100_000)
        #expect(try await held.value.number == 7)
        // After the end there is no thread to tell it on.
        await reactor.stop()
        let error = #expect(throws: RPCError.self) {
            try channel.send(EchoService.inline, EchoMessage(), .test()) { _ in Issue.record("told after the end") }
        }
        #expect(error?.reason == "call.channel_closed")
    }

    @Test("Calls above what may wait are refused here")
    func queueLimit() async throws {
        let reactor = try Reactor.start(logger: .quiet)
        let channel = try ZeroMQChannel(
            reactor: reactor, endpoint: try await Self.freeEndpoint(),
            configuration: .init(window: 1, queuedCalls: 2))
        let waiting = (0..<2).map { _ in
            Task { try await channel.call(EchoService.inline, EchoMessage(), .test()) }
        }
        while channel.statistics.calls < 2 { await Task.yield() }
        let error = await #expect(throws: RPCError.self) {
            try await channel.call(EchoService.inline, EchoMessage(), .test())
        }
        #expect(error?.reason == "call.overloaded")
        channel.close()
        for task in waiting {
            let error = await #expect(throws: RPCError.self) { try await task.value }
            #expect(error?.reason == "call.channel_closed")
        }
        await reactor.stop()
        await #expect(throws: RPCError.self) {
            try await channel.call(EchoService.inline, EchoMessage(), .test())
        }
    }

    @Test("A function that gets an outcome may call again, and may close the channel that other calls wait on")
    func callbacks() async throws {
        let reactor = try Reactor.start(logger: .quiet)
        let server = try await ZeroMQServer.start(
            on: reactor, endpoint: "tcp://127.0.0.1:0", router: EchoService.router())
        let channel = try ZeroMQChannel(reactor: reactor, endpoint: server.endpoint)
        @Sendable func count(_ left: Int64, _ over: @escaping @Sendable (Int64) -> Void) {
            do throws(RPCError) {
                try channel.send(EchoService.inline, EchoMessage(left), .test()) { outcome in
                    let number = (try? outcome.get().number) ?? -1
                    if number > 0 { count(number - 1, over) } else { over(number) }
                }
            } catch { over(-2) }
        }
        for _ in 0..<2 {
            let last = await withCheckedContinuation { done in count(1000) { done.resume(returning: $0) } }
            #expect(last == 0)
        }
        // The first of these to run out of time closes the channel, which ends the others.
        let nobody = try ZeroMQChannel(reactor: reactor, endpoint: try await Self.freeEndpoint())
        let reasons = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    try await withCheckedThrowingContinuation { done in
                        do throws(RPCError) {
                            try nobody.send(EchoService.inline, EchoMessage(), .test(milliseconds: 200)) { outcome in
                                nobody.close()
                                if case .failure(let error) = outcome { done.resume(returning: error.reason) }
                            }
                        } catch { done.resume(throwing: error) }
                    }
                }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(reasons.isSubset(of: ["call.unreachable", "call.channel_closed"]))
        #expect(reasons.contains("call.unreachable"))
        await reactor.stop()
    }

    @Test("Calls leave no memory behind")
    func memory() async throws {
        let reactor = try Reactor.start(logger: .quiet)
        let server = try await ZeroMQServer.start(
            on: reactor, endpoint: "tcp://127.0.0.1:0", router: EchoService.router())
        let channel = try ZeroMQChannel(reactor: reactor, endpoint: server.endpoint)
        func calls(_ count: Int) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<100 {
                    group.addTask(executorPreference: reactor) {
                        let method = worker % 2 == 0 ? EchoService.inline : EchoService.waiting
                        for number in 0..<count / 100 {
                            let text = "a text that does not fit into a string's own bytes"
                            _ = try await channel.call(method, EchoMessage(Int64(number), text), .test())
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        // What is kept for reuse grows once; a leak of 200 bytes a call grows with every round.
        try await calls(20_000)
        var least = Int.max
        for _ in 0..<4 where least >= 10_000_000 {
            let before = try Self.residentBytes()
            try await calls(50_000)
            least = min(least, try Self.residentBytes() - before)
        }
        #expect(least < 10_000_000)
        await reactor.stop()
    }

    private static func residentBytes() throws -> Int {
        let file = try #require(fopen("/proc/self/statm", "r"))
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        try #require(fgets(&line, 255, file) != nil)
        let text = String(decoding: line.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return try #require(Int(text.split(separator: " ")[1])) * 4096
    }
}

@Suite("Signals") struct ShutdownSignalTests {
    @Test("SIGTERM is told instead of ending the program")
    func term() async {
        ShutdownSignal.install()
        kill(getpid(), SIGTERM)
        #expect(await ShutdownSignal.wait() == SIGTERM)
        #expect(await ShutdownSignal.wait() == SIGTERM)
    }
}
