import Testing

@testable import BillingCore

@Suite("Ids of resources") struct ResourceIDTests {
    private struct Fixed: IdentifierGenerator {
        func next() -> String { "0123456789abcdef" }
    }

    @Test("The prefix tells the kind", arguments: ResourceKind.allCases)
    func kinds(kind: ResourceKind) throws {
        let id = ResourceID(kind, from: Fixed())
        #expect(id.text == kind.idPrefix + "0123456789abcdef")
        #expect(try ResourceID(id.text) == id)
        #expect(try ResourceID(id.text).kind == kind)
    }

    @Test("Items are the codes of price lists and bills")
    func items() {
        #expect(ResourceKind.allCases.map(\.item) == ["nat-gateway", "eip", "shared-bandwidth", "oss"])
    }

    @Test(
        "Other texts are refused by name", arguments: ["", "nat-", "ag-1", "NAT-1", "nat-A", "nat", "oss-é", "eip_1"])
    func malformed(text: String) {
        #expect(throws: IdentifierError.malformedResource(text)) { try ResourceID(text) }
        #expect(IdentifierError.malformedResource(text).message.contains("'\(text)'"))
        #expect(IdentifierError.malformedResource(text).value == text)
    }
}
