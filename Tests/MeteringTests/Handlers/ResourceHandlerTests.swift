import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Metering

extension Rig {
    /// - Returns: the ids of the NAT gateway and the EIP.
    @discardableResult
    func enableInternet(
        _ network: String = "", region: String = "", at text: String, account: String = Rig.account
    ) async throws -> [String] {
        let request = MeteringV1.EnableInternetRequest(network: network, region: region)
        return try await resources.enableInternet(request, at(text, account: account)).resources.map(\.resourceID)
    }

    @discardableResult
    func addBandwidth(_ mbps: UInt32, at text: String) async throws -> String {
        try await resources.addBandwidth(MeteringV1.AddBandwidthRequest(mbps: mbps), at(text)).resources[0].resourceID
    }

    @discardableResult
    func setBackup(_ gib: Int64, at text: String, region: String = "cn-hangzhou") async throws -> String {
        let request = MeteringV1.SetBackupRequest(region: region, gib: gib)
        return try await resources.setBackup(request, at(text)).resources[0].resourceID
    }

    @discardableResult
    func releaseResource(_ id: String, at text: String) async throws -> MeteringV1.Resource {
        try await resources.releaseResource(MeteringV1.ReleaseResourceRequest(resourceID: id), at(text)).resources[0]
    }

    func listResources(
        _ request: MeteringV1.ListResourcesRequest = .init(), account: String = Rig.account
    ) async throws -> MeteringV1.ListResourcesReply {
        try await resources.listResources(request, at("2026-04-10", account: account)).message
    }

    /// Cuts, and order finds the account overdue.
    func cutOverdue(through text: String) async throws {
        order.nameOverdue([Rig.account])
        try await cut(through: text)
        order.nameOverdue([])
    }
}

