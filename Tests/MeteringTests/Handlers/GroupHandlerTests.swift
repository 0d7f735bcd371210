import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Metering

@Suite("Groups") struct GroupHandlerTests {
    @Test("A group that is provisioned at once is active and billed from that instant")
    func create() async throws {
        let rig = try Rig()
        let request = MeteringV1.CreateGroupRequest(
            specification: "acp.std.large", region: "ap-southeast-1", instances: 12, name: "render",
            provisioner: .immediate)
        let response = try await rig.groups.createGroup(request, rig.at("2026-04-10 09:10"))
        let group = try #require(response.group)
        #expect(group.status == .active)
        #expect(group.billingMethod == .payAsYouGo)
        #expect(group.billingUnit == .fourHours)
        #expect(group.network == "default")
        #expect(group.anchor == instant("2026-04-10 09:10").milliseconds)
        #expect(group.createdAt == group.anchor && group.requestedAt == group.anchor)
        #expect(response.effectiveAt == instant("2026-04-10 09:10"))

        let kept = try await rig.group(group.groupID)
        #expect(kept.name == "render")
        #expect(kept.members.count == 12)
        #expect(kept.members.last?.instanceID == "acp-" + group.groupID.dropFirst(3) + "-012")
        #expect(kept.members.allSatisfy { $0.power == .running })
    }

    @Test("A repeat with the same key gets the same reply and makes no second group; another body is refused")
    func repeatedCreate() async throws {
        let rig = try Rig()
        let options = rig.at("2026-04-10 09:10")
        var request = MeteringV1.CreateGroupRequest(
            specification: "acp.std.small", region: "cn-hangzhou", instances: 1, provisioner: .external)
        let first = try await rig.groups.createGroup(request, options)
        let second = try await rig.groups.createGroup(request, options)
        #expect(!first.isReplay && second.isReplay)
        #expect(first.message == second.message)
        request.instances = 2
        await expectRefusal("call.key_reused") { _ = try await rig.groups.createGroup(request, options) }
        let list = try await rig.groups.listGroups(MeteringV1.ListGroupsRequest(), options)
        #expect(list.groups.count == 1)
    }

