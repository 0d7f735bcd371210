import BillingAPI
import BillingCore
import RPC
import Testing

/// Bytes of a message, field by field.
struct Wire {
    var bytes: [UInt8] = []

    static func varint(_ value: UInt64) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        while rest > 0x7f {
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
        return bytes
    }

    func number(_ field: UInt64, _ value: UInt64) -> Wire {
        var longer = self
        longer.bytes += Self.varint(field << 3)
        longer.bytes += Self.varint(value)
        return longer
    }

    func blob(_ field: UInt64, _ content: [UInt8]) -> Wire {
        var longer = self
        longer.bytes += Self.varint(field << 3 | 2)
        longer.bytes += Self.varint(UInt64(content.count))
        longer.bytes += content
        return longer
    }
}

@Suite("Bytes from a peer that breaks the rules") struct HostileBytesTests {
    @Test("No prefix of a message crashes the decoder; a cut field is malformed")
    func prefixes() {
        func check<Message: Sampled>(_ type: Message.Type) {
            for seed in 1...4 as ClosedRange<UInt64> {
                let bytes = Message.sample(seed: seed).encoded()
                for length in 0..<min(bytes.count, 1500) { decode(Message.self, Array(bytes[..<length])) }
            }
        }
        for type in sampledMessages { check(type) }
    }

    @Test("No flipped bit crashes the decoder, and what it still accepts can be encoded")
    func flippedBits() {
        func check<Message: Sampled>(_ type: Message.Type) {
            var bytes = Message.sample(seed: 5).encoded()
            for index in 0..<min(bytes.count, 400) {
                for bit in 0..<8 {
                    bytes[index] ^= 1 << bit
                    decode(Message.self, bytes)
                    bytes[index] ^= 1 << bit
                }
            }
        }
        for type in sampledMessages { check(type) }
    }

    @Test("No random bytes crash the decoder")
    func garbage() {
        func check<Message: Sampled>(_ type: Message.Type) {
            for seed in 1...60 as ClosedRange<UInt64> {
                var random = SampleGenerator(seed: seed)
                decode(Message.self, (0..<random.below(64)).map { _ in UInt8(random.below(256)) })
            }
        }
        for type in sampledMessages { check(type) }
    }

    /// What a decoder accepts must be a value like any other; what it refuses it names.
    private func decode<Message: Sampled>(_ type: Message.Type, _ bytes: [UInt8]) {
        do throws(RPCError) {
            let message = try Message(wire: bytes)
            #expect(try Message(wire: message.encoded()) == message, "\(Message.messageName) \(bytes)")
        } catch {
            #expect(error.status == .invalidArgument)
            #expect(error.reason.hasPrefix("field.") || error.reason.hasPrefix("call."))
        }
    }

