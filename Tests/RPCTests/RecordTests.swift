import BillingCore
import BillingTestKit
import RPC
import Testing

@Suite("Records") struct RecordTests {
    private static let method = Method<EchoMessage, EchoMessage>("billing.test.Echo/Inline", .read)

    /// A valid message with one request.
    private static func message() throws -> [UInt8] {
        let options = CallOptions(
            account: "acct-1", key: try IdempotencyKey("key-0123456789abcdef"),
            effectiveAt: Timestamp(milliseconds: 1_700_000_000_000), epoch: 3, traceID: 0x0102_0304_0506_0708,
            deadline: .after(milliseconds: 1000))
        var buffer = try WireBuffer.calling(method, EchoMessage(5, "hi"), options)
        buffer.setBudget(milliseconds: 1500, callID: 0x1122_3344_5566_7788, ofRecordAt: 0)
        return buffer.withUnsafeBytes { Array($0) }
    }

    @Test("The bytes of a request are those that Proto/README.md describes")
    func layout() throws {
        let id = Self.method.descriptor.id
        var expected: [UInt8] = [0x11, 0xb1, 1, 1, 0, 0, 20, 0]
        expected += [UInt8(id & 255), UInt8(id >> 8 & 255), UInt8(id >> 16 & 255), UInt8(id >> 24), 10, 0, 0, 0]
        expected += [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]
        expected += [0x00, 0x68, 0xe5, 0xcf, 0x8b, 0x01, 0, 0]
        expected += [3, 0, 0, 0, 0, 0, 0, 0] + [8, 7, 6, 5, 4, 3, 2, 1] + [UInt8](repeating: 0, count: 8)
        expected += [0xdc, 0x05, 0, 0] + [0, 0, 0, 0] + [6, 0] + [0, 0, 0, 0, 0, 0]
        expected +=
            Array("key-0123456789abcdef".utf8) + Array("acct-1".utf8) + [5, 0, 0, 0, 0, 0, 0, 0] + Array("hi".utf8)
        #expect(try Self.message() == expected)
    }

    /// Everything that a reader makes of a message.
    private static func read(_ message: [UInt8]) -> (records: Int, faults: [RecordFault]) {
        message.withUnsafeBytes { bytes in
            var reader = RecordReader(bytes)
            var (records, faults) = (0, [RecordFault]())
            while true {
                do throws(RecordFault) {
                    guard try reader.next() != nil else { return (records, faults) }
                    records += 1
                } catch { faults.append(error) }
            }
        }
    }

    @Test("Every prefix of a request is refused, and answered as soon as its call id is there")
    func prefixes() throws {
        let message = try Self.message()
        for length in 0..<message.count {
            let (records, faults) = Self.read(Array(message.prefix(length)))
            #expect(records == 0 && faults.count == 1)
            #expect(faults.first?.origin?.callID == (length >= 24 ? 0x1122_3344_5566_7788 : nil), "prefix \(length)")
        }
        #expect(Self.read(message).records == 1)
    }

    @Test("No flipped bit makes the server stop, or answer anything but the call it can read")
    func flippedBits() async throws {
        let message = try Self.message()
        var router = Router()
        router.handle(Self.method) { request, _ in Response(request) }
        let server = InProcessServer(router: router)
        for bit in 0..<message.count * 8 {
            var flipped = message
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            let (records, faults) = Self.read(flipped)
            #expect(records + faults.count >= 1, "bit \(bit)")
            #expect(server.answers(to: flipped).count <= 1, "bit \(bit)")
        }
        #expect(server.statistics.messagesReceived == UInt64(message.count * 8))
    }

    @Test("Garbage of any length is counted", arguments: 0..<64)
    func garbage(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        let bytes = (0..<Int.random(in: 0...600, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        let server = InProcessServer(router: Router())
        #expect(server.answers(to: bytes) == [])
        #expect(server.statistics.malformed == 1)
    }

    @Test(
        "A header that breaks a rule is refused by that rule",
        arguments: [
            (0, 0x12, .foreignMagic(0xb112)), (2, 2, .unknownVersion(2)), (3, 3, .unknownKind(3)),
            (4, 2, .unknownFlags(2)), (66, 1, .reservedNotZero), (71, 1, .reservedNotZero),
            (12, 11, .pastTheEnd(claimed: 109, available: 108)), (73, 0x20, .keyNotPrintable),
            (92, 0x7f, .accountNotPrintable), (31, 0x80, .instantOutOfRange(.min + 1_700_000_000_000)),
        ] as [(Int, UInt8, RecordFault.Problem)])
    func rules(_ offset: Int, _ byte: UInt8, _ problem: RecordFault.Problem) throws {
        var message = try Self.message()
        message[offset] = byte
        #expect(Self.read(message).faults.map(\.problem) == [problem])
    }

    @Test("A record with a bad text does not hide the next one")
    func next() throws {
        let message = try Self.message()
        var bad = message
        bad[80] = 7
        let (records, faults) = Self.read(bad + message)
        #expect(records == 1)
        #expect(faults.map(\.problem) == [.keyNotPrintable])
    }

    @Test("A malformed call is answered with call.malformed under its id")
    func answer() throws {
        var message = try Self.message()
        message[2] = 9
        let answers = InProcessServer(router: Router()).answers(to: message)
        #expect(answers.count == 1)
        answers[0].withUnsafeBytes { bytes in
            var reader = RecordReader(bytes)
            let record = try? reader.next()
            #expect(record?.header.callID == 0x1122_3344_5566_7788)
            #expect(record.map { RPCError(refusal: $0).reason } == "call.malformed")
        }
    }
}

/// A small generator whose numbers a seed repeats.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
