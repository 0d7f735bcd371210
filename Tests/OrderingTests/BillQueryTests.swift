import BillingAPI
import BillingCore
import RPC
import Storage
import Testing

@testable import Ordering

@Suite("Which lines a bill list tells") struct BillQueryTests {
    @Test(
        "A range of 18 months is listed, and one millisecond more is refused; before the first line there is nothing to list",
        arguments: [
            ("2024-08-31 10:00", "2026-02-28 10:00"), ("2024-07-31 00:00", "2026-01-31 00:00"),
            ("2022-08-30 00:00", "2024-02-29 00:00"),
        ])
    func longestRange(_ start: String, _ end: String) async throws {
        let shop = try Shop()
        let account = try await shop.account("1")
        let (start, end) = (at(start).milliseconds, at(end).milliseconds)
        for (start, end, refusal) in [
            (start, end, ""), (start, end + 1, "bill.range_too_long"), (0, end + 1, ""), (0, 0, ""),
        ] {
            let answer = await reason {
                try await shop.bill(account, OrderV1.ListBillRequest(start: start, end: end))
            }
            #expect(answer == refusal)
        }
    }

    /// The account has one line, from 2026-04-10 09:00 (UTC+8) on, and one of another group a year later.
    @Test(
        "An open start is the first line that is admitted, an open end is now",
        arguments: [
            ("", "", "2027-10-10 09:00", ""), ("", "", "2027-10-10 09:00:00.001", "bill.range_too_long"),
            ("2026-04-10 09:00", "", "2027-10-10 09:00", ""),
            ("2026-04-10 09:00", "", "2027-10-10 09:00:00.001", "bill.range_too_long"),
            ("2026-04-10 09:00:00.001", "", "2027-10-10 09:00:00.001", ""),
            // An end before now ends it, one to come does not.
            ("", "2027-10-10 09:00", "2030-01-01", ""),
            ("", "2027-10-10 09:00:00.001", "2030-01-01", "bill.range_too_long"),
            ("", "2030-01-01", "2027-10-10 09:00", ""),
            ("2027-04-01", "2030-01-01", "2027-10-10 09:00", "bill.range_too_long"),
        ])
    func openRange(_ start: String, _ end: String, now: String, refusal: String) async throws {
        let shop = try Shop()
        let account = try await shop.account("1")
        let other = try await shop.account("1")
        _ = try await shop.post(.hour(account, endingAt: at("2026-04-10 10:00")))
        _ = try await shop.post(.hour(account, "ag-2", endingAt: at("2027-04-10 10:00")))
        var request = OrderV1.ListBillRequest(
            start: start.isEmpty ? 0 : at(start).milliseconds, end: end.isEmpty ? 0 : at(end).milliseconds)
        for period in [OrderV1.StatisticalPeriod.details, .month] {
            for owner in [account, ""] {
                for withoutTotal in [false, true] {
                    (request.period, request.withoutTotal) = (period, withoutTotal)
                    let answer = await reason { try await shop.bill(owner, request, at: at(now)) }
                    #expect(answer == refusal)
                }
            }
            guard start.isEmpty else { continue }
            // Nothing old is asked for.
            #expect(await reason { try await shop.bill(other, request, at: at(now)) } == "")
            request.groupID = "ag-2"
            #expect(await reason { try await shop.bill(account, request, at: at(now)) } == "")
            request.groupID = ""
        }
    }

    @Test("The pages after the first follow it, and do not look for the first line again")
    func pagesOfAnOpenRange() async throws {
        let shop = try Shop()
        let account = try await shop.account("10")
        for hour in 1...3 { _ = try await shop.post(.hour(account, endingAt: opening.adding(hours: Int64(hour)))) }
        var request = OrderV1.ListBillRequest(period: .details, limit: 2)
        request.cursor = try await shop.bill(account, request).nextCursor
        #expect(try await shop.bill(account, request, at: at("2030-01-01")).lines.count == 1)
    }

