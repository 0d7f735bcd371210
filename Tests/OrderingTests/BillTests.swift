import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Ordering

@Suite("Bill lists") struct BillTests {
    /// Accounts with random usage over some weeks, paid in part, and an order and a refund each.
    private func fill(_ shop: Shop, seed: UInt64, accounts count: Int, hours: Int) async throws -> [String] {
        var random = SplitMix(state: seed)
        var accounts: [String] = []
        for _ in 0..<count { accounts.append(try await shop.account("60")) }
        for (number, account) in accounts.enumerated() {
            let order = try await shop.place(account)
            _ = try await shop.pay(account, order.orderID, saga: "saga-pay-\(number)")
            _ = try await shop.refund(
                account, group: order.groupID, [(order.orderID, "1.23")], id: "ref-\(number)",
                at: opening.adding(hours: 1), saga: "saga-refund-\(number)")
        }
        for _ in 0..<hours {
            let cut = opening.adding(hours: Int64.random(in: 1...700, using: &random))
            var usage = Usage(cutAt: cut)
            for account in accounts where Bool.random(using: &random) {
                let group = Int.random(in: 0..<6, using: &random)
                let micros = Int64.random(in: 0...2_000_000, using: &random)
                try usage.add(
                    account, "ag-\(group)", from: cut.adding(hours: -1), to: cut, Money(micros: micros).description,
                    specification: ["acp.basic.small", "acp.std.small"][group % 2],
                    region: ["cn-hangzhou", "cn-hongkong", "cn-beijing"][group % 3])
            }
            // The same group and hour may be drawn again with another amount, which the service refuses.
            _ = await reason { try await shop.post(usage) }
        }
        return accounts
    }

    private func sum(_ lines: [OrderV1.BillLine]) -> [Int64] {
        lines.reduce(into: [Int64](repeating: 0, count: 6)) { sums, line in
            sums[0] += line.grossMicros
            sums[1] += line.discountMicros
            sums[2] += line.payableMicros
            sums[3] += line.paidMicros
            sums[4] += line.outstandingMicros
            sums[5] += line.lines
        }
    }

    @Test(
        "All views of one filter add up to the same total, on every page of every list", arguments: [1, 2] as [UInt64])
    func views(_ seed: UInt64) async throws {
        let shop = try Shop()
        let accounts = try await fill(shop, seed: seed, accounts: 3, hours: 60)
        #expect(try await shop.breaches() == [:])
        let filters = [
            OrderV1.ListBillRequest(), OrderV1.ListBillRequest(groupID: "ag-1"),
            OrderV1.ListBillRequest(region: "cn-hangzhou"), OrderV1.ListBillRequest(specification: "acp.std.small"),
            OrderV1.ListBillRequest(billingMethods: [.payAsYouGo]),
            OrderV1.ListBillRequest(billingMethods: [.subscription]),
            OrderV1.ListBillRequest(itemKinds: [.refund]),
            OrderV1.ListBillRequest(
                start: at("2026-03-15").milliseconds, end: at("2026-04-03 12:30").milliseconds),
        ]
        for account in accounts.prefix(1) + [""] {
            for filter in filters {
                var details = filter
                details.period = .details
                details.limit = 7
                let expected = sum(try await shop.wholeBill(account, details))
                for period in [OrderV1.StatisticalPeriod.unspecified, .month, .day, .total] {
                    for grouping in OrderV1.BillGrouping.allCases {
                        var request = filter
                        request.period = period
                        request.groupBy = grouping
                        request.limit = 200
                        let lines = try await shop.wholeBill(account, request)
                        #expect(sum(lines) == expected, "\(period) \(grouping)")
                        let keys = lines.map { $0.billingPeriod + "|" + $0.grouping }
                        #expect(Set(keys).count == keys.count)
                        request.limit = 3
                        let page = try await shop.bill(account, request)
                        #expect(sum([try #require(page.total)]) == expected)
                    }
                }
            }
        }
    }

