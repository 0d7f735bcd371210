import BillingTestKit
import Foundation
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

    @Test("A replica that is cut off, its connection open and nothing passing, is ejected and readmitted")
    func cutOff() async throws {
        try await Replicas.with(3, behindProxy: 1) { replicas in
            try await replicas.expectEvenSpread()
            let (proxy, victim) = (try #require(replicas.proxy), replicas.pids[1])
            kill(proxy, SIGSTOP)
            let during = try await replicas.answers(of: 300)
            #expect(during.count >= 2)
            try await replicas.until("the one that is cut off is ejected") { $0[1].isEjected || !$0[1].isConnected }
            let others = try await replicas.answers(of: 300)
            #expect(others[victim] == nil)
            #expect(others.count == 2)

            kill(proxy, SIGCONT)
            try await replicas.until("it is readmitted") { $0[1].isConnected && !$0[1].isEjected }
            try await replicas.expectEvenSpread()
        }
    }

    /// deploy/prove gives the name, in a file of hosts of its own.
    @Test(
        "A name that stands for three addresses is three endpoints, and one that it loses gets no more calls",
        .enabled(if: getenv("BILLING_NAME_OF_THREE") != nil))
    func name() async throws {
        let name = try #require(getenv("BILLING_NAME_OF_THREE").map { String(cString: $0) })
        try await Replicas.with(3, name: name) { replicas in
            try await replicas.expectEvenSpread()
            let hosts = "127.0.0.1 \(name)\n127.0.0.3 \(name)\n"
            try hosts.write(toFile: "/etc/hosts", atomically: false, encoding: .utf8)
            try await replicas.until("the address that the name lost is left") { $0.count == 2 }
            let answers = try await replicas.answers(of: 300)
            #expect(answers[replicas.pids[1]] == nil)
            #expect(answers.count == 2)
        }
    }

    @Test("Keyed calls whose server is killed and restarted in their midst end well, each with one effect")
    func effects() async throws {
        let file = "/tmp/echo-effects-\(getpid())"
        defer { unlink(file) }
        try await Replicas.with(1, file: file) { replicas in
            let (lives, given, ends) = (4, Counter(), Counter())
            let keys = try await withThrowingTaskGroup(of: [String].self) { group in
                for task in 0..<16 {
                    group.addTask {
                        var keys: [String] = []
                        while ends.count == 0 {
                            let key = "effect-of-\(task)-\(10_000 + keys.count)"
                            _ = given.next()
                            _ = try await replicas.channel.call(
                                EchoMessage.add, EchoMessage(1), .test(key: try IdempotencyKey(key)))
                            keys.append(key)
                        }
                        return keys
                    }
                }
                for life in 1...lives {
                    // Each life does some work before it is killed with 16 calls in hand.
                    while given.count < 200 * life { try await Task.sleep(for: .milliseconds(1)) }
                    kill(replicas.pids[0], SIGKILL)
                    try replicas.start(0)
                }
                _ = ends.next()
                return try await group.reduce(into: []) { $0 += $1 }
            }
            let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").map(String.init)
            #expect(lines.sorted() == keys.sorted())
            #expect(keys.count >= 200 * lives)
        }
    }

    @Test("A replica that is about to stop refuses, and its calls are answered by another one")
    func stopping() async throws {
        try await Replicas.with(2) { replicas in
            kill(replicas.pids[0], SIGTERM)
            // No call fails, and in the end all are answered by the one that is left.
            while await replicas.channel.links()[0].isConnected { _ = try await replicas.answers(of: 50) }
            let answers = try await replicas.answers(of: 100)
            #expect(answers == [replicas.pids[1]: 100])
        }
    }

    @Test("A replica that is ejected gets no calls, also when the others have as many as they take")
    func ejectedWhileOthersAreFull() async throws {
        try await Replicas.with(2, window: 4) { replicas in
            let frozen = replicas.pids[1]
            kill(frozen, SIGSTOP)
            try await replicas.until("the frozen one is ejected") { $0[1].isEjected || !$0[1].isConnected }
            let before = await replicas.channel.links()[1].recordsSent
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<40 {
                    group.addTask {
                        _ = try await replicas.channel.call(EchoMessage.compute, EchoMessage(10_000), .test())
                    }
                }
                try await group.waitForAll()
            }
            #expect(await replicas.channel.links()[1].recordsSent == before)
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
    /// Where the processes keep what they were told to add.
    private let file: String?
    /// What stands between the channel and one of the processes.
    let proxy: pid_t?

    static func with<Outcome>(
        _ count: Int, behindProxy: Int? = nil, file: String? = nil, name: String? = nil, window: Int = 1024,
        _ body: (Replicas) async throws -> Outcome
    ) async throws -> Outcome {
        let replicas = try await Replicas(count, behindProxy, file, name, window)
        let outcome: Result<Outcome, any Error>
        do { outcome = .success(try await body(replicas)) } catch { outcome = .failure(error) }
        for pid in replicas.pids + [replicas.proxy].compactMap(\.self) {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        await replicas.reactor.stop()
        return try outcome.get()
    }

    /// - Parameter name: stands for 127.0.0.1 and the next addresses, at which the processes then listen.
    private init(
        _ count: Int, _ behindProxy: Int?, _ file: String?, _ name: String?, _ window: Int
    ) async throws {
        var endpoints: [String] = []
        for _ in 0..<count { endpoints.append(try await ZeroMQChannelTests.freeEndpoint()) }
        let port = endpoints[0].split(separator: ":").last ?? ""
        if name != nil { endpoints = (1...count).map { "tcp://127.0.0.\($0):\(port)" } }
        self.endpoints = endpoints
        self.file = file
        if let behindProxy {
            let front = try await ZeroMQChannelTests.freeEndpoint()
            let ports = [front, endpoints[behindProxy]].map { String($0.split(separator: ":").last ?? "") }
            proxy = try Self.spawn("/usr/bin/python3", [Self.repository + "/Tests/EchoServer/proxy.py"] + ports)
            endpoints[behindProxy] = front
        } else {
            proxy = nil
        }
        reactor = try Reactor.start(logger: .quiet)
        processes = Mutex(Array(repeating: 0, count: count))
        channel = try ZeroMQChannel(
            reactor: reactor, endpoint: name.map { "tcp://\($0):\(port)" } ?? endpoints.joined(separator: ","),
            configuration: .init(window: window))
        for index in 0..<count { try start(index) }
        try await until("all are connected") { links in links.count == count && links.allSatisfy(\.isConnected) }
    }

    var pids: [pid_t] { processes.withLock { $0 } }

    /// Starts the replica `index`, after its former process if it had one.
    func start(_ index: Int) throws {
        let former = pids[index]
        if former != 0 { waitpid(former, nil, 0) }
        let pid = try Self.spawn(
            Self.repository + "/.build/debug/echo-server", [endpoints[index]] + [file].compactMap(\.self))
        processes.withLock { $0[index] = pid }
    }

    private static let repository = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()

    private static func spawn(_ program: String, _ arguments: [String]) throws -> pid_t {
        var pid: pid_t = 0
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        try #require(posix_spawn(&pid, program, nil, nil, &words, environ) == 0, "cannot start \(program)")
        return pid
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
            try #require(start.duration(to: .now) < Self.patience, "waited for: \(what)")
        }
        print("replicas: \(what) after \(start.duration(to: .now))")
    }

    /// How long it may take to notice a replica. On a quiet machine deploy/prove asks for the 3 s of the design; ten times
    /// as much otherwise, so that only a replica that is never noticed fails on a slow machine.
    private static let patience = Duration.seconds(
        getenv("BILLING_NOTICE_SECONDS").flatMap { Int(String(cString: $0)) } ?? 30)
}
