import BillingCore
import Testing

@testable import RPC

@Suite("The body of a refusal") struct ErrorBodyTests {
    private static func decode(_ bytes: [UInt8]) -> ErrorBody? { bytes.withUnsafeBytes { ErrorBody($0) } }

    private static func encode(_ body: ErrorBody) -> [UInt8] {
        var buffer = WireBuffer()
        body.encode(into: &buffer)
        return buffer.withUnsafeBytes { Array($0) }
    }

    @Test("It is the protobuf message billing.common.v1.Error")
    func layout() {
        let error = RPCError(.notFound, "a.b", "m", field: "f", value: "ü")
        let bytes: [UInt8] =
            [0x0a, 3] + Array("a.b".utf8) + [0x12, 1, 0x6d, 0x1a, 1, 0x66, 0x22, 2] + Array("ü".utf8)
        #expect(Self.encode(ErrorBody(error)) == bytes)
        #expect(Self.decode(bytes) == ErrorBody(error))
    }

    @Test("Texts are cut at a character", arguments: [0, 1, 2])
    func bounds(_ shift: Int) throws {
        let long = String(repeating: "a", count: shift) + String(repeating: "€", count: 2000)
        let body = ErrorBody(RPCError(.notFound, long, long, field: long, value: long))
        #expect(body.message.utf8.count <= 1024 && body.message.utf8.count > 1020)
        #expect(!body.message.contains("\u{fffd}"))
        #expect(Self.decode(Self.encode(body)) == body)
    }

    @Test(
        "Unknown fields are skipped, what is no protobuf or no UTF-8 is refused",
        arguments: [
            ([], true), ([0x28, 0x96, 0x01], true), ([0x2a, 1, 0], true), ([0x2d, 1, 2, 3, 4], true),
            ([0x29, 1, 2, 3, 4, 5, 6, 7, 8], true), ([0x0a], false), ([0x0a, 5, 1], false), ([0x0a, 1, 0xff], false),
            ([0x0b], false), ([0x00, 0x00], false), ([0x29, 1], false), ([0x80], false),
            ([0x0a] + [UInt8](repeating: 0xff, count: 9) + [1], false),
            ([0x28] + [UInt8](repeating: 0xff, count: 11), false),
        ] as [([UInt8], Bool)])
    func hostile(_ bytes: [UInt8], _ isAccepted: Bool) {
        #expect((Self.decode(bytes) != nil) == isAccepted)
    }
}

@Suite("Retries") struct RetryPolicyTests {
    private static let policy = RetryPolicy()

    @Test(
        "Only what may succeed a moment later is sent again, and only if it is safe",
        arguments: [
            (.unavailable, 0, true, true), (.unavailable, 0, false, false), (.resourceExhausted, 10, true, true),
            (.resourceExhausted, 0, true, false), (.failedPrecondition, 10, true, false),
            (.deadlineExceeded, 0, true, false), (.aborted, 0, true, false), (.internalError, 0, true, false),
        ] as [(Status, UInt32, Bool, Bool)])
    func refusals(_ status: Status, _ retryAfter: UInt32, _ isSafe: Bool, _ isRepeated: Bool) {
        var random = SplitMix(state: 1)
        let error = RPCError(status, "a.b", "", retryAfterMilliseconds: retryAfter)
        let pause = Self.policy.pause(afterRefusal: error, attempt: 1, isRetrySafe: isSafe, using: &random)
        #expect((pause != nil) == isRepeated)
        if let pause { #expect(pause >= Int64(retryAfter) * 1_000_000) }
    }

    @Test("After its last attempt a call is not sent again, lost or refused")
    func lastAttempt() {
        var random = SplitMix(state: 3)
        let refusal = RPCError(.unavailable, "a.b", "")
        let twice = RetryPolicy(maximumAttempts: 2)
        for (policy, attempt, isRepeated) in [(.never, 1, false), (twice, 1, true), (twice, 2, false)]
            as [(RetryPolicy, Int, Bool)]
        {
            let lost = policy.pause(afterAttempt: attempt, isRetrySafe: true, using: &random)
            let refused = policy.pause(afterRefusal: refusal, attempt: attempt, isRetrySafe: true, using: &random)
            #expect((lost != nil) == isRepeated)
            #expect((refused != nil) == isRepeated)
        }
        #expect(Self.policy.pause(afterAttempt: 1, isRetrySafe: false, using: &random) == nil)
    }

    @Test("Pauses have full jitter under a ceiling that doubles up to 2 s; attempts get longer up to 16 s")
    func growth() {
        var random = SplitMix(state: 2)
        for attempt in 1...100 {
            let ceilingMilliseconds: Int64 = attempt < 7 ? 50 << Int64(attempt - 1) : 2000
            let pause = Self.policy.pause(afterAttempt: attempt, isRetrySafe: true, using: &random)
            #expect((pause ?? .max) <= ceilingMilliseconds * 1_000_000)
        }
        #expect(
            [1, 2, 3, 4, 5, 6, 99].map { Self.policy.patienceMilliseconds(attempt: $0) } == [
                1000, 2000, 4000, 8000, 16_000, 16_000, 16_000,
            ])
    }
}

@Suite("Messages of several records") struct OutboxTests {
    @Test("Answers that are ready together share messages of at most 64 KiB; a larger one travels alone")
    func cuts() throws {
        var outbox = Outbox()
        for size in [100, 200, 65_000, 100, 200_000, 100, 100] {
            var request = RecordHeader(.request)
            request.callID = UInt64(size)
            try outbox.append(to: request, limits: .batch, bootID: 1) { buffer in
                buffer.append(byteCount: size) { $0.initializeMemory(as: UInt8.self, repeating: 1) }
                return Router.ReplyMarks(isReplay: false, effectiveAt: nil)
            }
        }
        var messages: [(bytes: Int, records: Int)] = []
        outbox.takeMessages { messages.append(($0.count, $1)) }
        #expect(messages.map(\.records) == [3, 1, 1, 2])
        #expect(messages.map(\.bytes) == [65_516, 172, 200_072, 344])
        let isEmpty = outbox.isEmpty
        #expect(isEmpty)
    }
}

@Suite("Counting instead of logging") struct LogThrottleTests {
    @Test("Five lines a second pass; the next one that does says how many did not")
    func lines() {
        var throttle = LogThrottle()
        let start = MonotonicTime.now
        let told = (0..<8).map { throttle.admit(at: start.advanced(milliseconds: 100 * $0)) }
        #expect(told == [0, 0, 0, 0, 0, nil, nil, nil])
        #expect(throttle.admit(at: start.advanced(milliseconds: 1000)) == 3)
    }
}