    @Test("A bill needs the instant that a gateway stamps, for an end that is open")
    func unstamped() async throws {
        let shop = try Shop()
        let account = try await shop.account("1")
        let error = await #expect(throws: RPCError.self) {
            try await shop.service.listBill(
                OrderV1.ListBillRequest(), shop.call(OrderV1.Bills.listBill.descriptor, account, at: nil))
        }
        #expect(error?.reason == "call.not_stamped")
    }

    @Test("Sources are looked up as lines come, and no more are kept than a bound")
    func manySources() async throws {
        let shop = try Shop()
        let account = try AccountID(try await shop.account("1"))
        let found: (ids: [String?], kept: [Int]) = try await shop.database.write { transaction in
            var sources = FoundSources(of: account, most: 3)
            var found: (ids: [String?], kept: [Int]) = ([], [])
            for number in 1...Int64(5) {
                let source = BillSource(
                    kind: .adjustment, id: "adj-\(number)", groupID: "", specification: "", region: "", instances: 0,
                    createdAt: opening, anchor: nil, billingUnit: nil, months: 0, orderID: "", refundID: "")
                _ = try transaction.insert(source, of: account)
                _ = try sources.source(number, in: transaction)
            }
            for number in [Int64(5), 1, 0] {
                found.kept.append(sources.known.count)
                found.ids.append(try sources.source(number, in: transaction)?.id)
            }
            return found
        }
        // All three were forgotten when the fourth came; it and the fifth are known.
        #expect(found.kept == [2, 2, 3])
        #expect(found.ids == ["adj-5", "adj-1", nil])
    }

    @Test("A refused range is named with its ends and what to do")
    func rangeMessage() {
        let error = BillError.rangeTooLong(start: at("2024-01-01"), end: at("2026-01-01"))
        #expect(error.status == .invalidArgument && error.field == "end" && error.value.contains("2026-01-01"))
        #expect(error.message.contains("2024-01-01") && error.message.contains("18 months"))
    }

    @Test("Lines that are not fully paid are those of the outstanding filter and of the statuses that say so")
    func outstanding() async throws {
        let shop = try Shop()
        let account = try await shop.account("0.60")
        for hour in 1...3 {
            _ = try await shop.post(.hour(account, endingAt: opening.adding(hours: Int64(hour))))
        }
        func lines(_ statuses: [OrderV1.LineStatus], outstanding: Bool = false) async throws -> [OrderV1.LineStatus] {
            let request = OrderV1.ListBillRequest(period: .details, statuses: statuses, outstanding: outstanding)
            return try await shop.wholeBill(account, request).map(\.status)
        }
        #expect(try await lines([]) == [.paid, .partlyPaid, .unpaid])
        #expect(try await lines([], outstanding: true) == [.partlyPaid, .unpaid])
        #expect(try await lines([.partlyPaid, .unpaid]) == [.partlyPaid, .unpaid])
        #expect(try await lines([.unpaid]) == [.unpaid])
        #expect(try await lines([.paid, .unpaid], outstanding: true) == [.unpaid])
        // Nothing is both paid and not.
        #expect(try await lines([.paid], outstanding: true) == [])
        for period in [OrderV1.StatisticalPeriod.month, .day, .total, .details] {
            let page = try await shop.bill(account, OrderV1.ListBillRequest(period: period, outstanding: true))
            #expect(page.total?.outstandingMicros == 817_200 && page.total?.lines == 2)
        }
    }

    @Test("Pages without a total hold the lines that pages with one hold, of one account and of all", arguments: 1...6)
    func withoutTotal(_ limit: UInt32) async throws {
        let shop = try Shop()
        var accounts: [String] = []
        for _ in 1...3 {
            let account = try await shop.account("1")
            accounts.append(account)
            for hour in 1...3 {
                for group in ["ag-1", "ag-2"] {
                    _ = try await shop.post(.hour(account, group, endingAt: opening.adding(hours: Int64(hour))))
                }
            }
        }
        for (owner, count) in [("", 18), (accounts[1], 6)] {
            var request = OrderV1.ListBillRequest(period: .details, limit: limit)
            let with = try await shop.wholeBill(owner, request)
            request.withoutTotal = true
            #expect(try await shop.wholeBill(owner, request) == with)
            #expect(with.count == count)
            #expect(try await shop.bill(owner, request).total == nil)
        }
        let sums = OrderV1.ListBillRequest(period: .day, withoutTotal: true)
        #expect(try await shop.bill("", sums).total == nil)
    }

    @Test("A cursor of another account is before or after all of this one's lines, with a total and without")
    func foreignCursor() async throws {
        let shop = try Shop()
        var cursors: [String] = []
        var accounts: [String] = []
        for _ in 0..<2 {
            let account = try await shop.account("10")
            for hour in 1...2 {
                _ = try await shop.post(.hour(account, endingAt: opening.adding(hours: Int64(hour))))
            }
            let page = try await shop.bill(account, OrderV1.ListBillRequest(period: .details, limit: 1))
            accounts.append(account)
            cursors.append(page.nextCursor)
        }
        for (account, cursor) in [(accounts[0], cursors[1]), (accounts[1], cursors[0])] {
            var request = OrderV1.ListBillRequest(period: .details, cursor: cursor)
            let with = try await shop.bill(account, request).lines
            request.withoutTotal = true
            #expect(try await shop.bill(account, request).lines == with)
            #expect(with.isEmpty || with.count == 2)
        }
    }

    @Test(
        "A month is final at 12:00 on the 3rd of the next month, and so are its days",
        arguments: [
            ("2025-12-31 23:59", "2026-01-03 12:00"), ("2026-01-01", "2026-02-03 12:00"),
            ("2026-02-28", "2026-03-03 12:00"),
        ])
    func finalAt(_ instant: String, _ final: String) {
        for period in [StatisticalPeriod.month, .day] {
            #expect(period.finalAt(period.number(of: at(instant))) == at(final))
        }
        #expect(StatisticalPeriod.total.finalAt(0) == nil)
    }

    @Test("Lines and sums say whether their month is final when they are read")
    func final() async throws {
        let shop = try Shop()
        let account = try await shop.account("10")
        _ = try await shop.post(.hour(account, endingAt: at("2026-03-31 23:00")))
        for (now, expected) in [("2026-04-03 11:59:59.999", false), ("2026-04-03 12:00", true)] {
            for period in [OrderV1.StatisticalPeriod.details, .day, .month] {
                let reply = try await shop.service.listBill(
                    OrderV1.ListBillRequest(period: period),
                    shop.call(OrderV1.Bills.listBill.descriptor, account, at: at(now)))
                #expect(reply.message.lines.map(\.final) == [expected], "\(now) \(period)")
            }
            let id = "\(account)/\(at("2026-03-31 22:00").milliseconds)/1"
            let line = try await shop.service.getLine(
                OrderV1.GetLineRequest(lineID: id),
                shop.call(OrderV1.Bills.getLine.descriptor, account, at: at(now)))
            #expect(line.message.line?.final == expected)
        }
    }

    @Test("An adjustment is of neither billing method, in lists by method too")
    func adjustments() async throws {
        let shop = try Shop()
        let account = try await shop.account("10")
        _ = try await shop.service.adjust(
            OrderV1.AdjustRequest(amountMicros: 1_000_000, reason: "A fee that was agreed."),
            shop.call(OrderV1.Accounts.adjust.descriptor, account, at: opening))
        let rows = try await shop.wholeBill(
            account, OrderV1.ListBillRequest(groupBy: .billingMethod, period: .total))
        #expect(rows.map(\.grouping) == ["adjustment"] && rows.map(\.billingMethod) == [.unspecified])
        let both = OrderV1.ListBillRequest(billingMethods: [.payAsYouGo, .subscription], period: .details)
        #expect(try await shop.wholeBill(account, both).isEmpty)
        let plain = try await shop.wholeBill(
            account, OrderV1.ListBillRequest(groupBy: .specificationAndRegion, period: .total))
        #expect(plain.map(\.grouping) == [""])
    }
}