@Suite("Value-added resources") struct ResourceHandlerTests {
    @Test("Internet access buys a NAT gateway and an EIP, once")
    func internet() async throws {
        let rig = try Rig()
        try await rig.create(at: "2026-04-10 09:00")
        let ids = try await rig.enableInternet(at: "2026-04-10 09:10")
        #expect(ids.count == 2 && ids[0].hasPrefix("nat-") && ids[1].hasPrefix("eip-"))
        #expect(try await rig.enableInternet("default", region: "cn-hangzhou", at: "2026-04-10 09:20") == ids)
        let kept = try await rig.listResources().resources
        #expect(kept.count == 2)
        #expect(
            Set(kept)
                == Set([
                    MeteringV1.Resource(
                        resourceID: ids[0], accountID: Rig.account, kind: .natGateway, region: "cn-hangzhou",
                        network: "default", quantity: 1, status: .active,
                        createdAt: instant("2026-04-10 09:10").milliseconds),
                    MeteringV1.Resource(
                        resourceID: ids[1], accountID: Rig.account, kind: .eip, region: "cn-hangzhou",
                        network: "default", quantity: 1, status: .active,
                        createdAt: instant("2026-04-10 09:10").milliseconds),
                ]))
    }

    @Test("What was released is bought anew, what is there stays; a network without groups is refused")
    func internetAgain() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:00")
        let ids = try await rig.enableInternet(at: "2026-04-10 09:10")
        try await rig.releaseResource(ids[0], at: "2026-04-10 09:20")
        let again = try await rig.enableInternet(at: "2026-04-10 09:30")
        #expect(again[0] != ids[0] && again[0].hasPrefix("nat-") && again[1] == ids[1])
        try await rig.release(group, at: "2026-04-10 09:40")
        await expectRefusal("network.no_groups") { try await rig.enableInternet(at: "2026-04-10 09:52") }
    }

    @Test("A repeated key buys nothing more, whatever became of the groups")
    func replay() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:00")
        let options = rig.at("2026-04-10 09:10")
        let first = try await rig.resources.addBandwidth(MeteringV1.AddBandwidthRequest(mbps: 10), options)
        try await rig.release(group, at: "2026-04-10 09:20")
        let second = try await rig.resources.addBandwidth(MeteringV1.AddBandwidthRequest(mbps: 10), options)
        #expect(second.isReplay && second.message == first.message)
        #expect(try await rig.listResources().resources.count == 1)
    }

    @Test("The region is needed when networks of one name are in several")
    func regions() async throws {
        let rig = try Rig()
        try await rig.create(at: "2026-04-10 09:00")
        let other = try await rig.create(region: "ap-southeast-1", at: "2026-04-10 09:00")
        await expectRefusal("network.region_ambiguous") { try await rig.enableInternet(at: "2026-04-10 09:10") }
        await expectRefusal("network.no_groups") {
            try await rig.enableInternet(region: "cn-beijing", at: "2026-04-10 09:10")
        }
        await expectRefusal("network.no_groups") { try await rig.enableInternet("web", at: "2026-04-10 09:10") }
        let outside = try await rig.enableInternet(region: "ap-southeast-1", at: "2026-04-10 09:10")
        let inside = try await rig.enableInternet(region: "cn-hangzhou", at: "2026-04-10 09:10")
        #expect(Set(outside + inside).count == 4)
        try await rig.release(other, at: "2026-04-10 09:20")
        #expect(try await rig.enableInternet(at: "2026-04-10 09:30") == inside)
    }

    @Test("Refusals name what is wrong, and buy nothing")
    func refusals() async throws {
        let rig = try Rig()
        await expectRefusal("network.no_groups") { try await rig.addBandwidth(10, at: "2026-04-10 09:00") }
        try await rig.create(at: "2026-04-10 09:00")
        await expectRefusal("resource.quantity") { try await rig.addBandwidth(0, at: "2026-04-10 09:10") }
        await expectRefusal("resource.quantity") { try await rig.addBandwidth(1001, at: "2026-04-10 09:10") }
        await expectRefusal("resource.quantity") { try await rig.setBackup(0, at: "2026-04-10 09:10") }
        await expectRefusal("resource.quantity") { try await rig.setBackup(1_000_001, at: "2026-04-10 09:10") }
        await expectRefusal("resource.missing_field") { try await rig.setBackup(1, at: "2026-04-10 09:10", region: "") }
        await expectRefusal("price.unknown_region") {
            try await rig.setBackup(1, at: "2026-04-10 09:10", region: "mars")
        }
        await expectRefusal("group.text_too_long") {
            try await rig.enableInternet(String(repeating: "n", count: 129), at: "2026-04-10 09:10")
        }
        await expectRefusal("resource.not_found") { try await rig.releaseResource("nat-none", at: "2026-04-10 09:10") }
        await expectRefusal("id.malformed") { try await rig.releaseResource("ag-none", at: "2026-04-10 09:10") }
        #expect(try await rig.listResources().resources.isEmpty)
        let id = try await rig.setBackup(1, at: "2026-04-10 09:10")
        #expect(try await rig.releaseResource(id, at: "2026-04-10 09:20").status == .released)
        await expectRefusal("resource.not_active") { try await rig.releaseResource(id, at: "2026-04-10 09:20") }
        await expectRefusal("resource.not_found") {
            _ = try await rig.resources.releaseResource(
                MeteringV1.ReleaseResourceRequest(resourceID: id), rig.at("2026-04-10 09:20", account: "acct-other"))
        }
    }

    @Test("Lists go by creation in pages, by state and by network")
    func lists() async throws {
        let rig = try Rig()
        try await rig.create(at: "2026-04-10 09:00")
        let internet = try await rig.enableInternet(at: "2026-04-10 09:10")
        let wide = try await rig.addBandwidth(10, at: "2026-04-10 09:20")
        let wider = try await rig.addBandwidth(20, at: "2026-04-10 09:20")
        let backup = try await rig.setBackup(5, at: "2026-04-10 09:30")
        try await rig.releaseResource(wide, at: "2026-04-10 09:40")
        var listed: [String] = []
        var cursor = ""
        repeat {
            let page = try await rig.listResources(.init(cursor: cursor, limit: 2))
            #expect(page.resources.count <= 2)
            listed += page.resources.map(\.resourceID)
            cursor = page.nextCursor
        } while !cursor.isEmpty
        #expect(Set(listed) == Set(internet + [wide, wider, backup]) && listed.count == 5)
        #expect(listed.last == backup)
        #expect(try await rig.listResources(.init(network: "default")).resources.count == 4)
        #expect(try await rig.listResources(.init(statuses: [.released])).resources.map(\.resourceID) == [wide])
        #expect(try await rig.listResources(account: "acct-other").resources.isEmpty)
        await expectRefusal("page.malformed") { _ = try await rig.listResources(.init(cursor: "x")) }
        await expectRefusal("page.malformed") { _ = try await rig.listResources(.init(limit: 201)) }
    }

    @Test("What accrues is told with its beginning, and where a released group's last unit ends")
    func accruing() async throws {
        let rig = try Rig()
        let running = try await rig.create(instances: 2, at: "2026-04-10 08:00")
        let released = try await rig.create(at: "2026-04-10 09:00")
        try await rig.createPaid(start: "2026-04-10 09:00", end: "2026-05-11")
        let internet = try await rig.enableInternet(at: "2026-04-10 09:10")
        let backup = try await rig.setBackup(5, at: "2026-04-10 09:30")
        try await rig.release(released, at: "2026-04-10 09:40")
        try await rig.releaseResource(internet[0], at: "2026-04-10 09:40")
        try await rig.setBackup(7, at: "2026-04-10 09:50")
        func accruing(_ text: String) async throws -> [MeteringV1.Accruing] {
            var all: [MeteringV1.Accruing] = []
            var cursor = ""
            repeat {
                let page = try await rig.resources.listAccruing(.init(cursor: cursor, limit: 2), rig.at(text))
                all += page.accruing
                cursor = page.nextCursor
            } while !cursor.isEmpty
            return all
        }
        let before = try await accruing("2026-04-10 09:59")
        #expect(before.map(\.resourceID) == [running, released, internet[1], backup])
        #expect(
            before[0]
                == MeteringV1.Accruing(
                    resourceID: running, specification: "acp.basic.small", region: "cn-hangzhou", network: "default",
                    instances: 2, since: instant("2026-04-10 08:00").milliseconds, billingUnit: .fourHours))
        #expect(before[1].until == instant("2026-04-10 13:00").milliseconds)
        #expect(
            before[3]
                == MeteringV1.Accruing(
                    resourceID: backup, item: "oss", region: "cn-hangzhou", quantity: 5,
                    since: instant("2026-04-10 09:30").milliseconds, billingUnit: .clockHour))
        let after = try await accruing("2026-04-10 13:00")
        #expect(after.map(\.resourceID) == [running, internet[1], backup])
        #expect(after.last?.quantity == 7 && after.last?.since == instant("2026-04-10 09:30").milliseconds)
        #expect(after.allSatisfy { $0.until == 0 })
    }

    @Test("Everything that is billed or may be renewed is listed over all accounts, in whole accounts")
    func billed() async throws {
        let rig = try Rig()
        let running = try await rig.create(instances: 2, at: "2026-04-10 09:00")
        let released = try await rig.create(at: "2026-04-10 09:00")
        try await rig.createPaid(start: "2026-04-10 09:00", end: "2026-05-11")
        let internet = try await rig.enableInternet(at: "2026-04-10 09:10")
        let other = try await rig.create(at: "2026-04-10 09:10", account: "acct-other")
        try await rig.release(released, at: "2026-04-10 09:40")
        try await rig.releaseResource(internet[0], at: "2026-04-10 09:40")
        let reply = try await rig.resources.listBilled(
            .init(partitionFrom: 0, partitionTo: 256), rig.at("2026-04-10 10:00", account: ""))
        #expect(reply.nextAccount.isEmpty)
        #expect(
            Set(reply.things)
                == Set([
                    MeteringV1.Billed(
                        accountID: Rig.account, id: running, specification: "acp.basic.small", region: "cn-hangzhou",
                        instances: 2, billingMethod: .payAsYouGo),
                    MeteringV1.Billed(
                        accountID: Rig.account, id: "ag-paid", specification: "acp.std.small", region: "cn-hangzhou",
                        instances: 3, billingMethod: .subscription, paidThrough: instant("2026-05-11").milliseconds,
                        months: 1),
                    MeteringV1.Billed(
                        accountID: Rig.account, id: internet[1], region: "cn-hangzhou", billingMethod: .payAsYouGo,
                        item: "eip", quantity: 1),
                    MeteringV1.Billed(
                        accountID: "acct-other", id: other, specification: "acp.basic.small", region: "cn-hangzhou",
                        instances: 1, billingMethod: .payAsYouGo),
                ]))
    }

    @Test(
        "What is overdue pays again when the account recovers, what is being created when it is there: both are listed")
    func willBeBilled() async throws {
        let rig = try Rig()
        let running = try await rig.create(at: "2026-04-10 09:10")
        let internet = try await rig.enableInternet(at: "2026-04-10 09:11")
        let creating = MeteringV1.CreateGroupRequest(
            specification: "acp.std.large", region: "cn-hangzhou", instances: 4, provisioner: .external)
        let coming = try #require(await rig.groups.createGroup(creating, rig.at("2026-04-10 09:12")).group).groupID
        try await rig.createPaid(start: "2026-04-10 09:15", end: "2026-05-11", provisioner: .external)
        try await rig.fallBehind(cut: "2026-04-10 10:00")
        #expect(try await rig.group(running).status == .overdue)
        #expect(try await rig.group(coming).status == .creating)
        let reply = try await rig.resources.listBilled(
            .init(partitionFrom: 0, partitionTo: 256), rig.at("2026-04-10 10:00", account: ""))
        let months = Dictionary(uniqueKeysWithValues: reply.things.map { ($0.id, $0.months) })
        #expect(months == [running: 0, internet[0]: 0, internet[1]: 0, coming: 0, "ag-paid": 1])
        let bought = try #require(reply.things.first { $0.id == "ag-paid" })
        #expect(bought.billingMethod == .subscription && bought.paidThrough == instant("2026-05-11").milliseconds)
    }

    @Test("The pages of what is billed go through all accounts once")
    func billedPages() async throws {
        let rig = try Rig()
        for index in 0..<600 { try await rig.create(at: "2026-04-10 09:00", account: "acct-\(index)") }
        var accounts: [String] = []
        var (after, from) = ("", UInt32(0))
        repeat {
            let reply = try await rig.resources.listBilled(
                .init(afterAccount: after, partitionFrom: from, partitionTo: 256), rig.at("2026-04-10", account: ""))
            accounts += reply.things.map(\.accountID)
            (after, from) = (reply.nextAccount, reply.nextPartition)
        } while !after.isEmpty
        #expect(accounts.count == 600 && Set(accounts).count == 600)
        await expectRefusal("page.malformed") {
            _ = try await rig.resources.listBilled(.init(partitionTo: 257), rig.at("2026-04-10", account: ""))
        }
    }
}
