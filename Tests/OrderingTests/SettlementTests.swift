import BillingAPI
import BillingCore
import Testing

@testable import Ordering

@Suite("Settlement") struct SettlementTests {
    @Test(
        "Lines are paid in order while there is money, the last one in part",
        arguments: [
            ("1.00", ["0.4724", "0.4724", "0.4724"], ["0.4724", "0.4724", "0.0552"], "0.4172", "0.0000"),
            ("0", ["0.4724"], ["0"], "0.4724", "0"),
            ("1.00", ["0.25", "0", "0.25"], ["0.25", "0", "0.25"], "0", "0.50"),
            ("1.00", [], [], "0", "1.00"),
            ("0.000001", ["0.000002", "0.000001"], ["0.000001", "0"], "0.000002", "0"),
        ])
    func settling(_ funds: String, _ lines: [String], _ paid: [String], _ outstanding: String, _ left: String) throws {
        var settlement = Settlement(funds: try Money(funds))
        let shares = try lines.map { try settlement.settle(Money($0)).paid }
        let expected = try paid.map { try Money($0) }
        #expect(shares == expected)
        #expect(settlement.outstanding == (try Money(outstanding)))
        #expect(settlement.funds == (try Money(left)))
        #expect(settlement.funds + settlement.paid == (try Money(funds)))
    }

    @Test("Debts that cannot be added up are refused")
    func overflow() throws {
        var settlement = Settlement(funds: .zero)
        try settlement.settle(Money(micros: .max))
        #expect(throws: MoneyError.overflow) { try settlement.settle(Money(micros: 1)) }
    }

    @Test(
        "payable = gross - discount = paid + outstanding on every line, and a refund is paid whole",
        arguments: [
            ("1", "0", "1", "0"), ("1", "0", "0", "1"), ("1", "0.25", "0.5", "0.25"), ("0", "0", "0", "0"),
            ("-1", "0", "-1", "0"), ("1", "0", "1.01", nil), ("1", "0", "-0.01", nil), ("1", "0.5", "0.6", nil),
            ("-1", "0", "0", nil), ("-1", "0", "-2", nil),
        ] as [(String, String, String, String?)])
    func identity(_ gross: String, _ discount: String, _ paid: String, _ outstanding: String?) throws {
        let (gross, discount, paid) = (try Money(gross), try Money(discount), try Money(paid))
        guard let outstanding else {
            let error = #expect(throws: LedgerError.self) {
                try BillAmounts.line(gross: gross, discount: discount, paid: paid)
            }
            #expect(error?.reason == "ledger.line_broken")
            return
        }
        let amounts = try BillAmounts.line(gross: gross, discount: discount, paid: paid)
        #expect(amounts.payable == gross - discount)
        #expect(amounts.paid == paid)
        #expect(amounts.outstanding == (try Money(outstanding)))
    }
}

@Suite("Statistical periods") struct StatisticalPeriodTests {
    @Test(
        "A line belongs to the day and month of its start in the billing time zone",
        arguments: [
            ("2026-03-31T15:59:59.999Z", "2026-03-31", "2026-03"), ("2026-03-31T16:00:00Z", "2026-04-01", "2026-04"),
            ("2026-12-31T16:00:00Z", "2027-01-01", "2027-01"), ("2024-02-28T20:00:00Z", "2024-02-29", "2024-02"),
        ])
    func periods(_ instant: String, _ day: String, _ month: String) {
        let instant = at(instant)
        #expect(StatisticalPeriod.day.text(StatisticalPeriod.day.number(of: instant)) == day)
        #expect(StatisticalPeriod.month.text(StatisticalPeriod.month.number(of: instant)) == month)
        #expect(StatisticalPeriod.total.text(StatisticalPeriod.total.number(of: instant)) == "")
    }
}

@Suite("Settlement with coupons") struct CouponSettlementTests {
    typealias Line = (product: Product, amount: String)
    /// Of one line: each coupon's part, then what the balance paid and what is left to pay.
    typealias Expected = (coupons: [String: String], paid: String, outstanding: String)