    @Test(
        "What cannot be created is refused with the reason and the value",
        arguments: [
            ("acp.basic.small", "cn-hangzhou", 0, "", "group.instance_count", "0"),
            ("acp.basic.small", "cn-hangzhou", 101, "", "group.instance_count", "101"),
            ("acp.huge", "cn-hangzhou", 1, "", "price.unknown_specification", "acp.huge"),
            ("acp.basic.small", "mars-1", 1, "", "price.unknown_region", "mars-1"),
            ("acp.basic.small", "cn-hangzhou", 1, "ag-mine", "group.unexpected_field", "ag-mine"),
        ] as [(String, String, UInt32, String, String, String)])
    func refusedCreate(
        _ specification: String, region: String, instances: UInt32, group: String, reason: String, value: String
    ) async throws {
        let rig = try Rig()
        let request = MeteringV1.CreateGroupRequest(
            specification: specification, region: region, instances: instances, provisioner: .immediate,
            groupID: group)
        let error = await #expect(throws: RPCError.self) {
            try await rig.groups.createGroup(request, rig.at("2026-04-10 09:10"))
        }
        #expect(error?.reason == reason)
        #expect(error?.value == value)
    }

    @Test("Texts are bounded, a key and an instant are needed, and an unspecified provisioner is refused")
    func malformedCreate() async throws {
        let rig = try Rig()
        var request = MeteringV1.CreateGroupRequest(
            specification: "acp.std.small", region: "cn-hangzhou", instances: 1,
            name: String(repeating: "n", count: 129), provisioner: .immediate)
        await expectRefusal("group.text_too_long") {
            _ = try await rig.groups.createGroup(request, rig.at("2026-04-10 09:10"))
        }
        request.name = ""
        var options = rig.at("2026-04-10 09:10")
        options.key = nil
        await expectRefusal("call.key_missing") { _ = try await rig.groups.createGroup(request, options) }
        options = rig.at("2026-04-10 09:10")
        options.effectiveAt = nil
        await expectRefusal("call.not_stamped") { _ = try await rig.groups.createGroup(request, options) }
        options.effectiveAt = Timestamp(milliseconds: .max)
        await expectRefusal("group.instant_out_of_range") { _ = try await rig.groups.createGroup(request, options) }
        await expectRefusal("call.account_missing") {
            _ = try await rig.groups.createGroup(request, rig.at("2026-04-10 09:10", account: ""))
        }
        request.provisioner = .unspecified
        await #expect(throws: RPCError.self) {
            try await rig.groups.createGroup(request, rig.at("2026-04-10 09:10"))
        }
    }

    @Test("A group of another account is answered as one that does not exist")
    func foreign() async throws {
        let rig = try Rig()
        let mine = try await rig.create(at: "2026-04-10 09:10")
        let other = "acct-other"
        for group in [mine, "ag-nowhere"] {
            await expectRefusal("group.not_found") {
                _ = try await rig.groups.getGroup(
                    MeteringV1.GetGroupRequest(groupID: group), rig.at("2026-04-10 10:00", account: other))
            }
            await expectRefusal("group.not_found") {
                _ = try await rig.groups.renameGroup(
                    MeteringV1.RenameGroupRequest(groupID: group, name: "x"),
                    rig.at("2026-04-10 10:00", account: other))
            }
            await expectRefusal("group.not_found") {
                _ = try await rig.groups.setPower(
                    MeteringV1.SetPowerRequest(groupID: group, action: .off),
                    rig.at("2026-04-10 10:00", account: other))
            }
            await expectRefusal("group.not_found") {
                _ = try await rig.groups.connect(
                    MeteringV1.ConnectRequest(groupID: group), rig.at("2026-04-10 10:00", account: other))
            }
            await expectRefusal("group.not_found") {
                _ = try await rig.groups.reportCreated(
                    MeteringV1.ReportCreatedRequest(groupID: group), rig.at("2026-04-10 10:00", account: other))
            }
            await expectRefusal("group.not_found") {
                try await rig.release(group, at: "2026-04-10 10:00", account: other)
            }
            await expectRefusal("group.not_found") {
                try await rig.lock(group, saga: "saga-" + group, at: "2026-04-10 10:00", account: other)
            }
        }
    }

    @Test("Power moves phones, one or all, and changes no bill; a restarted phone runs")
    func power() async throws {
        let rig = try Rig()
        let group = try await rig.create(instances: 3, at: "2026-04-10 09:00")
        let second = "acp-" + group.dropFirst(3) + "-002"
        let states = { (group: MeteringV1.InstanceGroup) in group.members.map { $0.power == .running } }
        let set = { (instance: String, action: MeteringV1.PowerAction, time: String) in
            _ = try await rig.groups.setPower(
                MeteringV1.SetPowerRequest(groupID: group, instanceID: instance, action: action), rig.at(time))
        }
        try await set(second, .off, "2026-04-10 09:10")
        #expect(try await states(rig.group(group)) == [true, false, true])
        try await set("", .off, "2026-04-10 09:20")
        #expect(try await states(rig.group(group)) == [false, false, false])
        try await set(second, .restart, "2026-04-10 09:30")
        #expect(try await states(rig.group(group)) == [false, true, false])
        try await set("", .on, "2026-04-10 09:40")
        #expect(try await states(rig.group(group)) == [true, true, true])
        try await set("", .off, "2026-04-10 09:50")
        await expectRefusal("instance.not_found") { try await set("acp-else-001", .off, "2026-04-10 09:50") }

        try await rig.cut(through: "2026-04-10 12:00")
        #expect(rig.order.total(of: group) == "0.411300")
    }

    @Test("A session needs a phone that runs")
    func connect() async throws {
        let rig = try Rig()
        let group = try await rig.create(instances: 2, at: "2026-04-10 09:00")
        let first = "acp-" + group.dropFirst(3) + "-001"
        _ = try await rig.groups.setPower(
            MeteringV1.SetPowerRequest(groupID: group, instanceID: first, action: .off), rig.at("2026-04-10 09:10"))
        await expectRefusal("instance.not_running") {
            _ = try await rig.groups.connect(
                MeteringV1.ConnectRequest(groupID: group, instanceID: first), rig.at("2026-04-10 09:11"))
        }
        let reply = try await rig.groups.connect(
            MeteringV1.ConnectRequest(groupID: group), rig.at("2026-04-10 09:12"))
        #expect(reply.instanceID == "acp-" + group.dropFirst(3) + "-002")
        #expect(reply.sessionID.hasPrefix("session-"))
        _ = try await rig.groups.setPower(
            MeteringV1.SetPowerRequest(groupID: group, action: .off), rig.at("2026-04-10 09:13"))
        await expectRefusal("instance.not_running") {
            _ = try await rig.groups.connect(MeteringV1.ConnectRequest(groupID: group), rig.at("2026-04-10 09:14"))
        }
    }

    @Test("A released group is neither renamed, used, locked nor released again")
    func released() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:00")
        let reply = try await rig.release(group, at: "2026-04-10 10:00")
        #expect(reply.group?.status == .released)
        #expect(reply.group?.releaseCause == .owner)
        #expect(reply.group?.releasedAt == instant("2026-04-10 10:00").milliseconds)
        await expectRefusal("group.not_active") {
            _ = try await rig.groups.renameGroup(
                MeteringV1.RenameGroupRequest(groupID: group, name: "x"), rig.at("2026-04-10 10:01"))
        }
        await expectRefusal("group.not_active") {
            _ = try await rig.groups.setPower(
                MeteringV1.SetPowerRequest(groupID: group, action: .on), rig.at("2026-04-10 10:01"))
        }
        await expectRefusal("group.not_active") {
            _ = try await rig.groups.connect(MeteringV1.ConnectRequest(groupID: group), rig.at("2026-04-10 10:01"))
        }
        let again = MeteringV1.ReleaseGroupRequest(step: Rig.step("saga-again", "release"), groupID: group)
        await expectRefusal("group.not_active") {
            _ = try await rig.steps.releaseGroup(again, rig.at("2026-04-10 10:01"))
        }
    }

    @Test("Lists filter by status, billing method, region and specification, and page in the order of requests")
    func list() async throws {
        let rig = try Rig()
        var made: [String] = []
        for index in 0..<5 {
            made.append(
                try await rig.create(
                    index % 2 == 0 ? "acp.std.small" : "acp.std.large",
                    region: index < 3 ? "cn-hangzhou" : "ap-southeast-1", at: "2026-04-10 0\(index):00"))
        }
        try await rig.create(at: "2026-04-10 05:00", account: "acct-other")
        let paid = try await rig.createPaid(start: "2026-04-10 05:00", end: "2026-05-11")
        try await rig.release(made[0], at: "2026-04-10 06:00")

        let list = { (request: MeteringV1.ListGroupsRequest) in
            try await rig.groups.listGroups(request, rig.at("2026-04-10 07:00")).message
        }
        #expect(try await list(.init()).groups.map(\.groupID) == made + [paid.groupID])
        #expect(try await list(.init(statuses: [.released])).groups.map(\.groupID) == [made[0]])
        #expect(try await list(.init(billingMethods: [.subscription])).groups.map(\.groupID) == ["ag-paid"])
        #expect(try await list(.init(region: "ap-southeast-1")).groups.map(\.groupID) == [made[3], made[4]])
        #expect(
            try await list(.init(statuses: [.active], specification: "acp.std.small")).groups.map(\.groupID)
                == [made[2], made[4], paid.groupID])

        var pages: [[String]] = []
        var cursor = ""
        repeat {
            let page = try await list(.init(cursor: cursor, limit: 2))
            pages.append(page.groups.map(\.groupID))
            cursor = page.nextCursor
        } while !cursor.isEmpty
        #expect(pages.map(\.count) == [2, 2, 2])
        #expect(pages.flatMap(\.self) == made + [paid.groupID])
        await expectRefusal("page.malformed") { _ = try await list(.init(cursor: "nonsense")) }
        await expectRefusal("page.malformed") { _ = try await list(.init(limit: 201)) }
    }

    @Test("An account's time does not go back")
    func time() async throws {
        let rig = try Rig()
        try await rig.create(at: "2026-04-10 09:00:10")
        let early = try await rig.groups.createGroup(
            MeteringV1.CreateGroupRequest(
                specification: "acp.std.small", region: "cn-hangzhou", instances: 1, provisioner: .immediate),
            rig.at("2026-04-10 09:00:05"))
        #expect(early.group?.createdAt == instant("2026-04-10 09:00:10").milliseconds)
        await expectRefusal("call.time_went_back") { try await rig.create(at: "2026-04-10 09:00:04") }
        try await rig.create(at: "2026-04-10 09:00:04", account: "acct-other")
    }
}

