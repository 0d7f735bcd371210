import BillingCore
import BillingTestKit
import RPC
import RPCZeroMQ
import Testing

@Suite("A server over ZeroMQ", .serialized, .timeLimit(.minutes(5)))
struct ZeroMQServerTests {
    private struct Service {
        let reactor: Reactor
        let server: ZeroMQServer
        let channel: ZeroMQChannel
        let vitals = ServerVitals()

        init(
            _ router: Router = EchoService.router(), endpoint: String = "tcp://127.0.0.1:0",
            _ configuration: ZeroMQServer.Configuration = .init()
        ) async throws {
            reactor = try Reactor.start(name: "test", logger: .quiet)
            server = try await ZeroMQServer.start(
                on: reactor, endpoint: endpoint, router: router, configuration: configuration, vitals: vitals)
            // So patient that a busy machine does not change what is counted.
            channel = try ZeroMQChannel(
                reactor: reactor, endpoint: server.endpoint,
                configuration: .init(retry: RetryPolicy(attemptMilliseconds: 60_000)))
        }

        func settle(_ condition: (ServerStatistics) -> Bool) async {
            while !condition(server.statistics) { await Task.yield() }
        }

        func answers() async throws {
            let reply = try await channel.call(EchoService.waiting, EchoMessage(1, "up"), .test())
            #expect(reply.message == EchoMessage(1, "up"))
        }
    }

    /// A valid request of a method, as a client's message.
    private static func request(
        _ method: Method<EchoMessage, EchoMessage>, _ body: EchoMessage, callID: UInt64
    ) throws -> [UInt8] {
        var message = try WireBuffer.calling(method, body, .test())
        message.setBudget(milliseconds: 10_000, callID: callID, ofRecordAt: 0)
        return message.withUnsafeBytes { Array($0) }
    }

    private static func read(_ message: [UInt8]) throws -> (header: RecordHeader, refusal: RPCError?) {
        try message.withUnsafeBytes { bytes in
            var reader = RecordReader(bytes)
            let record = try #require(try reader.next())
            return (record.header, record.header.status == 0 ? nil : RPCError(refusal: record))
        }
    }

