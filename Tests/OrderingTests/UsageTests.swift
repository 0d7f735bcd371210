import BillingAPI
import BillingCore
import RPC
import Storage
import Testing

@testable import Ordering

@Suite("Posting usage") struct UsageTests {
    @Test("Cuts take what the balance has; the rest is outstanding (domain 11, example 5)")
    func exampleFive() async throws {
        let shop = try Shop()
        let account = try await shop.account("1.00")
        func cut(_ hour: Int64) async throws -> OrderV1.PostUsageReply {
            try await shop.post(.hour(account, endingAt: opening.adding(hours: hour)))
        }
        #expect(try await cut(1) == OrderV1.PostUsageReply(posted: 1))
        #expect(try await shop.show(account).balanceMicros == 527_600)
        #expect(try await cut(2) == OrderV1.PostUsageReply(posted: 1))
        #expect(try await shop.show(account).balanceMicros == 55_200)
        #expect(try await shop.lastEntries(account) == ["BALANCE -0.472400", "REVENUE 0.472400"])
        #expect(try await cut(3) == OrderV1.PostUsageReply(posted: 1, overdueAccounts: [account]))
        let shown = try await shop.show(account)
        #expect(shown.balanceMicros == 0 && shown.outstandingMicros == 417_200 && shown.overdue)
        #expect(
            try await shop.lastEntries(account) == ["BALANCE -0.055200", "RECEIVABLE -0.417200", "REVENUE 0.472400"])
        let lines = try await shop.wholeBill(account, OrderV1.ListBillRequest(period: .details))
        #expect(lines.map(\.paidMicros) == [472_400, 472_400, 55_200])
        #expect(lines.map(\.outstandingMicros) == [0, 0, 417_200])
        #expect(lines.map(\.status) == [.paid, .paid, .partlyPaid])
        #expect(lines.allSatisfy { $0.quantityThousandths == 2000 && $0.priceUnit == "instance-hour" })
        #expect(try await shop.breaches() == [:])
    }

    @Test("A top-up pays outstanding lines oldest first, the last one in part (domain 11, example 6)")
    func exampleSix() async throws {
        let shop = try Shop()
        let account = try await shop.account("1.00")
        for hour in 1...3 { _ = try await shop.post(.hour(account, endingAt: opening.adding(hours: Int64(hour)))) }
        let partial = try await shop.topUp(account, "0.40", at: opening.adding(hours: 4))
        #expect(partial.settledMicros == 400_000)
        #expect(partial.account?.outstandingMicros == 17_200 && partial.account?.overdue == true)
        #expect(try await shop.lastEntries(account) == ["RECEIVABLE 0.400000", "EXTERNAL -0.400000"])
        let rest = try await shop.topUp(account, "0.0172", at: opening.adding(hours: 5))
        #expect(rest.account?.outstandingMicros == 0 && rest.account?.overdue == false)
        #expect(rest.account?.balanceMicros == 0)
        let lines = try await shop.wholeBill(account, OrderV1.ListBillRequest(period: .details))
        #expect(lines.allSatisfy { $0.status == .paid && $0.paidMicros == 472_400 })
        #expect(try await shop.breaches() == [:])
    }

    @Test("Several outstanding lines are paid in the order of start, creation and id, whatever order they came in")
    func oldestFirst() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        var usage = Usage(cutAt: opening.adding(hours: 2))
        let (one, two) = (opening.adding(hours: 1), opening.adding(hours: 2))
        try usage.add(account, "ag-c", from: one, to: two, "1", createdAt: opening)
        try usage.add(account, "ag-b", from: opening, to: one, "1", createdAt: opening.adding(milliseconds: -1))
        try usage.add(account, "ag-a", from: opening, to: one, "1", createdAt: opening)
        try usage.add(account, "ag-0", from: opening, to: one, "1", createdAt: opening)
        _ = try await shop.post(usage)
        var paid: [String] = []
        for _ in 0..<4 {
            _ = try await shop.topUp(account, "1", at: two)
            for line in try await shop.wholeBill(account, OrderV1.ListBillRequest(period: .details))
            where line.status == .paid && !paid.contains(line.groupID) {
                paid.append(line.groupID)
            }
        }
        #expect(paid == ["ag-b", "ag-0", "ag-a", "ag-c"])
        #expect(try await shop.breaches() == [:])
    }

    @Test("The balance pays the lines of a cut in the order of settlement")
    func settlementOrder() async throws {
        let shop = try Shop()
        let account = try await shop.account("1.50")
        var usage = Usage(cutAt: opening.adding(hours: 1))
        for group in ["ag-b", "ag-a"] {
            try usage.add(account, group, from: opening, to: opening.adding(hours: 1), "1")
        }
        _ = try await shop.post(usage)
        let lines = try await shop.wholeBill(account, OrderV1.ListBillRequest(period: .details))
        #expect(lines.first { $0.groupID == "ag-a" }?.outstandingMicros == 0)
        #expect(lines.first { $0.groupID == "ag-b" }?.outstandingMicros == 500_000)
    }

    @Test("A batch posted again changes nothing; one posted in part posts the rest")
    func repeats() async throws {
        let shop = try Shop()
        let (account, other) = (try await shop.account("1.00"), try await shop.account("1.00"))
        let cut = opening.adding(hours: 1)
        var part = Usage(cutAt: cut)
        try part.add(account, "ag-a", from: opening, to: cut, "0.40")
        #expect(try await shop.post(part) == OrderV1.PostUsageReply(posted: 1))
        var whole = part
        try whole.add(account, "ag-b", from: opening, to: cut, "0.70")
        try whole.add(other, "ag-c", from: opening, to: cut, "0.30")
        #expect(
            try await shop.post(whole)
                == OrderV1.PostUsageReply(posted: 2, repeatedLines: 1, overdueAccounts: [account]))
        let before = (try await shop.statement(account), try await shop.statement(other))
        #expect(
            try await shop.post(whole)
                == OrderV1.PostUsageReply(posted: 0, repeatedLines: 3, overdueAccounts: [account]))
        #expect(try await shop.statement(account) == before.0)
        #expect(try await shop.statement(other) == before.1)
        #expect(try await shop.show(account).outstandingMicros == 100_000)
        #expect(try await shop.show(other).balanceMicros == 700_000)
        #expect(try await shop.breaches() == [:])
    }

    @Test("A line that comes again with another content is an alarm, and nothing of its account is posted")
    func changed() async throws {
        let shop = try Shop()
        let account = try await shop.account("1.00")
        let cut = opening.adding(hours: 1)
        _ = try await shop.post(.hour(account, endingAt: cut))
        var changed = Usage(cutAt: cut)
        try changed.add(account, "ag-1", from: opening, to: cut, "0.4725")
        try changed.add(account, "ag-2", from: opening, to: cut, "0.1")
        #expect(await reason { try await shop.post(changed) } == "usage.changed")
        var otherResource = Usage(cutAt: cut)
        try otherResource.add(account, "ag-1", from: opening, to: cut, "0.4724", region: "cn-hongkong")
        #expect(await reason { try await shop.post(otherResource) } == "usage.changed")
        #expect(try await shop.statement(account).count == 2)
        #expect(try await shop.breaches() == [:])
    }

    @Test("A cut never takes the account back in time, and a line of zero moves no money")
    func instants() async throws {
        let shop = try Shop()
        let account = try await shop.account("1.00")
        let later = opening.adding(hours: 5)
        _ = try await shop.topUp(account, "1", at: later)
        var usage = Usage(cutAt: opening.adding(hours: 1))
        try usage.add(account, "ag-1", from: opening, to: opening.adding(milliseconds: 1), "0")
        #expect(try await shop.post(usage).posted == 1)
        #expect(try await shop.statement(account).count == 2)
        _ = try await shop.post(.hour(account, "ag-2", endingAt: opening.adding(hours: 1)))
        #expect(try await shop.statement(account).last?.at == later.milliseconds)
        #expect(try await shop.breaches() == [:])
    }

    @Test("Large batches are posted whole, over several units of work")
    func large() async throws {
        let shop = try Shop()
        var accounts: [String] = []
        for _ in 0..<40 { accounts.append(try await shop.account("1000")) }
        var usage = Usage(cutAt: opening.adding(hours: 1))
        for number in 0..<2000 {
            try usage.add(
                accounts[number % 40], "ag-\(number)", from: opening, to: opening.adding(hours: 1), "0.10")
        }
        #expect(try await shop.post(usage) == OrderV1.PostUsageReply(posted: 2000))
        #expect(try await shop.post(usage) == OrderV1.PostUsageReply(repeatedLines: 2000))
        let total = try await shop.bill("", OrderV1.ListBillRequest(period: .total)).total
        #expect(total?.grossMicros == 200_000_000 && total?.lines == 2000)
        #expect(try await shop.breaches() == [:])
    }

    @Test("Usage for an account that does not exist is refused")
    func unknownAccount() async throws {
        let shop = try Shop()
        #expect(
            await reason {
                try await shop.post(.hour("acct-0000000000000000", endingAt: opening.adding(hours: 1)))
            } == "account.not_found")
    }

    @Test(
        "Columns that are no usage are refused by the name of the field",
        arguments: [
            Garbling("cut_at") { $0.cutAt += 1 }, Garbling("cut_at") { $0.cutAt = -3_600_000 },
            Garbling("cut_at") { $0.cutAt = .max },
            Garbling("start") { $0.start = [] }, Garbling("end") { $0.end.append(0) },
            Garbling("price") { $0.price = [] },
            Garbling("gross_micros") { $0.grossMicros.append(1) }, Garbling("resource[0]") { $0.resource[0] = 1 },
            Garbling("price[0]") { $0.price[0] = 1 }, Garbling("start[0]") { $0.start[0] = -1 },
            Garbling("start[0]") { $0.start[0] = .min },
            Garbling("end[0]") { $0.end[0] = $0.start[0] }, Garbling("end[0]") { $0.end[0] = .min },
            Garbling("end[0]") { $0.end[0] += 1 },
            Garbling("end[0]") { $0.start[0] -= 1 }, Garbling("gross_micros[0]") { $0.grossMicros[0] = -1 },
            Garbling("gross_micros[0]") { $0.grossMicros[0] = .max },
            Garbling("resources[0].instances") { $0.resources[0].instances = 0 },
            Garbling("resources[0].instances") { $0.resources[0].instances = 101 },
            Garbling("resources[0].billing_unit") { $0.resources[0].billingUnit = .unspecified },
            Garbling("resources[0].resource_id") { $0.resources[0].resourceID = "" },
            Garbling("resources[0].group_id") { $0.resources[0].groupID = "" },
        ] as [Garbling<OrderV1.PostUsageRequest>])
    func malformed(_ garbling: Garbling<OrderV1.PostUsageRequest>) async throws {
        let shop = try Shop()
        let account = try await shop.account("1")
        var request = try Usage.hour(account, endingAt: opening.adding(hours: 1)).request
        garbling.apply(&request)
        do {
            _ = try await shop.service.postUsage(
                request, shop.call(OrderV1.Bills.postUsage.descriptor, "", at: nil))
            Issue.record("usage with a bad \(garbling.field) was posted")
        } catch let error as any BillingError {
            #expect(error.reason == "usage.malformed")
            #expect(error.field == garbling.field)
        }
    }
}