    @Test(
        "Each line is paid by the coupons for its product in their rank, then from the balance (domain 2.8)",
        arguments: [
            // Only the NAT gateway's own coupon pays it; the one for all pays what that leaves.
            (
                [("cpn-nat", "0.05", [.natGateway]), ("cpn-all", "0.04", [])],
                [(.cloudPhone, "0.03"), (.natGateway, "0.06")],
                [(["cpn-all": "0.03"], "0", "0"), (["cpn-nat": "0.05", "cpn-all": "0.01"], "0", "0")]
            ),
            // Ranked once: the first one stays first, also when another has more left by then.
            (
                [("cpn-a", "5", []), ("cpn-b", "4", [])], [(.cloudPhone, "3"), (.cloudPhone, "3")],
                [(["cpn-a": "3"], "0", "0"), (["cpn-a": "2", "cpn-b": "1"], "0", "0")]
            ),
            // A coupon for another product pays nothing, however much it has; the balance does, as long as it lasts.
            (
                [("cpn-oss", "90", [.oss])], [(.cloudPhone, "0.7"), (.eip, "0.7"), (.oss, "0.7")],
                [([:], "0.7", "0"), ([:], "0.3", "0.4"), (["cpn-oss": "0.7"], "0", "0")]
            ),
            // A line that neither pays whole owes the rest, and a later one may still have its coupon.
            (
                [("cpn-phone", "0.5", [.cloudPhone]), ("cpn-bandwidth", "0.1", [.sharedBandwidth, .eip])],
                [(.cloudPhone, "2"), (.sharedBandwidth, "0.06"), (.eip, "0.06")],
                [
                    (["cpn-phone": "0.5"], "1", "0.5"), (["cpn-bandwidth": "0.06"], "0", "0"),
                    (["cpn-bandwidth": "0.04"], "0", "0.02"),
                ]
            ),
            ([("cpn-all", "1", [])], [(.cloudPhone, "0")], [([:], "0", "0")]),
        ] as [([(String, String, Set<Product>)], [Line], [Expected])])
    func byProduct(_ coupons: [(String, String, Set<Product>)], _ lines: [Line], _ expected: [Expected]) throws {
        let coupons = try coupons.map { try coupon($0.0, left: $0.1, for: $0.2) }
        var settlement = Settlement(funds: try Money("1"), coupons: coupons.reversed())
        for (line, expected) in zip(lines, expected) {
            let share = try settlement.settle(try Money(line.amount), of: line.product)
            let parts = Dictionary(uniqueKeysWithValues: share.coupons.map { ($0.coupon.text, $0.amount) })
            #expect(parts == (try expected.coupons.mapValues { try Money($0) }))
            #expect(share.coupon == parts.values.reduce(.zero, +))
            #expect(share.paid == (try Money(expected.paid)))
            #expect(share.outstanding == (try Money(expected.outstanding)))
        }
        let spent = zip(Coupon.ranked(coupons), settlement.coupons).reduce(Money.zero) {
            $0 + $1.0.remaining - $1.1.remaining
        }
        #expect(settlement.couponPaid == spent)
        #expect(settlement.funds + settlement.paid == (try Money("1")))
    }

    @Test("Lines of value-added resources are posted, named and settled beside those of groups")
    func valueAdded() async throws {
        let shop = try Shop()
        let account = try await shop.account("0.06")
        let nat = try await shop.grant(account, "0.03") { $0.products = ["nat-gateway"] }
        let phones = try await shop.grant(account, "1") { $0.products = ["cloud-phone"] }
        let cut = opening.adding(hours: 1)
        var usage = Usage(cutAt: cut)
        try usage.add(account, .natGateway, "nat-1", from: opening, to: cut, "0.034")
        // A part of a clock hour is billed whole, of a group it is not.
        try usage.add(account, .eip, "eip-1", from: opening.adding(milliseconds: 600_000), to: cut, "0.005")
        try usage.add(
            account, .sharedBandwidth, "bw-1", from: opening.adding(milliseconds: 900_000), to: cut, "0.08",
            quantity: 20)
        try usage.add(
            account, .oss, "oss-1", from: opening.adding(milliseconds: 1_000_000), to: cut, "0.01", quantity: 50)
        try usage.add(account, "ag-1", from: opening.adding(milliseconds: 1_800_000), to: cut, "0.2362")
        #expect(try await shop.post(usage) == OrderV1.PostUsageReply(posted: 5, overdueAccounts: [account]))
        let lines = try await shop.lines(account)
        #expect(lines.map(\.product) == ["nat-gateway", "eip", "shared-bandwidth", "oss", "cloud-phone"])
        #expect(
            lines.map(\.billingItem)
                == ["NAT gateway", "EIP", "Internet Shared Bandwidth", "OSS", "cloud phone instance"])
        #expect(lines.map(\.resourceID) == ["nat-1", "eip-1", "bw-1", "oss-1", "ag-1"])
        #expect(lines.map(\.groupID) == ["", "", "", "", "ag-1"])
        #expect(lines.map(\.network) == ["default", "default", "default", "default", ""])
        #expect(lines.map(\.quantityThousandths) == [1000, 1000, 20_000, 50_000, 1000])
        #expect(lines.map(\.quantityUnit) == ["hour", "hour", "Mbps-hour", "GiB-hour", "instance-hour"])
        #expect(lines.map(\.priceUnit) == ["hour", "hour", "Mbps-hour", "GiB-month", "instance-hour"])
        #expect(lines.map(\.couponMicros) == [30_000, 0, 0, 0, 236_200])
        #expect(lines.map(\.paidMicros) == [4000, 5000, 51_000, 0, 0])
        #expect(lines.map(\.outstandingMicros) == [0, 0, 29_000, 10_000, 0])
        #expect(try await shop.left(account) == [nat: "0.00", phones: "0.7638"])
        #expect(try await shop.paidBy(account, line: lines[0].lineID) == ["coupon 0.03", "balance 0.004"])
        #expect(
            try await shop.lastEntries(account) == [
                "BALANCE -0.060000", "RECEIVABLE -0.039000", "REVENUE 0.365200", "COUPON -0.266200",
            ])
        #expect(try await shop.breaches() == [:])
    }

    @Test("A batch that comes again with a new line takes of the coupon what that one needs, and no more")
    func repeated() async throws {
        let shop = try Shop()
        let account = try await shop.account("10")
        let id = try await shop.grant(account, "0.30")
        let cut = opening.adding(hours: 1)
        var part = Usage(cutAt: cut)
        try part.add(account, "ag-1", from: opening, to: cut, "0.20")
        _ = try await shop.post(part)
        var whole = part
        try whole.add(account, .natGateway, "nat-1", from: opening, to: cut, "0.034")
        #expect(try await shop.post(whole) == OrderV1.PostUsageReply(posted: 1, repeatedLines: 1))
        #expect(try await shop.post(whole) == OrderV1.PostUsageReply(repeatedLines: 2))
        #expect(try await shop.left(account) == [id: "0.066"])
        #expect(try await shop.show(account).balanceMicros == 10_000_000)
        #expect(try await shop.breaches() == [:])
    }
}