    @Test(
        "A body that is no message is refused as malformed",
        arguments: [
            [0x0a], [0x0a, 0x05, 0x61], [0x08], [0xff, 0xff, 0xff], [0x0b], [0x0f], [0x00, 0x00],
            // A text that claims 2^31 - 1, 2^32 - 1 and 2^63 - 1 bytes.
            [0x0a, 0xff, 0xff, 0xff, 0xff, 0x07], [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
            [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            // A number of eleven bytes.
            [0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
        ] as [[UInt8]])
    func malformed(bytes: [UInt8]) {
        refused(PricingV1.QuoteRequest.self, bytes, "call.malformed")
    }

    @Test(
        "Text with a NUL is refused with its field, never cut short",
        arguments: [
            ([0x41, 0x00, 0x42], "A\\x00B"), ([0x00], "\\x00"), ([0x41, 0x00], "A\\x00"),
        ] as [([UInt8], String)])
    func embeddedNUL(text: [UInt8], value: String) {
        refused(OrderV1.OpenAccountRequest.self, Wire().blob(1, text).bytes, "field.embedded_nul", "name", value)
    }

    @Test("A caller's own text with a NUL reaches the wire whole, so that the service refuses it")
    func outgoingNUL() {
        let bytes = OrderV1.OpenAccountRequest(name: "A\0B").encoded()
        #expect(bytes == Wire().blob(1, [0x41, 0x00, 0x42]).bytes)
        refused(OrderV1.OpenAccountRequest.self, bytes, "field.embedded_nul", "name", "A\\x00B")
    }

    @Test(
        "Text that is not UTF-8 is refused, never repaired",
        arguments: [
            [0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x61, 0x80],
        ] as [[UInt8]])
    func notUTF8(text: [UInt8]) {
        refused(OrderV1.OpenAccountRequest.self, Wire().blob(1, text).bytes, "field.not_utf8", "name")
    }

    @Test("A long offending text is shortened in the refusal")
    func shortened() {
        var text = [UInt8](repeating: 0x61, count: 5000)
        text.append(0)
        refused(
            OrderV1.OpenAccountRequest.self, Wire().blob(1, text).bytes, "field.embedded_nul", "name",
            String(repeating: "a", count: 48) + "…")
    }

    @Test("A refusal names the path of the field, through messages and lists")
    func paths() {
        let bad = Wire().blob(1, [0xff]).bytes
        let good = Wire().blob(1, [0x61]).bytes
        // CheckReply.counters[2].name
        refused(
            CommonV1.CheckReply.self, Wire().blob(5, good).blob(5, good).blob(5, bad).bytes, "field.not_utf8",
            "counters[2].name", "\\xff")
        // AuditFinding.examples[1]
        refused(
            CommonV1.AuditFinding.self, Wire().blob(5, [0x61]).blob(5, [0]).bytes, "field.embedded_nul",
            "examples[1]", "\\x00")
        // PlaceOrderRequest.quote.region_class
        refused(
            OrderV1.PlaceOrderRequest.self, Wire().number(1, 1).blob(5, Wire().number(4, 77).bytes).bytes,
            "field.unknown_enum", "quote.region_class", "77")
        // ListPricesReply.specifications[0].prices[1].region_class
        let prices = Wire().blob(6, []).blob(6, Wire().number(1, 9).bytes).bytes
        refused(
            PricingV1.ListPricesReply.self, Wire().blob(3, prices).bytes, "field.unknown_enum",
            "specifications[0].prices[1].region_class", "9")
    }

    @Test(
        "A number that the enum does not have is refused with the known names",
        arguments: [
            (4, "4"), (99, "99"), (UInt64(bitPattern: -1), "-1"), (0x7fff_ffff, "2147483647"),
        ] as [(UInt64, String)])
    func unknownEnum(number: UInt64, value: String) {
        let error = refused(
            OrderV1.PlaceOrderRequest.self, Wire().number(1, number).bytes, "field.unknown_enum", "kind", value)
        #expect(error?.message.contains("ORDER_KIND_SWITCH") == true)
        #expect(error?.message.contains("ORDER_KIND_UNSPECIFIED") == false)
    }

    @Test("A request must choose its enums; a reply and a field that may be unspecified need not")
    func unspecifiedEnum() throws {
        refused(OrderV1.PlaceOrderRequest.self, [], "field.enum_unspecified", "kind", "0")
        refused(OrderV1.PlaceOrderRequest.self, Wire().number(1, 0).bytes, "field.enum_unspecified", "kind", "0")
        refused(
            MeteringV1.ListGroupsRequest.self, Wire().blob(1, [1, 0]).bytes, "field.enum_unspecified", "statuses[1]",
            "0")
        #expect(try OrderV1.ListBillRequest(wire: []) == OrderV1.ListBillRequest())
        #expect(try CommonV1.CheckReply(wire: []).status == .unspecified)
    }

    @Test("Repeated fields are counted against the method's limit, packed or not")
    func tooMany() throws {
        let row = PricingV1.RateRequest(start: Array(repeating: 1, count: 257))
        refused(
            PricingV1.RateRequest.self, row.encoded(), "field.too_many", "start", "257", limits: .standard)
        #expect(try PricingV1.RateRequest(wire: row.encoded(), limits: .batch) == row)
        var unpacked = Wire()
        for _ in 0..<257 { unpacked = unpacked.number(3, 5) }
        refused(PricingV1.RateRequest.self, unpacked.bytes, "field.too_many", "start", "257", limits: .standard)
        let texts = CommonV1.AuditFinding(examples: Array(repeating: "", count: 257))
        refused(
            CommonV1.AuditFinding.self, texts.encoded(), "field.too_many", "examples", "257", limits: .standard)
        let messages = CommonV1.CheckReply(counters: Array(repeating: CommonV1.Counter(), count: 257))
        refused(
            CommonV1.CheckReply.self, messages.encoded(), "field.too_many", "counters", "257", limits: .standard)
        let allowed = CommonV1.AuditFinding(examples: Array(repeating: "", count: 256))
        #expect(try CommonV1.AuditFinding(wire: allowed.encoded(), limits: .standard) == allowed)
    }

    @Test("A body above the limits of bytes or of memory is refused as too large, and the next one is read")
    func tooLarge() throws {
        let small = WireLimits(messageBytes: 1 << 20, items: 100_000, arenaBytes: 64 << 10)
        // Two bytes each on the wire, and a struct of 48 bytes in memory.
        let flood = [UInt8](repeatElement([0x2a, 0x00], count: 20000).joined())
        refused(CommonV1.CheckReply.self, flood, "call.too_large", limits: small)
        let text = OrderV1.OpenAccountRequest(name: String(repeating: "x", count: 65 << 10))
        refused(OrderV1.OpenAccountRequest.self, text.encoded(), "call.too_large", limits: .standard)
        refused(OrderV1.OpenAccountRequest.self, text.encoded(), "call.too_large", limits: small)
        #expect(try OrderV1.OpenAccountRequest(wire: text.encoded(), limits: .batch) == text)
    }

    @Test("Every cap of the arena refuses cleanly or is enough")
    func everyCap() throws {
        let reply = MeteringV1.ListGroupsReply(
            groups: (1...30).map { MeteringV1.InstanceGroup.sample(seed: $0) }, nextCursor: "next")
        let bytes = reply.encoded()
        var accepted = 0
        for cap in stride(from: 0, through: 64 << 10, by: 64) {
            let limits = WireLimits(messageBytes: 1 << 20, items: 256, arenaBytes: cap)
            do throws(RPCError) {
                #expect(try MeteringV1.ListGroupsReply(wire: bytes, limits: limits) == reply)
                accepted += 1
            } catch {
                #expect(error.reason == "call.too_large")
                #expect(accepted == 0)
            }
        }
        #expect(accepted > 0)
    }

    @Test("Fields of a later version are passed over; of a repeated single field the last one holds")
    func laterVersions() throws {
        let bytes = Wire().blob(1, [0x61]).number(900, 7).blob(901, [1, 2, 3]).blob(1, [0x62]).bytes
        #expect(try OrderV1.OpenAccountRequest(wire: bytes) == OrderV1.OpenAccountRequest(name: "b"))
    }

    @Test("Threads decode at the same time without meeting")
    func threads() async {
        let messages = (1...20).map { MeteringV1.ListGroupsReply.sample(seed: $0) }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<200 {
                        for message in messages {
                            #expect((try? MeteringV1.ListGroupsReply(wire: message.encoded())) == message)
                        }
                    }
                }
            }
        }
    }

    @discardableResult
    private func refused<Message: Sampled>(
        _ type: Message.Type, _ bytes: [UInt8], _ reason: String, _ field: String = "", _ value: String = "",
        limits: WireLimits = .batch, sourceLocation: SourceLocation = #_sourceLocation
    ) -> RPCError? {
        do throws(RPCError) {
            let message = try Message(wire: bytes, limits: limits)
            Issue.record("accepted as \(message)", sourceLocation: sourceLocation)
            return nil
        } catch {
            #expect(error.status == .invalidArgument, sourceLocation: sourceLocation)
            #expect(error.reason == reason, sourceLocation: sourceLocation)
            #expect(error.field == field, sourceLocation: sourceLocation)
            if !value.isEmpty { #expect(error.value == value, sourceLocation: sourceLocation) }
            return error
        }
    }
}
