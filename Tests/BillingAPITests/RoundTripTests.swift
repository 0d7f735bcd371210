import BillingAPI
import RPC
import Testing

@Suite("Coding of every message") struct RoundTripTests {
    @Test("A decoded message equals the one that was encoded, and encodes to the same bytes and fingerprint")
    func roundTrip() throws {
        func check<Message: Sampled>(_ type: Message.Type) throws {
            for seed in 1...40 as ClosedRange<UInt64> {
                let message = Message.sample(seed: seed)
                let bytes = message.encoded()
                let decoded = try Message(wire: bytes)
                #expect(decoded == message, "\(Message.messageName), seed \(seed)")
                #expect(decoded.encoded() == bytes, "\(Message.messageName), seed \(seed)")
                #expect(decoded.fingerprint == message.fingerprint, "\(Message.messageName), seed \(seed)")
            }
        }
        for type in sampledMessages { try check(type) }
    }

    @Test("The bytes are those of Google's implementation, and its bytes decode to the same value")
    func foreign() throws {
        func check<Message: Sampled>(_ type: Message.Type, _ seed: UInt64, _ bytes: [UInt8]) throws {
            let message = Message.sample(seed: seed)
            #expect(message.encoded() == bytes, "\(Message.messageName), seed \(seed)")
            #expect(try Message(wire: bytes) == message, "\(Message.messageName), seed \(seed)")
        }
        let byName = Dictionary(uniqueKeysWithValues: sampledMessages.map { ($0.messageName, $0) })
        var checked: Set<String> = []
        for line in foreignBytes.split(separator: "\n") {
            let parts = line.split(separator: " ", omittingEmptySubsequences: false)
            let name = String(parts[0])
            let type = try #require(byName[name])
            try check(type, try #require(UInt64(parts[1])), parts.count > 2 ? bytes(hexadecimal: parts[2]) : [])
            checked.insert(name)
        }
        #expect(checked == Set(byName.keys))
    }

    @Test("Different values have different fingerprints")
    func fingerprints() {
        func check<Message: Sampled>(_ type: Message.Type) {
            let messages = (1...40).map { Message.sample(seed: $0) }
            #expect(Set(messages.map(\.fingerprint)).count == Set(messages).count, "\(Message.messageName)")
        }
        for type in sampledMessages { check(type) }
    }

    @Test("A default value takes no bytes, and no bytes are a default value unless a request must choose an enum")
    func defaults() {
        func check<Message: Sampled>(_ type: Message.Type) {
            #expect(Message().encoded().isEmpty, "\(Message.messageName)")
            do throws(RPCError) {
                #expect(try Message(wire: []) == Message(), "\(Message.messageName)")
            } catch {
                #expect(error.reason == "field.enum_unspecified", "\(Message.messageName)")
                #expect(Message.messageName.hasSuffix("Request"))
            }
        }
        for type in sampledMessages { check(type) }
    }

    @Test("A message is appended to what the buffer holds")
    func appending() throws {
        var buffer = WireBuffer(capacity: 64)
        let message = PricingV1.QuoteRequest(specification: "acp.basic.small", region: "cn-hangzhou", instances: 3)
        for _ in 0..<5 { message.encode(into: &buffer) }
        let one = message.encoded()
        let all = buffer.withUnsafeBytes { Array($0) }
        #expect(all == Array(repeatElement(one, count: 5).joined()))
    }

    @Test("Text may hold any characters but NUL, of any length")
    func texts() throws {
        for text in ["", "é", "漢字🙂", "\u{10ffff}", "e\u{301}", String(repeating: "漢", count: 20000)] {
            let message = OrderV1.OpenAccountRequest(name: text)
            #expect(try OrderV1.OpenAccountRequest(wire: message.encoded()) == message)
        }
    }

    @Test("A batch of 4,096 slices comes back whole", arguments: [0, 1, 256, 4096])
    func batch(slices: Int) throws {
        var random = SampleGenerator(seed: 7)
        var batch = OrderV1.PostUsageRequest(cutAt: 1_775_000_000_000)
        for index in 0..<slices {
            batch.resource.append(UInt32(index))
            batch.start.append(random.signed())
            batch.end.append(random.signed())
            batch.price.append(random.unsigned())
            batch.grossMicros.append(random.signed())
            batch.resources.append(OrderV1.UsageResource.sample(&random))
        }
        #expect(try OrderV1.PostUsageRequest(wire: batch.encoded()) == batch)
    }

    private func bytes(hexadecimal text: some StringProtocol) -> [UInt8] {
        let digits = text.utf8.map { UInt8($0 < 0x3a ? $0 - 0x30 : $0 - 0x57) }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