    @Test("Calls that are ready together share messages, both ways")
    func coalescing() async throws {
        let service = try await Service()
        let channel = service.channel
        // The tasks run on the reactor, so all of them have called before it sends.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<1000 as Range<Int64> {
                group.addTask(executorPreference: service.reactor) {
                    _ = try await channel.call(EchoService.inline, EchoMessage(number), .test())
                }
            }
            try await group.waitForAll()
        }
        #expect(channel.statistics.recordsSent == 1000)
        #expect(channel.statistics.messagesSent < 500)
        #expect(service.server.statistics.calls == 1000)
        #expect(service.server.statistics.messagesSent < 500)
        await service.reactor.stop()
    }

    @Test("It answers at an ipc endpoint too")
    func interprocess() async throws {
        let path = "/tmp/billing-test-\(UInt64.random(in: 0 ... .max)).sock"
        let service = try await Service(endpoint: "ipc://\(path)")
        try await service.answers()
        await service.reactor.stop()
    }

    @Test("Garbage, truncated records and messages of several frames are counted, and the service goes on")
    func hostileMessages() async throws {
        let service = try await Service()
        let raw = RawSocket(connectedTo: service.server.endpoint)
        let valid = try Self.request(EchoService.inline, EchoMessage(1), callID: 5)
        raw.send([[]])
        raw.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        raw.send([UInt8](repeating: 0xff, count: 5000))
        raw.send(valid, valid)
        raw.send([[UInt8]](repeating: [1], count: 500))
        await service.settle { $0.malformed == 5 }
        // What has a call id is answered under it.
        raw.send(Array(valid.prefix(40)))
        let (header, refusal) = try Self.read(await raw.receive()[0])
        #expect(header.callID == 5)
        #expect(refusal?.reason == "call.malformed")
        // Also on the same connection, the next call is served.
        raw.send(valid)
        #expect(try Self.read(await raw.receive()[0]).refusal == nil)
        try await service.answers()
        await service.reactor.stop()
    }

    @Test("Whoever sends a message above the socket's limit is disconnected, alone")
    func oversize() async throws {
        let service = try await Service(EchoService.router(), .init(limits: .standard))
        let raw = RawSocket(connectedTo: service.server.endpoint)
        raw.send([UInt8](repeating: 0, count: 64 << 10 + 1))
        await service.settle { $0.disconnections == 1 }
        #expect(service.server.statistics.messagesReceived == 0)
        try await service.answers()
        await service.reactor.stop()
    }

    @Test("A record above its method's limit is refused though the socket lets it in")
    func methodLimit() async throws {
        let service = try await Service()
        let raw = RawSocket(connectedTo: service.server.endpoint)
        // The bytes of a large method's call under the number of a small one.
        var message = try Self.request(
            EchoService.big, EchoMessage(1, String(repeating: "x", count: 100_000)), callID: 5)
        withUnsafeBytes(of: EchoService.inline.descriptor.id.littleEndian) { message.replaceSubrange(8..<12, with: $0) }
        raw.send(message)
        #expect(try Self.read(await raw.receive()[0]).refusal?.reason == "call.too_large")
        #expect(service.server.statistics.tooLarge == 1)
        await service.reactor.stop()
    }

    @Test("A call that arrives without time left is not started")
    func expired() async throws {
        let service = try await Service()
        let raw = RawSocket(connectedTo: service.server.endpoint)
        var message = try Self.request(EchoService.inline, EchoMessage(1), callID: 5)
        message.replaceSubrange(56..<60, with: [0, 0, 0, 0])
        raw.send(message)
        let refusal = try Self.read(await raw.receive()[0]).refusal
        #expect(refusal?.status == .deadlineExceeded)
        #expect(refusal?.reason == "call.deadline_exceeded")
        #expect(service.server.statistics.expired == 1)
        await service.reactor.stop()
    }

    @Test("A key that is too short is refused by name")
    func shortKey() async throws {
        let service = try await Service()
        let raw = RawSocket(connectedTo: service.server.endpoint)
        var message = try Self.request(EchoService.inline, EchoMessage(1), callID: 5)
        message.insert(contentsOf: Array("short".utf8), at: 72)
        message[6] = 5
        raw.send(message)
        #expect(try Self.read(await raw.receive()[0]).refusal?.reason == "call.key_malformed")
        await service.reactor.stop()
    }

    @Test("A port in use is refused with its name and what to do")
    func portInUse() async throws {
        let service = try await Service()
        let endpoint = service.server.endpoint
        let error = await #expect(throws: RPCError.self) {
            try await ZeroMQServer.start(on: service.reactor, endpoint: endpoint, router: Router())
        }
        #expect(error?.reason == "server.endpoint_in_use")
        #expect(error?.message.contains(endpoint) == true)
        await service.reactor.stop()
    }

    @Test(
        "An endpoint that cannot be, or that other machines reach, is refused",
        arguments: [
            ("tcp://0.0.0.0:1", "server.endpoint_not_local"), ("tcp://*:1", "server.endpoint_not_local"),
            ("tcp://10.0.0.1:1", "server.endpoint_not_local"), ("tcp://127.evil:1", "server.endpoint_not_local"),
            ("tcp://127.0.0.1", "call.endpoint_malformed"), ("tcp://:1", "call.endpoint_malformed"),
            ("tcp://127.0.0.1:70000", "call.endpoint_malformed"), ("http://a:1", "call.endpoint_malformed"),
            ("ipc://", "call.endpoint_malformed"), ("", "call.endpoint_malformed"),
            ("ipc:///no/such/directory/socket", "server.endpoint_unusable"),
        ])
    func endpoints(_ endpoint: String, _ reason: String) async throws {
        let reactor = try Reactor.start(logger: .quiet)
        let error = await #expect(throws: RPCError.self) {
            try await ZeroMQServer.start(on: reactor, endpoint: endpoint, router: Router())
        }
        #expect(error?.reason == reason)
        await reactor.stop()
    }

    @Test("A peer that never reads loses its own replies and holds up nobody")
    func deafPeer() async throws {
        let service = try await Service(
            EchoService.router(), .init(sendQueueMessages: 4, backlogBytesPerPeer: 1 << 20))
        let deaf = RawSocket(connectedTo: service.server.endpoint, receiveQueueMessages: 1)
        for callID in 0..<600 as Range<UInt64> {
            deaf.send(try Self.request(EchoService.grow, EchoMessage(60_000), callID: callID))
        }
        await service.settle { $0.droppedReplies > 0 }
        try await service.answers()
        await service.reactor.stop()
    }

    @Test("Replies to a peer that left are dropped and counted")
    func departedPeer() async throws {
        let gate = Gate()
        let service = try await Service(EchoService.router(gate: gate))
        do {
            let raw = RawSocket(connectedTo: service.server.endpoint)
            raw.send(try Self.request(EchoService.held, EchoMessage(1), callID: 1))
            await gate.arrival(of: 1)
        }
        await service.settle { $0.disconnections == 1 }
        gate.open()
        await service.settle { $0.droppedReplies == 1 }
        #expect(service.server.statistics.inFlight == 0)
        try await service.answers()
        await service.reactor.stop()
    }

    @Test("Shutting down answers what is in flight, refuses what is new, and then closes")
    func drain() async throws {
        let gate = Gate()
        let service = try await Service(EchoService.router(gate: gate))
        let held = Task { try await service.channel.call(EchoService.held, EchoMessage(7), .test()) }
        await gate.arrival(of: 1)
        let shutDown = Task { await service.server.shutDown(graceMilliseconds: 60_000) }
        // A keyed write without its key is not sent again, so the refusal is seen as soon as the server drains.
        var refusal: RPCError?
        while refusal == nil {
            do {
                _ = try await service.channel.call(EchoService.context, EchoMessage(), .test())
            } catch { refusal = error }
        }
        #expect(refusal?.status == .unavailable)
        #expect(refusal?.reason == "server.draining")
        #expect(service.vitals.statistics.isDraining)
        #expect(service.vitals.statistics.counters.contains { $0 == ("in_flight", 1) })
        // Whoever watches is answered to the end.
        let health = try await service.channel.call(EchoService.health, EchoMessage(3), .test())
        #expect(health.number == 3)
        gate.open()
        #expect(try await held.value.number == 7)
        await shutDown.value
        await service.server.shutDown()
        await service.reactor.stop()
    }

    @Test("Shutting down waits no longer than the grace period")
    func grace() async throws {
        let gate = Gate()
        let service = try await Service(EchoService.router(gate: gate))
        let held = Task {
            try await service.channel.call(EchoService.held, EchoMessage(7), .test())
        }
        await gate.arrival(of: 1)
        await service.server.shutDown(graceMilliseconds: 20)
        let error = await #expect(throws: RPCError.self) { try await held.value }
        #expect(error?.reason == "call.outcome_unknown")
        // The handler's answer finds no socket any more, and does no harm.
        gate.open()
        await service.reactor.stop()
    }
}
