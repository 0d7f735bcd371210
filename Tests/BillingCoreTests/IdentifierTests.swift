import BillingCore
import Testing

@Suite("Ids and partitions") struct IdentifierTests {
    @Test("Partitions are pinned: stored keys depend on them")
    func partitions() {
        #expect(FNV1a.hash64("".utf8) == 0xcbf2_9ce4_8422_2325)
        #expect(FNV1a.hash64("a".utf8) == 0xaf63_dc4c_8601_ec8c)
        #expect(FNV1a.hash32("foobar".utf8) == 0xbf9c_f968)
        #expect(Partition.of("acct-1") == Int(FNV1a.hash64("acct-1".utf8) & 255))
    }

    @Test("An id has its kind's prefix and nothing but lowercase letters, digits and hyphens")
    func identifiers() throws {
        #expect(try AccountID("acct-0k7v").text == "acct-0k7v")
        #expect(AccountID(from: RandomIdentifierGenerator()).text.utf8.count == 21)
        for text in ["", "acct-", "ord-1", "acct-A", "acct-é", "acct-'", "acct-" + String(repeating: "x", count: 60)] {
            #expect(throws: IdentifierError.malformed(text, prefix: "acct-")) { try AccountID(text) }
        }
    }
}
