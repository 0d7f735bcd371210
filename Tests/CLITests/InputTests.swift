import BillingAPI
import BillingCore
import Testing

@testable import billing

@Suite("What people type") struct InputTests {
    @Test(
        "Spans of time",
        arguments: [
            ("3h", 10_800_000), ("90m", 5_400_000), ("1d12h", 129_600_000), ("45s", 45_000), ("250ms", 250),
            ("1h30m", 5_400_000), ("", nil), ("0s", nil), ("3", nil), ("h", nil), ("-3h", nil), ("3 h", nil),
            ("1.5h", nil), ("99999999999999999999d", nil), ("36501d", 3_153_686_400_000), ("36601d", nil), ("٣h", nil),
        ] as [(String, Int64?)])
    func spans(text: String, milliseconds: Int64?) {
        #expect(DurationText.milliseconds(text) == milliseconds)
    }

    @Test(
        "Amounts that are none are refused by their text",
        arguments: ["0", "-5", "0.0000001", "1234567890123456789", "12345678901234567890", "twelve", "", "1e3", "1,5"])
    func amounts(text: String) {
        #expect(performing: { try Input.amount(text) }, throws: { "\($0)".contains("'\(text)'") })
    }

    @Test("An amount is read exactly")
    func amount() throws { #expect(try Input.amount("0.000001") == Money(micros: 1)) }

    @Test("A month is the half-open period of the billing time zone")
    func month() throws {
        let period = try Input.month("2026-02")
        #expect(period.start.description == "2026-01-31T16:00:00Z")
        #expect(period.end.description == "2026-02-28T16:00:00Z")
        for text in ["2026-13", "2026-2", "26-02", "2026", "2026-02-01", "1969-12", "9999-12"] {
            #expect(performing: { try Input.month(text) }, throws: { "\($0)".contains("'\(text)'") })
        }
    }

    @Test("Ids of another kind, instants, endpoints, counts and time-outs that are none are refused by their text")
    func refusals() {
        #expect(performing: { try Input.groupID("ord-1") }, throws: { "\($0)".contains("'ord-1'") })
        #expect(performing: { try Input.instanceIDs("acp-1,,acp-2") }, throws: { "\($0)".contains("''") })
        #expect(performing: { try Input.instant("2026-02-30") }, throws: { "\($0)".contains("'2026-02-30'") })
        #expect(performing: { try Input.endpoint("localhost") }, throws: { "\($0)".contains("'localhost'") })
        #expect(performing: { try Input.count("-1") }, throws: { "\($0)".contains("'-1'") })
        #expect(performing: { try Input.limit("0") }, throws: { "\($0)".contains("'0'") })
        #expect(performing: { try Input.timeout("0") }, throws: { "\($0)".contains("'0'") })
        #expect(performing: { try Input.key("short") }, throws: { "\($0)".contains("16 to 64") })
    }

    @Test("Global options may stand before the noun")
    func globalOptions() {
        #expect(
            GlobalOptions.moved(["--json", "--gateway", "ipc:///g", "price", "list"])
                == ["price", "list", "--json", "--gateway", "ipc:///g"])
        #expect(
            GlobalOptions.moved(["--timeout=2", "account", "top-up", "--", "-5"])
                == ["account", "top-up", "--timeout=2", "--", "-5"])
        #expect(GlobalOptions.moved(["price", "--json", "list"]) == ["price", "--json", "list"])
        #expect(GlobalOptions.moved(["--json", "--help"]) == ["--json", "--help"])
        #expect(GlobalOptions.moved(["--json"]) == ["--json"])
    }

    @Test("Words of enums go there and back")
    func words() {
        #expect(CommonV1.BillingMethod.payAsYouGo.word == "pay-as-you-go")
        #expect(CommonV1.BillingMethod(word: "pay-as-you-go") == .payAsYouGo)
        #expect(CommonV1.BillingMethod(word: "unspecified") == nil)
        #expect(OrderV1.ItemKind.payAsYouGoBill.word == "pay-as-you-go-bill")
        for type in Words.enums { check(type) }
    }

    private func check<Enumeration: WireEnum>(_ type: Enumeration.Type) {
        for value in type.allCases {
            #expect(value.wireName.hasPrefix(type.wirePrefix), "\(value.wireName)")
            #expect(Words.word(wireName: value.wireName) == value.word)
        }
    }
}