    @Test("The identity of a line holds for lines and for sums")
    func identity() async throws {
        let shop = try Shop()
        _ = try await fill(shop, seed: 9, accounts: 2, hours: 60)
        for period in OrderV1.StatisticalPeriod.allCases {
            for line in try await shop.wholeBill("", OrderV1.ListBillRequest(groupBy: .group, period: period)) {
                #expect(
                    line.payableMicros
                        == line.grossMicros - line.discountMicros - line.roundDownMicros - line.couponMicros)
                #expect(line.payableMicros == line.paidMicros + line.outstandingMicros)
            }
        }
    }

    @Test("Pages neither skip nor repeat a line while new ones come in between")
    func stablePages() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        for hour in stride(from: 2, through: 40, by: 2) {
            _ = try await shop.post(.hour(account, "ag-b", endingAt: opening.adding(hours: Int64(hour))))
        }
        var request = OrderV1.ListBillRequest(period: .details, limit: 3)
        var seen: [String] = []
        var hour: Int64 = 1
        repeat {
            let page = try await shop.bill(account, request)
            seen += page.lines.map(\.lineID)
            request.cursor = page.nextCursor
            // New lines before, at and after the cursor's place.
            for group in ["ag-a", "ag-c"] {
                _ = try await shop.post(.hour(account, group, endingAt: opening.adding(hours: hour)))
            }
            hour += 7
        } while !request.cursor.isEmpty
        #expect(Set(seen).count == seen.count)
        let old = try await shop.wholeBill(account, OrderV1.ListBillRequest(groupID: "ag-b", period: .details))
        #expect(Set(old.map(\.lineID)).isSubset(of: Set(seen)))
    }

    @Test("Groupings are told as text, with the field filled in that they are by")
    func groupings() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        var usage = Usage(cutAt: opening.adding(hours: 1))
        try usage.add(
            account, "ag-1", from: opening, to: opening.adding(hours: 1), "0.5", specification: "acp.basic.small",
            region: "cn-hangzhou")
        _ = try await shop.post(usage)
        func only(_ grouping: OrderV1.BillGrouping, _ period: OrderV1.StatisticalPeriod) async throws
            -> OrderV1.BillLine
        {
            let lines = try await shop.wholeBill(account, OrderV1.ListBillRequest(groupBy: grouping, period: period))
            return try #require(lines.count == 1 ? lines.first : nil)
        }
        let both = try await only(.specificationAndRegion, .month)
        #expect(both.grouping == "acp.basic.small cn-hangzhou" && both.billingPeriod == "2026-03")
        #expect(both.specification == "acp.basic.small" && both.region == "cn-hangzhou")
        let group = try await only(.group, .day)
        #expect(group.grouping == "ag-1" && group.groupID == "ag-1" && group.billingPeriod == "2026-03-10")
        #expect(try await only(.billingMethod, .total).billingMethod == .payAsYouGo)
        #expect(try await only(.account, .total).accountID == account)
        #expect(try await only(.item, .total).billingItem == "cloud phone instance")
        #expect(try await only(.unspecified, .total).grouping == "")
    }

    @Test("A slice is in the day and month in which it starts, in the billing time zone")
    func billingDays() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        for cut in ["2026-04-01 00:00", "2026-04-01 01:00"] {
            _ = try await shop.post(.hour(account, endingAt: at(cut)))
        }
        let days = try await shop.wholeBill(account, OrderV1.ListBillRequest(period: .day))
        #expect(days.map(\.billingPeriod) == ["2026-03-31", "2026-04-01"])
        let months = try await shop.wholeBill(account, OrderV1.ListBillRequest())
        #expect(months.map(\.billingPeriod) == ["2026-03", "2026-04"])
    }

    @Test("A call for one account shows its lines alone, and bad requests are refused")
    func isolation() async throws {
        let shop = try Shop()
        let (account, other) = (try await shop.account("1"), try await shop.account("1"))
        _ = try await shop.post(.hour(account, endingAt: opening.adding(hours: 1)))
        #expect(try await shop.wholeBill(other, OrderV1.ListBillRequest(period: .details)).isEmpty)
        #expect(try await shop.bill(other, OrderV1.ListBillRequest()).total?.lines == 0)
        for request in [
            OrderV1.ListBillRequest(start: 2, end: 1), OrderV1.ListBillRequest(limit: 201),
            OrderV1.ListBillRequest(cursor: "rubbish"), OrderV1.ListBillRequest(period: .details, cursor: "a/b/c"),
        ] {
            #expect(await reason { try await shop.bill(account, request) } == "page.malformed")
        }
        #expect(
            await reason { try await shop.bill("acct-0000000000000000", OrderV1.ListBillRequest()) }
                == "account.not_found")
    }
}

/// A seeded generator, so that a failure can be repeated.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}
