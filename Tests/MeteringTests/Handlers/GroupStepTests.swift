import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Metering

@Suite("Steps of sagas") struct GroupStepTests {
    private func switchRequest(
        _ group: String, saga: String = "saga-one", _ start: String = "2026-04-10 14:30"
    ) -> MeteringV1.SwitchGroupRequest {
        MeteringV1.SwitchGroupRequest(
            step: Rig.step(saga, "switch"), groupID: group, term: Rig.term(start, "2026-07-11"))
    }

    @Test("A lock keeps others away until it is undone")
    func lock() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:10")
        #expect(try await rig.lock(group, at: "2026-04-10 09:20").group?.lockedBy == "saga-one")
        #expect(try await rig.lock(group, at: "2026-04-10 09:20").isReplay)
        await expectRefusal("group.locked") { try await rig.lock(group, saga: "saga-two", at: "2026-04-10 09:21") }
        await expectRefusal("group.locked") { try await rig.release(group, at: "2026-04-10 09:21") }
        try await rig.unlock(group, at: "2026-04-10 09:22")
        #expect(try await rig.group(group).lockedBy == "")
        // A refusal that another saga caused is not final.
        try await rig.lock(group, saga: "saga-two", at: "2026-04-10 09:23")
        #expect(try await rig.group(group).lockedBy == "saga-two")
        try await rig.unlock(group, at: "2026-04-10 09:24")
        #expect(try await rig.group(group).lockedBy == "saga-two", "a repeated undo is no business of another lock")
    }

    @Test("An undo that comes before its lock wins over it")
    func tombstone() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:10")
        try await rig.unlock(group, at: "2026-04-10 09:20")
        await expectRefusal("saga.undone") { try await rig.lock(group, at: "2026-04-10 09:20") }
        #expect(try await rig.group(group).lockedBy == "")
        #expect(try await rig.cut(through: "2026-04-10 10:00").waiting == 0)
    }

    @Test("A lock is for one billing method, and for an active group")
    func method() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:10")
        let paid = try await rig.createPaid(start: "2026-04-10 09:10", end: "2026-05-11")
        await expectRefusal("group.not_subscription") {
            try await rig.lock(group, for: .subscription, at: "2026-04-10 09:20")
        }
        await expectRefusal("group.not_pay_as_you_go") {
            try await rig.lock(paid.groupID, saga: "saga-two", at: "2026-04-10 09:20")
        }
        try await rig.release(group, at: "2026-04-10 09:30")
        await expectRefusal("group.not_active") {
            try await rig.lock(group, saga: "saga-three", at: "2026-04-10 09:40")
        }
        let noStep = MeteringV1.LockGroupRequest(groupID: group, billingMethod: .payAsYouGo)
        await expectRefusal("group.missing_field") {
            _ = try await rig.steps.lockGroup(noStep, rig.at("2026-04-10 09:40"))
        }
    }

    @Test("A gateway whose saga was taken over is fenced off")
    func fence() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:10")
        let request = MeteringV1.LockGroupRequest(
            step: Rig.step("saga-one", "lock"), groupID: group, billingMethod: .payAsYouGo)
        _ = try await rig.steps.lockGroup(request, rig.at("2026-04-10 09:20", epoch: 2))
        await expectRefusal("saga.fenced") {
            _ = try await rig.steps.lockGroup(request, rig.at("2026-04-10 09:20", epoch: 1))
        }
    }

    @Test("Example 12: a switch stops pay-as-you-go to the second and starts the term there")
    func switching() async throws {
        let rig = try Rig()
        let group = try await rig.create("acp.std.large", instances: 4, at: "2026-04-10 09:10")
        try await rig.cut(through: "2026-04-10 14:00")
        try await rig.lock(group, at: "2026-04-10 14:30")
        let reply = try await rig.steps.switchGroup(switchRequest(group), rig.at("2026-04-10 14:30"))
        let switched = try #require(reply.group)
        #expect(switched.status == .active)
        #expect(switched.billingMethod == .subscription)
        #expect(switched.lockedBy == "")
        #expect(switched.orderID == "ord-one")
        #expect(switched.termStart == instant("2026-04-10 14:30").milliseconds)
        #expect(switched.switchedAt == switched.termStart)
        #expect(switched.anchor == 0)
        let repeated = try await rig.steps.switchGroup(switchRequest(group), rig.at("2026-04-10 14:31"))
        #expect(repeated.isReplay && repeated.message == reply.message)

        try await rig.cut(through: "2026-04-10 20:00")
        #expect(rig.order.total(of: group) == "1.723733")
        #expect(rig.order.lines(of: group).last?.period.end == instant("2026-04-10 14:30"))
        #expect(try await rig.nextDue(after: "2026-04-10 20:00").cut == nil)
        #expect(try await rig.nextDue(after: "2026-04-10 20:00").expiry == instant("2026-07-11"))
        await expectRefusal("saga.already_done") {
            var undo = switchRequest(group)
            undo.step?.undo = true
            _ = try await rig.steps.switchGroup(undo, rig.at("2026-04-10 14:31"))
        }
    }

    @Test("A switch at the very instant of creation leaves nothing to bill by use")
    func switchedAtOnce() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 14:30")
        try await rig.lock(group, at: "2026-04-10 14:30")
        _ = try await rig.steps.switchGroup(switchRequest(group), rig.at("2026-04-10 14:30"))
        #expect(try await rig.cut(through: "2026-04-10 15:00").lines == 0)
        #expect(try await rig.nextDue(after: "2026-04-10 15:00").cut == nil)
    }

    @Test("A switch needs the lock of its own saga, and cannot go back behind what was billed")
    func refusedSwitch() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:10")
        await expectRefusal("group.not_held") {
            _ = try await rig.steps.switchGroup(switchRequest(group), rig.at("2026-04-10 09:30"))
        }
        try await rig.cut(through: "2026-04-10 15:00")
        try await rig.lock(group, saga: "saga-two", at: "2026-04-10 15:00")
        await expectRefusal("group.billed_beyond") {
            _ = try await rig.steps.switchGroup(
                switchRequest(group, saga: "saga-two"), rig.at("2026-04-10 15:00"))
        }
        var malformed = switchRequest(group, saga: "saga-two")
        malformed.term?.end = 0
        await expectRefusal("group.term_malformed") {
            _ = try await rig.steps.switchGroup(malformed, rig.at("2026-04-10 15:00"))
        }
    }

    @Test("An unsubscription ends the group where it was fixed")
    func unsubscribing() async throws {
        let rig = try Rig()
        let paid = try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11")
        try await rig.lock(paid.groupID, for: .subscription, at: "2026-04-22 15:20")
        let request = MeteringV1.EndGroupRequest(
            step: Rig.step("saga-one", "end"), groupID: paid.groupID, at: instant("2026-04-22 15:20:01").milliseconds)
        let ended = try #require(await rig.steps.endGroup(request, rig.at("2026-04-22 15:20")).group)
        #expect(ended.status == .released)
        #expect(ended.releaseCause == .unsubscribed)
        #expect(ended.releasedAt == instant("2026-04-22 15:20:01").milliseconds)
        #expect(ended.lockedBy == "")
        #expect(try await rig.nextDue(after: "2026-04-22 16:00").expiry == nil)
    }

    @Test("A subscribed group is not released: it is unsubscribed or expires")
    func releaseSubscribed() async throws {
        let rig = try Rig()
        let paid = try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11")
        let error = await #expect(throws: RPCError.self) {
            try await rig.release(paid.groupID, at: "2026-04-11 00:00")
        }
        #expect(error?.reason == "group.not_pay_as_you_go")
        #expect(error?.message.contains("unsubscribe") == true)
    }

    @Test("A group that an order paid for has its term from the payment, before its phones are up")
    func paidExternally() async throws {
        let rig = try Rig()
        let paid = try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11", provisioner: .external)
        #expect(paid.status == .creating)
        #expect(paid.billingMethod == .subscription)
        #expect(paid.termStart == instant("2026-04-10 15:20").milliseconds)
        let report = MeteringV1.ReportCreatedRequest(groupID: paid.groupID)
        let active = try #require(await rig.groups.reportCreated(report, rig.at("2026-04-10 15:40")).group)
        #expect(active.status == .active)
        #expect(active.termStart == paid.termStart && active.termEnd == paid.termEnd)
        #expect(active.createdAt == instant("2026-04-10 15:40").milliseconds)
        #expect(rig.pricing.quotes.isEmpty)
        #expect(try await rig.cut(through: "2026-04-10 20:00").lines == 0)
    }

    @Test("The failed creation of a paid group is a pivot: done once, and not undone")
    func paidFailure() async throws {
        let rig = try Rig()
        let paid = try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11", provisioner: .external)
        var report = MeteringV1.ReportCreatedRequest(
            groupID: paid.groupID, failed: true, step: Rig.step("saga-failed", "report"))
        let reply = try await rig.groups.reportCreated(report, rig.at("2026-04-10 15:40"))
        #expect(reply.group?.status == .released)
        #expect(reply.group?.orderID == "ord-one")
        #expect(try await rig.groups.reportCreated(report, rig.at("2026-04-10 15:41")).isReplay)
        report.step?.undo = true
        await expectRefusal("saga.already_done") {
            _ = try await rig.groups.reportCreated(report, rig.at("2026-04-10 15:42"))
        }
    }

    @Test("A paid creation needs its saga's step and an id, and is made once")
    func paidMalformed() async throws {
        let rig = try Rig()
        try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11")
        try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11")
        var request = MeteringV1.CreateGroupRequest(
            specification: "acp.std.small", region: "cn-hangzhou", instances: 3, provisioner: .immediate,
            term: Rig.term("2026-04-10 15:20", "2026-05-11"), groupID: "ag-paid")
        await expectRefusal("group.missing_field") {
            _ = try await rig.groups.createGroup(request, rig.at("2026-04-10 15:20"))
        }
        request.step = Rig.step("saga-else", "create")
        await expectRefusal("group.already_exists") {
            _ = try await rig.groups.createGroup(request, rig.at("2026-04-10 15:20"))
        }
        request.groupID = "nonsense"
        await expectRefusal("id.malformed") {
            _ = try await rig.groups.createGroup(request, rig.at("2026-04-10 15:20"))
        }
    }
}
