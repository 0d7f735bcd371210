import BillingAPI
import BillingCore
import Testing

@testable import billing

@Suite("Output") struct OutputTests {
    @Test("Columns are aligned, numbers to the right, wide characters by the cells that they take")
    func table() {
        var table = Table(.text("name"), .number("count"), .money("amount"), .text("note"))
        table.add("a", "1", "1.00", "")
        table.add("云手机", "1,000", "-12.5025", "x")
        table.add("b", "-", "-", "y")
        #expect(
            table.text
                == "name    count    amount  note\na           1    1.0000\n云手机  1,000  -12.5025  x\n"
                + "b           -         -  y\n"
        )
    }

    @Test("Names cannot steer the terminal")
    func control() {
        #expect(PlainText.printable("a\u{1b}[31mb\nc\u{202e}d") == "a\u{fffd}[31mb\u{fffd}c\u{fffd}d")
        #expect(PlainText.printable("云 ü") == "云 ü")
    }

    @Test("JSON has the names of the schema; units move from names into values")
    func json() {
        let price = PricingV1.RegionalPrice(regionClass: .ml, monthlyNanos: 9_905_700_000, hourlyNanos: 45_700_000)
        #expect(
            JSONLine.text(price)
                == #"{"region_class":"ml","monthly":"9.905700000","hourly":"0.045700000"}"#)
        let transaction = OrderV1.LedgerTransaction(
            sequence: 3, at: 1_775_805_600_000, cause: .topUp, reference: "a\"\\\n\u{1}é",
            entries: [.init(ledgerAccount: .refundPayable, amountMicros: -1)], balanceAfterMicros: 5_388_000)
        #expect(
            JSONLine.text(transaction, isReplay: true)
                == #"{"sequence":3,"at":"2026-04-10T07:20:00Z","cause":"top-up","reference":"a\"\\\n\u0001é","#
                + #""entries":[{"ledger_account":"refund-payable","amount":"-0.000001"}],"balance_after":"5.388000","#
                + #""outstanding_after":"0.000000","replayed":true}"#)
        #expect(
            JSONLine.text(PricingV1.TermDiscount(months: 3, factorMillionths: 950_000))
                == #"{"months":3,"factor":"0.950000"}"#)
        let clock = GatewayV1.ClockReply(now: 0)
        #expect(
            JSONLine.text(clock)
                == #"{"mode":null,"now":null,"target":null,"started_at":null,"lines":0,"problem":""}"#)
    }

    @Test("Numbers and spans for people")
    func readable() {
        #expect(Readable.count(1_234_567) == "1,234,567")
        #expect(Readable.count(-1234) == "-1,234")
        #expect(Readable.count(999) == "999")
        #expect(Readable.count(1, "month") == "1 month")
        #expect(Readable.money(-16_100_000) == "-16.10")
        #expect(Readable.instant(1_775_805_600_000) == "2026-04-10 15:20:00")
        #expect(Readable.instant(0) == "-")
        #expect(Readable.elapsed(.milliseconds(14_250)) == "14.2 s")
        #expect(Readable.elapsed(.seconds(125)) == "2 min 05 s")
    }

    @Test("Audit findings of many slices are added up by rule; examples are bounded")
    func audit() {
        var findings: [CommonV1.AuditFinding] = []
        for slice in 0..<30 {
            Audit.add(
                .init(invariant: "M1", title: "sums", checked: 10, breaches: 1, examples: ["e\(slice)"]), to: &findings)
            Audit.add(.init(invariant: "M2", title: "covers", checked: 1), to: &findings)
        }
        #expect(findings.map(\.checked) == [300, 30])
        #expect(findings[0].breaches == 30)
        #expect(findings[0].examples.count == 10)
        #expect(throws: CommandFailure.self) { try Audit.require(findings) }
        #expect(throws: Never.self) { try Audit.require([findings[1]]) }
    }
}
