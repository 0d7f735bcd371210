import BillingTestKit
import Glibc
import RPC
import RPCZeroMQ
import Synchronization
import Testing

/// One channel over three processes of a service that die, freeze and come back.
@Suite("Several endpoints", .serialized, .timeLimit(.minutes(5)))
struct ReplicaTests {
    @Test("A replica that is killed is left out, and gets its share again when it is back")
    func killed() async throws {
        try await Replicas.with(3) { replicas in
            try await replicas.expectEvenSpread()
            let (index, victim) = (1, replicas.pids[1])
            kill(victim, SIGKILL)
            try await replicas.until("the killed one is not connected") { !$0[index].isConnected }
            let others = try await replicas.answers(of: 300)
            #expect(others[victim] == nil)
            #expect(others.count == 2)

            try replicas.start(index)
            try await replicas.until("the restarted one is connected") { $0[index].isConnected }
            try await replicas.expectEvenSpread()
        }
    }

    @Test("A replica that is frozen is ejected with its calls, and readmitted when it goes on")
    func frozen() async throws {
        try await Replicas.with(3) { replicas in
            try await replicas.expectEvenSpread()
            let (index, victim) = (2, replicas.pids[2])
            kill(victim, SIGSTOP)
            // Calls that it already has are asked again elsewhere, so none fails.
            let during = try await replicas.answers(of: 300)
            #expect(during.count >= 2)
            try await replicas.until("the frozen one is ejected") { $0[index].isEjected || !$0[index].isConnected }
            let others = try await replicas.answers(of: 300)
            #expect(others[victim] == nil)
            #expect(others.count == 2)

            kill(victim, SIGCONT)
            try await replicas.until("it is readmitted") { $0[index].isConnected && !$0[index].isEjected }
            try await replicas.expectEvenSpread()
        }
    }

    @Test("A replica that is about to stop refuses, and its calls are answered by another one")
    func stopping() async throws {
        try await Replicas.with(2) { replicas in
            kill(replicas.pids[0], SIGTERM)
            let answers = try await replicas.answers(of: 300)
            #expect(answers.values.reduce(0, +) == 300)
            #expect((answers[replicas.pids[1]] ?? 0) > 100)
        }
    }

    @Test("With no replica left a call waits for one, and ends by its deadline as not sent")
    func noneLeft() async throws {
        try await Replicas.with(2) { replicas in
            _ = try await replicas.answers(of: 10)
            for pid in replicas.pids { kill(pid, SIGKILL) }
            try await replicas.until("both are gone") { links in links.allSatisfy { !$0.isConnected } }
            let error = await #expect(throws: RPCError.self) {
                try await replicas.channel.call(EchoMessage.who, EchoMessage(), .test(milliseconds: 200))
            }
            #expect(error?.reason == "call.unreachable")
            async let late = replicas.channel.call(EchoMessage.who, EchoMessage(), .test())
            try replicas.start(0)
            #expect(try await late.number == Int64(replicas.pids[0]))
        }
    }
}

/// Processes of `echo-server`, and a channel to all of them.
final class Replicas: Sendable {
    let channel: ZeroMQChannel
    private let reactor: Reactor
    private let endpoints: [String]
    private let processes: Mutex<[pid_t]>

    static func with(_ count: Int, _ body: (Replicas) async throws -> Void) async throws {
        let replicas = try await Replicas(count)
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body(replicas)) } catch { outcome = .failure(error) }
        for pid in replicas.pids {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        await replicas.reactor.stop()
        try outcome.get()
    }

    private init(_ count: Int) async throws {
        var endpoints: [String] = []
        for _ in 0..<count { endpoints.append(try await ZeroMQChannelTests.freeEndpoint()) }
        self.endpoints = endpoints
        reactor = try Reactor.start(logger: .quiet)
        processes = Mutex(Array(repeating: 0, count: count))
        channel = try ZeroMQChannel(reactor: reactor, endpoint: endpoints.joined(separator: ","))
        for index in 0..<count { try start(index) }
        try await until("all are connected") { links in links.allSatisfy(\.isConnected) }
    }

    var pids: [pid_t] { processes.withLock { $0 } }

    /// Starts the replica `index`, after its former process if it had one.
    func start(_ index: Int) throws {
        let former = pids[index]
        if former != 0 { waitpid(former, nil, 0) }
        let program =
            #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/.build/debug/echo-server"
        var pid: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(program), strdup(endpoints[index]), nil]
        defer { for argument in arguments { free(argument) } }
        try #require(posix_spawn(&pid, program, nil, nil, &arguments, environ) == 0, "cannot start \(program)")
        processes.withLock { $0[index] = pid }
    }

    /// Who answered `count` calls, 16 at a time.
    func answers(of count: Int) async throws -> [pid_t: Int] {
        let given = Counter()
        return try await withThrowingTaskGroup(of: [pid_t: Int].self) { group in
            for _ in 0..<16 {
                group.addTask {
                    var counts: [pid_t: Int] = [:]
                    while given.next() <= count {
                        let reply = try await self.channel.call(EchoMessage.who, EchoMessage(), .test())
                        counts[pid_t(reply.number), default: 0] += 1
                    }
                    return counts
                }
            }
            return try await group.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
        }
    }

    /// Each process answers at least half of an equal share, once the one that came back has caught up.
    func expectEvenSpread() async throws {
        var counts: [pid_t: Int] = [:]
        for _ in 0..<20 {
            counts = try await answers(of: 600)
            if pids.allSatisfy({ (counts[$0] ?? 0) >= 300 / pids.count }) { return }
        }
        Issue.record("the calls are not spread evenly: \(counts)")
    }

    /// Waits until the links are as asked, calling all the while: the time limit of the suite ends it.
    func until(_ what: String, _ condition: ([LinkStatistics]) -> Bool) async throws {
        let start = ContinuousClock.now
        while !condition(await channel.links()) {
            _ = try? await channel.call(EchoMessage.who, EchoMessage(), .test(milliseconds: 50))
            try await Task.sleep(for: .milliseconds(10))
            // Ten times what the design allows, so that only a replica that is never noticed fails on a slow machine.
            try #require(start.duration(to: .now) < .seconds(30), "waited for: \(what)")
        }
    }
}
