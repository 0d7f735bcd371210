import BillingCore
import BillingTestKit
import RPC
import Testing

@Suite("What every transport does", .serialized, .timeLimit(.minutes(5)))
struct TransportContractTests {
    @Test("A handler's answer reaches the caller, whether it waits or not", arguments: TransportKind.allCases)
    func echo(_ kind: TransportKind) async throws {
        try await TransportUnderTest.with(kind) { transport in
            for method in [EchoService.inline, EchoService.waiting, EchoService.big] {
                let reply = try await transport.channel.call(method, EchoMessage(7, "grüße"), .test())
                #expect(reply.message == EchoMessage(7, "grüße"))
                #expect(!reply.isReplay && reply.effectiveAt == nil)
            }
            #expect(await transport.counts { $0.calls == 3 })
        }
    }

    @Test(
        "A refusal arrives with status, reason, message, field, value and replayed", arguments: TransportKind.allCases)
    func refusal(_ kind: TransportKind) async throws {
        try await TransportUnderTest.with(kind) { transport in
            await #expect(throws: EchoService.refusal) {
                try await transport.channel.call(EchoService.refuse, EchoMessage(), .test())
            }
        }
    }

    @Test("Account, key, epoch, trace and instant pass both ways", arguments: TransportKind.allCases)
    func context(_ kind: TransportKind) async throws {
        try await TransportUnderTest.with(kind) { transport in
            let options = CallOptions(
                account: "acct-0k7v2m9q4x1c8r5t", key: try IdempotencyKey("key-0123456789abcdef"),
                effectiveAt: Timestamp(milliseconds: 1_700_000_000_123), epoch: 42, traceID: 99,
                deadline: .after(milliseconds: 120_000))
            let reply = try await transport.channel.call(EchoService.context, EchoMessage(), options)
            #expect(
                reply.message
                    == EchoMessage(
                        42, "acct-0k7v2m9q4x1c8r5t key-0123456789abcdef 99 local billing.test.Echo/Context true"))
            #expect(reply.isReplay)
            #expect(reply.effectiveAt == Timestamp(milliseconds: 1_700_000_000_124))
        }
    }

    @Test("10,000 calls at once each get their own answer", arguments: TransportKind.allCases)
    func crowd(_ kind: TransportKind) async throws {
        try await TransportUnderTest.with(kind) { transport in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<10_000 as Range<Int64> {
                    let method = number % 2 == 0 ? EchoService.inline : EchoService.waiting
                    group.addTask {
                        try await transport.channel.call(method, EchoMessage(number), .test()).number == number
                    }
                }
                for try await isMine in group { #expect(isMine) }
            }
            await transport.settle { $0.inFlight == 0 }
        }
    }

    @Test("When the deadline passes the outcome is unknown and says so", arguments: TransportKind.allCases)
    func deadline(_ kind: TransportKind) async throws {
        let gate = Gate()
        try await TransportUnderTest.with(kind, EchoService.router(gate: gate)) { transport in
            // Connected before the time starts to count.
            _ = try await transport.channel.call(EchoService.inline, EchoMessage(), .test())
            let error = await #expect(throws: RPCError.self) {
                try await transport.channel.call(EchoService.held, EchoMessage(), .test(milliseconds: 1000))
            }
            #expect(error?.status == .deadlineExceeded)
            #expect(error?.reason == "call.deadline_exceeded")
            gate.open()
            // The late answer is dropped, and the channel goes on.
            let other = try await transport.channel.call(EchoService.inline, EchoMessage(1), .test())
            #expect(other.number == 1)
            await transport.settle { $0.inFlight == 0 }
        }
    }

    @Test("What a handler says when its time is over still reaches its caller", arguments: TransportKind.allCases)
    func lastWord(_ kind: TransportKind) async throws {
        try await TransportUnderTest.with(kind) { transport in
            _ = try await transport.channel.call(EchoService.inline, EchoMessage(), .test())
            // The last word has 100 ms, which a machine that others slow down may not grant it each time.
            var reply: Response<EchoMessage>?
            for _ in 0..<5 where reply == nil {
                reply = try? await transport.channel.call(EchoService.late, EchoMessage(7), .test(milliseconds: 2000))
            }
            #expect(reply?.number == 7)
        }
    }

    @Test("A call whose time is over is not sent", arguments: TransportKind.allCases)
    func over(_ kind: TransportKind) async throws {
        try await TransportUnderTest.with(kind) { transport in
            let error = await #expect(throws: RPCError.self) {
                try await transport.channel.call(EchoService.inline, EchoMessage(), .test(milliseconds: 0))
            }
            #expect(error?.status == .unavailable)
            #expect(transport.statistics().calls == 0)
        }
    }

    @Test("An account that no header can carry is refused before anything is sent", arguments: TransportKind.allCases)
    func accountMalformed(_ kind: TransportKind) async throws {
        try await TransportUnderTest.with(kind) { transport in
            for account in ["acct 1", "acct-ü", "acct-" + String(repeating: "1", count: 60)] {
                let options = CallOptions(account: account, deadline: .after(milliseconds: 120_000))
                let error = await #expect(throws: RPCError.self) {
                    try await transport.channel.call(EchoService.inline, EchoMessage(), options)
                }
                #expect(error?.reason == "call.account_malformed")
                #expect(error?.value == account)
            }
            let longest = CallOptions(
                account: "acct-" + String(repeating: "1", count: 59), deadline: .after(milliseconds: 120_000))
            _ = try await transport.channel.call(EchoService.inline, EchoMessage(), longest)
            #expect(await transport.counts { $0.calls == 1 })
        }
    }

    @Test("A cancelled task stops waiting", arguments: TransportKind.allCases)
    func cancellation(_ kind: TransportKind) async throws {
        let gate = Gate()
        try await TransportUnderTest.with(kind, EchoService.router(gate: gate)) { transport in
            let task = Task {
                try await transport.channel.call(EchoService.held, EchoMessage(), .test())
            }
            await gate.arrival(of: 1)
            task.cancel()
            let error = await #expect(throws: RPCError.self) { try await task.value }
            #expect(error?.status == .cancelled)
            #expect(error?.reason == "call.cancelled")
            gate.open()
            await transport.settle { $0.inFlight == 0 }
        }
    }

    @Test(
        "Too many calls in flight are refused with the time after which to try again", arguments: TransportKind.allCases
    )
    func overload(_ kind: TransportKind) async throws {
        let gate = Gate()
        let admission = Admission(callsPerPeer: 3, callsPerServer: 100, retryAfterMilliseconds: 15)
        try await TransportUnderTest.with(kind, EchoService.router(gate: gate), admission: admission) { transport in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<3 as Range<Int64> {
                    group.addTask {
                        _ = try await transport.channel.call(EchoService.held, EchoMessage(number), .test())
                    }
                }
                await gate.arrival(of: 3)
                // Without a key the method may not be sent again, so the refusal is seen at once.
                let error = await #expect(throws: RPCError.self) {
                    try await transport.channel.call(EchoService.held, EchoMessage(), .test())
                }
                #expect(error?.status == .resourceExhausted)
                #expect(error?.reason == "call.overloaded")
                #expect(error?.retryAfterMilliseconds == 15)
                // What never waits is answered all the same.
                let other = try await transport.channel.call(EchoService.inline, EchoMessage(1), .test())
                #expect(other.number == 1)
                // With a key it is sent again until there is room.
                group.addTask {
                    _ = try await transport.channel.call(
                        EchoService.held, EchoMessage(), .test(key: IdempotencyKey("key-0123456789abcdef")))
                }
                await transport.settle { $0.overloaded >= 3 }
                gate.open()
                try await group.waitForAll()
            }
        }
    }

    @Test("An unknown method is refused by its number", arguments: TransportKind.allCases)
    func unknownMethod(_ kind: TransportKind) async throws {
        try await TransportUnderTest.with(kind) { transport in
            let error = await #expect(throws: RPCError.self) {
                try await transport.channel.call(EchoService.unknown, EchoMessage(), .test())
            }
            #expect(error?.status == .unimplemented)
            #expect(error?.reason == "call.unknown_method")
            #expect(error?.value == "0x" + String(EchoService.unknown.descriptor.id, radix: 16))
            #expect(await transport.counts { $0.unknownMethods == 1 })
        }
    }

    @Test(
        "An error of another kind is told as internal, with the call's id and no detail",
        arguments: TransportKind.allCases)
    func internalError(_ kind: TransportKind) async throws {
        try await TransportUnderTest.with(kind) { transport in
            let error = await #expect(throws: RPCError.self) {
                try await transport.channel.call(EchoService.fail, EchoMessage(), .test())
            }
            #expect(error?.status == .internalError)
            #expect(error?.reason == "call.internal")
            #expect(error?.message.contains("Failure") == false)
            #expect(await transport.counts { $0.internalErrors == 1 })
        }
    }

    @Test("A body up to the method's limit passes and a larger one is not sent", arguments: TransportKind.allCases)
    func size(_ kind: TransportKind) async throws {
        try await TransportUnderTest.with(kind) { transport in
            for (method, limit) in [(EchoService.inline, 64 << 10), (EchoService.big, 4 << 20)] {
                let largest = EchoMessage(1, String(repeating: "x", count: limit - 72 - 8))
                let reply = try await transport.channel.call(method, largest, .test())
                #expect(reply.message == largest)
                let error = await #expect(throws: RPCError.self) {
                    try await transport.channel.call(method, EchoMessage(1, largest.text + "x"), .test())
                }
                #expect(error?.status == .invalidArgument)
                #expect(error?.reason == "call.too_large")
            }
            #expect(transport.statistics().tooLarge == 0)
        }
    }

    @Test("An answer above the method's limit becomes a refusal", arguments: TransportKind.allCases)
    func replySize(_ kind: TransportKind) async throws {
        try await TransportUnderTest.with(kind) { transport in
            let error = await #expect(throws: RPCError.self) {
                try await transport.channel.call(EchoService.grow, EchoMessage(64 << 10), .test())
            }
            #expect(error?.reason == "call.reply_too_large")
            let other = try await transport.channel.call(EchoService.inline, EchoMessage(1), .test())
            #expect(other.number == 1)
        }
    }

    @Test(
        "A read that finds the service unavailable is repeated inside its deadline", arguments: TransportKind.allCases)
    func unavailable(_ kind: TransportKind) async throws {
        try await TransportUnderTest.with(kind) { transport in
            let reply = try await transport.channel.call(EchoService.flaky, EchoMessage(3), .test())
            #expect(reply.number == 4)
        }
    }

    @Test("A handler may call another service while it waits", arguments: TransportKind.allCases)
    func onward(_ kind: TransportKind) async throws {
        let behind = try await TransportUnderTest.start(kind, EchoService.router())
        try await TransportUnderTest.with(kind, EchoService.router(onward: behind.channel)) { front in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<200 as Range<Int64> {
                    group.addTask {
                        try await front.channel.call(EchoService.onward, EchoMessage(number), .test()).number == number
                    }
                }
                for try await isMine in group { #expect(isMine) }
            }
        }
        await behind.stop()
    }
}

extension TransportUnderTest {
    /// Whether the server comes to count so within 10 s: it tells what it counted when its turn is over, which may be after
    /// the reply arrived.
    fileprivate func counts(_ expected: (ServerStatistics) -> Bool) async -> Bool {
        let deadline = Deadline.after(milliseconds: 10_000)
        while !expected(statistics()) {
            guard !deadline.hasPassed else { return false }
            await Task.yield()
        }
        return true
    }
}