@Suite("Reports of creations") struct CreationReportTests {
    private func request(_ rig: Rig, at text: String) async throws -> String {
        try #require(
            await rig.groups.createGroup(
                MeteringV1.CreateGroupRequest(
                    specification: "acp.basic.small", region: "cn-hangzhou", instances: 1, provisioner: .external),
                rig.at(text)
            ).group
        ).groupID
    }

    private func report(
        _ rig: Rig, _ group: String, failed: Bool = false, reported: String? = nil, at text: String
    ) async throws -> MeteringV1.InstanceGroup {
        let request = MeteringV1.ReportCreatedRequest(
            groupID: group, failed: failed, at: reported.map { instant($0).milliseconds } ?? 0)
        return try #require(await rig.groups.reportCreated(request, rig.at(text)).group)
    }

    @Test("Billing starts when the creation is reported, at the instant that the report names")
    func created() async throws {
        let rig = try Rig()
        let group = try await request(rig, at: "2026-04-10 08:40")
        #expect(try await rig.group(group).status == .creating)
        #expect(try await rig.nextDue(after: "2026-04-10 08:40").cut == nil)
        let active = try await report(rig, group, reported: "2026-04-10 08:45:30", at: "2026-04-10 08:46")
        #expect(active.status == .active)
        #expect(active.createdAt == instant("2026-04-10 08:45:30").milliseconds)
        #expect(active.requestedAt == instant("2026-04-10 08:40").milliseconds)
        #expect(try await rig.nextDue(after: "2026-04-10 08:46").cut == instant("2026-04-10 09:00"))
        await expectRefusal("group.not_creating") { _ = try await report(rig, group, at: "2026-04-10 08:47") }
    }

    @Test("A failed creation bills nothing")
    func failed() async throws {
        let rig = try Rig()
        let group = try await request(rig, at: "2026-04-10 08:40")
        let gone = try await report(rig, group, failed: true, at: "2026-04-10 08:50")
        #expect(gone.status == .released)
        #expect(gone.releaseCause == .creationFailed)
        #expect(gone.createdAt == 0)
        #expect(try await rig.nextDue(after: "2026-04-10 08:50").cut == nil)
        await expectRefusal("group.not_creating") { _ = try await report(rig, group, at: "2026-04-10 08:51") }
    }

    @Test("A report from the future, or from before the account's last event, is refused; a near one is moved up")
    func instants() async throws {
        let rig = try Rig()
        let group = try await request(rig, at: "2026-04-10 08:40")
        await expectRefusal("group.report_ahead") {
            _ = try await report(rig, group, reported: "2026-04-10 08:41:01", at: "2026-04-10 08:41")
        }
        await expectRefusal("group.report_too_old") {
            _ = try await report(rig, group, reported: "2026-04-10 08:39:54", at: "2026-04-10 08:41")
        }
        let active = try await report(rig, group, reported: "2026-04-10 08:39:55", at: "2026-04-10 08:41")
        #expect(active.createdAt == instant("2026-04-10 08:40").milliseconds)
    }

    @Test("The unit is the one in force when the group was created, not when it was asked for")
    func unit() async throws {
        let rig = try Rig()
        let before = try await request(rig, at: "2025-05-05 23:58")
        let after = try await request(rig, at: "2025-05-05 23:59")
        #expect(
            try await report(rig, before, reported: "2025-05-05 23:59:59", at: "2025-05-06 00:00").billingUnit
                == .second)
        #expect(try await report(rig, after, at: "2025-05-06 00:00").billingUnit == .fourHours)
    }

    @Test("Only a creation at another instant than the request asks for its unit again")
    func quotes() async throws {
        let rig = try Rig()
        let group = try await request(rig, at: "2026-04-10 08:40")
        _ = try await report(rig, group, at: "2026-04-10 08:40")
        #expect(rig.pricing.quotes.count == 1)
    }
}
