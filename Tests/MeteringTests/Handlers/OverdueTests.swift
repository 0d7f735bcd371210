import BillingAPI
import BillingCore
import RPC
import Storage
import Testing

@testable import Metering

@Suite("Overdue accounts") struct OverdueTests {
    @Test("Example 5: overdue at the cut of 12:00, nothing is billed for 12:00 to 13:00")
    func exampleFive() async throws {
        let rig = try Rig()
        let group = try await rig.createOverdue(
            "acp.perf.large", instances: 2, at: "2026-03-10 09:00", cut: "2026-03-10 12:00")
        #expect(try await rig.cut(through: "2026-03-10 13:00") == MeteringV1.CutReply())
        // FakePricing knows the mainland's price; what matters here is how many hours there are.
        #expect(
            rig.order.lines(of: group).map(\.period.end)
                == ["10:00", "11:00", "12:00"].map { instant("2026-03-10 " + $0) })
        let kept = try await rig.group(group)
        #expect(kept.status == .overdue)
        #expect(kept.overdueAt == instant("2026-03-10 12:00").milliseconds)
        #expect(kept.releaseAt == instant("2026-03-25 12:00").milliseconds)
        let due = try await rig.nextDue(after: "2026-03-10 12:00")
        #expect(due.cut == nil && due.release == instant("2026-03-25 12:00"))
    }

    @Test("Example 6: never paid, it is released when 15 days are over and not before")
    func exampleSix() async throws {
        let rig = try Rig()
        let group = try await rig.createOverdue(
            "acp.perf.large", instances: 2, at: "2026-03-10 09:00", cut: "2026-03-10 12:00")
        #expect(try await rig.due(.release, through: "2026-03-25 11:59:59.999") == [])
        await expectRefusal("group.not_due") {
            _ = try await rig.releaseDue(
                group, .overdue, since: "2026-03-10 12:00", at: "2026-03-25 11:59:59.999", saga: "saga-early")
        }
        #expect(try await rig.due(.release, through: "2026-03-25 12:00") == [group])
        let gone = try await rig.releaseDue(group, .overdue, since: "2026-03-10 12:00", at: "2026-03-25 12:00")
        #expect(gone.status == .released)
        #expect(gone.releaseCause == .overdue)
        #expect(gone.releasedAt == instant("2026-03-25 12:00").milliseconds)
        #expect(try await rig.due(.release, through: "2026-03-26") == [])
        #expect(try await rig.nextDue(after: "2026-03-25 12:00").release == nil)
        // The debt remains, and so does the account's being overdue.
        await expectRefusal("account.overdue") { try await rig.create(at: "2026-03-25 13:00") }
    }

    @Test("Example 6: a recovery from the end of the 15 days on is too late, though the group was not released yet")
    func tooLate() async throws {
        let rig = try Rig()
        let group = try await rig.createOverdue(
            "acp.perf.large", instances: 2, at: "2026-03-10 09:00", cut: "2026-03-10 12:00")
        let reply = try await rig.resume(at: "2026-03-25 12:00").message
        #expect(reply.groupIDs == [] && reply.releasedGroupIDs == [group])
        let gone = try await rig.group(group)
        #expect(gone.status == .released && gone.releaseCause == .overdue)
        #expect(gone.releasedAt == instant("2026-03-25 12:00").milliseconds)
        #expect(try await rig.nextDue(after: "2026-03-25 12:00").release == nil)
        await expectRefusal("group.not_due") {
            _ = try await rig.releaseDue(group, .overdue, since: "2026-03-10 12:00", at: "2026-03-25 12:00")
        }
        // The account itself has recovered.
        try await rig.create(at: "2026-03-25 12:00")
        #expect(try await rig.cut(through: "2026-03-25 13:00").lines == 1)
        let audit = try await rig.cuts.auditTimelines(
            MeteringV1.AuditTimelinesRequest(partitionTo: 256), rig.at("2026-05-01", account: ""))
        #expect(audit.findings.map(\.breaches) == [0, 0, 0, 0, 0], "\(audit.findings)")
    }

    @Test("A release that is due comes however late, whatever happened to the account since")
    func lateRelease() async throws {
        let rig = try Rig()
        let group = try await rig.createOverdue(at: "2026-03-10 09:00", cut: "2026-03-10 12:00")
        _ = try await rig.groups.renameGroup(
            MeteringV1.RenameGroupRequest(groupID: group, name: "late"), rig.at("2026-03-25 12:10"))
        await expectRefusal("call.time_went_back") { try await rig.release(group, at: "2026-03-25 12:00") }
        let gone = try await rig.releaseDue(group, .overdue, since: "2026-03-10 12:00", at: "2026-03-25 12:00")
        #expect(gone.releaseCause == .overdue && gone.releasedAt == instant("2026-03-25 12:00").milliseconds)
    }

    @Test("A recovery that overtakes the cut that found the account overdue waits for it")
    func overtaking() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:10")
        rig.order.meanwhile {
            await expectRefusal("account.cut_due") { try await rig.resume(at: "2026-04-10 10:00") }
        }
        try await rig.fallBehind(cut: "2026-04-10 10:00")
        #expect(try await rig.group(group).status == .overdue)
        #expect(try await rig.resume(at: "2026-04-10 10:00").groupIDs == [group])
        #expect(try await rig.cut(through: "2026-04-10 11:00").lines == 1)
    }

    @Test("A group that recovered is not released, and one that is overdue anew has a new deadline")
    func notDue() async throws {
        let rig = try Rig()
        let group = try await rig.createOverdue(at: "2026-03-10 09:00", cut: "2026-03-10 12:00")
        try await rig.resume(at: "2026-03-25 11:59:59.999")
        #expect(try await rig.due(.release, through: "2026-03-25 12:00") == [])
        await expectRefusal("group.not_due") {
            _ = try await rig.releaseDue(
                group, .overdue, since: "2026-03-10 12:00", at: "2026-03-25 12:00", saga: "saga-late")
        }
        try await rig.fallBehind(cut: "2026-03-25 12:00")
        await expectRefusal("group.not_due") {
            _ = try await rig.releaseDue(
                group, .overdue, since: "2026-03-10 12:00", at: "2026-03-25 12:00", saga: "saga-later")
        }
        #expect(try await rig.nextDue(after: "2026-03-25 12:00").release == instant("2026-04-09 12:00"))
    }

    @Test("A recovery at any millisecond starts a new unit there; the interval costs nothing")
    func recovery() async throws {
        let rig = try Rig()
        let group = try await rig.createOverdue(at: "2026-04-10 08:45:30", cut: "2026-04-10 10:00")
        let reply = try await rig.resume(at: "2026-04-12 10:20:30.250")
        #expect(reply.groupIDs == [group])
        #expect(try await rig.resume(at: "2026-04-12 10:20:30.250").isReplay)
        let active = try await rig.group(group)
        #expect(active.status == .active && active.overdueAt == 0 && active.releaseAt == 0)
        #expect(active.anchor == instant("2026-04-12 10:20:30.250").milliseconds)
        #expect(active.createdAt == instant("2026-04-10 08:45:30").milliseconds)
        try await rig.cut(through: "2026-04-12 12:00")
        try await rig.release(group, at: "2026-04-12 12:10")
        try await rig.cut(through: "2026-04-12 20:00")
        let periods = rig.order.lines(of: group).map(\.period)
        #expect(periods[1].end == instant("2026-04-10 10:00"))
        #expect(periods[2] == Period(instant("2026-04-12 10:20:30.250"), instant("2026-04-12 11:00")))
        #expect(periods.last?.end == instant("2026-04-12 14:20:30.250"))
        let unit = rig.order.lines(of: group).dropFirst(2).reduce(Money.zero) { $0 + $1.gross }
        #expect(unit.description == "0.182800", "a whole unit from the recovery on")
    }

    @Test("A legacy group goes on by the second after a recovery")
    func legacy() async throws {
        let rig = try Rig()
        let group = try await rig.createOverdue(at: "2025-05-05 22:30", cut: "2025-05-05 23:00")
        try await rig.resume(at: "2025-05-19 10:00")
        #expect(try await rig.group(group).billingUnit == .second)
        try await rig.release(group, at: "2025-05-19 10:30")
        try await rig.cut(through: "2025-05-19 15:00")
        #expect(rig.order.lines(of: group).last?.period.end == instant("2025-05-19 10:30"))
    }

    @Test("All pay-as-you-go stops, tails of released groups too; subscriptions and other accounts go on")
    func scope() async throws {
        let rig = try Rig()
        let released = try await rig.create(at: "2026-04-10 08:30")
        try await rig.cut(through: "2026-04-10 09:00")
        try await rig.release(released, at: "2026-04-10 09:10")
        let running = try await rig.create(at: "2026-04-10 09:10")
        let other = try await rig.create(at: "2026-04-10 09:10", account: "acct-other")
        try await rig.createPaid(start: "2026-04-10 09:20", end: "2026-05-11")
        try await rig.fallBehind(cut: "2026-04-10 10:00")
        try await rig.cut(through: "2026-04-10 14:00")
        #expect(rig.order.lines(of: released).last?.period.end == instant("2026-04-10 10:00"))
        #expect(rig.order.lines(of: running).count == 1)
        #expect(rig.order.lines(of: other).count == 5)
        #expect(try await rig.group(running).status == .overdue)
        #expect(try await rig.group(released).status == .released)
        #expect(try await rig.group("ag-paid").status == .active)
        // The tail was waived for good.
        try await rig.resume(at: "2026-04-10 11:00")
        try await rig.cut(through: "2026-04-10 15:00")
        #expect(rig.order.lines(of: released).last?.period.end == instant("2026-04-10 10:00"))
        let audit = try await rig.cuts.auditTimelines(
            MeteringV1.AuditTimelinesRequest(partitionTo: 256), rig.at("2026-05-01", account: ""))
        #expect(audit.findings.map(\.breaches) == [0, 0, 0, 0, 0], "\(audit.findings)")
        let spans = audit.segments.filter { $0.groupID == running }.map { [$0.start, $0.billedThrough] }
        #expect(
            spans == [
                [instant("2026-04-10 09:10").milliseconds, instant("2026-04-10 10:00").milliseconds],
                [instant("2026-04-10 11:00").milliseconds, instant("2026-04-10 15:00").milliseconds],
            ])
    }

    @Test("On an overdue group only describing, renaming and releasing is possible")
    func refused() async throws {
        let rig = try Rig()
        let group = try await rig.createOverdue(at: "2026-04-10 09:10", cut: "2026-04-10 10:00")
        for action in [MeteringV1.PowerAction.on, .off, .restart] {
            await expectRefusal("group.overdue") {
                _ = try await rig.groups.setPower(
                    MeteringV1.SetPowerRequest(groupID: group, action: action), rig.at("2026-04-10 10:10"))
            }
        }
        await expectRefusal("group.overdue") {
            _ = try await rig.groups.connect(MeteringV1.ConnectRequest(groupID: group), rig.at("2026-04-10 10:10"))
        }
        await expectRefusal("group.overdue") { try await rig.lock(group, at: "2026-04-10 10:10") }
        await expectRefusal("group.overdue") {
            _ = try await rig.groups.setAutoRenewal(
                MeteringV1.SetAutoRenewalRequest(groupID: group, enabled: true), rig.at("2026-04-10 10:10"))
        }
        let renamed = try await rig.groups.renameGroup(
            MeteringV1.RenameGroupRequest(groupID: group, name: "broke"), rig.at("2026-04-10 10:11"))
        #expect(renamed.group?.name == "broke")
        let list = try await rig.groups.listGroups(
            MeteringV1.ListGroupsRequest(statuses: [.overdue]), rig.at("2026-04-10 10:12"))
        #expect(list.groups.map(\.groupID) == [group])
        let released = try await rig.release(group, at: "2026-04-10 10:13")
        #expect(released.group?.status == .released && released.group?.releaseCause == .owner)
        #expect(try await rig.cut(through: "2026-04-10 16:00").lines == 0)
        #expect(rig.order.lines(of: group).last?.period.end == instant("2026-04-10 10:00"))
    }

    @Test("A creation that completes while overdue fails and bills nothing, unless an order paid for it")
    func creation() async throws {
        let rig = try Rig()
        let request = MeteringV1.CreateGroupRequest(
            specification: "acp.basic.small", region: "cn-hangzhou", instances: 1, provisioner: .external)
        let pending = try #require(await rig.groups.createGroup(request, rig.at("2026-04-10 09:05")).group).groupID
        let failing = try #require(await rig.groups.createGroup(request, rig.at("2026-04-10 09:06")).group).groupID
        try await rig.createPaid(start: "2026-04-10 09:06", end: "2026-05-11", provisioner: .external)
        _ = try await rig.createOverdue(at: "2026-04-10 09:10", cut: "2026-04-10 10:00")
        await expectRefusal("account.overdue") { try await rig.create(at: "2026-04-10 10:05") }
        #expect(try await rig.group(pending).status == .creating)

        let report = { (group: String, failed: Bool, time: String) in
            try await rig.groups.reportCreated(
                MeteringV1.ReportCreatedRequest(groupID: group, failed: failed), rig.at(time)
            ).group
        }
        let gone = try #require(await report(pending, false, "2026-04-10 10:10"))
        #expect(gone.status == .released && gone.releaseCause == .creationFailed && gone.createdAt == 0)
        #expect(try await report(failing, true, "2026-04-10 10:11")?.releaseCause == .creationFailed)
        #expect(try await report("ag-paid", false, "2026-04-10 10:12")?.status == .active)
        #expect(try await rig.cut(through: "2026-04-10 14:00").lines == 0)
        try await rig.resume(at: "2026-04-10 14:00")
        #expect(try await rig.group(pending).status == .released)
        try await rig.create(at: "2026-04-10 14:05")
    }

    @Test(
        "A group that was created while the account was found overdue is overdue too, and costs nothing",
        arguments: [("2026-04-10 14:20", "2026-04-10 15:00"), ("2026-04-10 10:00", "2026-04-10 11:00")])
    func createdDuringCut(_ recovered: String, nextCut: String) async throws {
        let rig = try Rig()
        try await rig.create(at: "2026-04-10 09:10")
        rig.order.meanwhile { try await rig.create(at: "2026-04-10 10:00:00.500") }
        try await rig.fallBehind(cut: "2026-04-10 10:00")
        let groups = try await rig.groups.listGroups(MeteringV1.ListGroupsRequest(), rig.at("2026-04-10 10:01")).groups
        #expect(groups.map(\.status) == [.overdue, .overdue])
        #expect(try await rig.cut(through: String(recovered.prefix(14)) + "00").lines == 0)
        // Month close may end the debt at the very hour of the cut.
        try await rig.resume(at: recovered)
        #expect(try await rig.cut(through: nextCut).lines == 2)
        let audit = try await rig.cuts.auditTimelines(
            MeteringV1.AuditTimelinesRequest(partitionTo: 256), rig.at("2026-05-01", account: ""))
        #expect(audit.findings.map(\.breaches) == [0, 0, 0, 0, 0], "\(audit.findings)")
    }

    @Test("A subscription can be unsubscribed while the account is overdue, and a recovery follows at that instant")
    func unsubscribing() async throws {
        let rig = try Rig()
        try await rig.createPaid(start: "2026-04-10 09:00", end: "2026-05-11")
        let group = try await rig.createOverdue(at: "2026-04-10 09:10", cut: "2026-04-10 10:00")
        try await rig.lock("ag-paid", for: .subscription, at: "2026-04-10 10:20")
        let ended = try await rig.steps.endGroup(
            MeteringV1.EndGroupRequest(
                step: Rig.step("saga-one", "end"), groupID: "ag-paid", at: instant("2026-04-10 10:20").milliseconds),
            rig.at("2026-04-10 10:20"))
        #expect(ended.group?.releaseCause == .unsubscribed)
        #expect(try await rig.nextDue(after: "2026-04-10 10:20").cut == nil)
        // The refund to the balance paid what was outstanding.
        #expect(try await rig.resume(at: "2026-04-10 10:20").groupIDs == [group])
        #expect(try await rig.cut(through: "2026-04-10 11:00") == MeteringV1.CutReply(accounts: 1, lines: 1))
        #expect(
            rig.order.lines(of: group).last?.period
                == Period(instant("2026-04-10 10:20"), instant("2026-04-10 11:00")))
    }

    @Test("A crash after the posting finds the account overdue again when the cut is repeated")
    func crashed() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:10")
        rig.order.fail(after: 1)
        rig.order.nameOverdue([Rig.account])
        await expectRefusal("test.down") { try await rig.cut(through: "2026-04-10 10:00") }
        #expect(try await rig.group(group).status == .active)
        #expect(try await rig.cut(through: "2026-04-10 10:00").overdueAccounts == [Rig.account])
        #expect(try await rig.group(group).status == .overdue)
        #expect(rig.order.lines(of: group).count == 1)
    }

    @Test("A recovery of an account that is not overdue, or that fell behind after it, changes nothing")
    func nothingToResume() async throws {
        let rig = try Rig()
        #expect(try await rig.resume(at: "2026-04-10 09:00", saga: "saga-early").groupIDs == [])
        let group = try await rig.createOverdue(at: "2026-04-10 09:10", cut: "2026-04-10 10:00")
        #expect(try await rig.resume(at: "2026-04-10 09:59", saga: "saga-old").groupIDs == [])
        #expect(try await rig.group(group).status == .overdue)
        // Month close may clear the debt at the very hour that found it.
        #expect(try await rig.resume(at: "2026-04-10 10:00").groupIDs == [group])
        #expect(try await rig.cut(through: "2026-04-10 11:00").lines == 1)
        await expectRefusal("group.missing_field") {
            _ = try await rig.steps.resumeAccount(
                MeteringV1.ResumeAccountRequest(at: instant("2026-04-10 10:00").milliseconds),
                rig.at("2026-04-10 10:00"))
        }
    }

    @Test("A release when due names a state and an instant, and an account that is overdue in the audit is checked")
    func malformedAndBroken() async throws {
        let rig = try Rig()
        let group = try await rig.createOverdue(at: "2026-04-10 09:10", cut: "2026-04-10 10:00")
        await expectRefusal("group.missing_field") {
            _ = try await rig.steps.releaseGroup(
                MeteringV1.ReleaseGroupRequest(
                    step: Rig.step("saga-odd", "release"), groupID: group, since: instant("2026-04-10").milliseconds),
                rig.at("2026-04-10 10:10"))
        }
        _ = try await rig.database.write { transaction in
            try transaction.execute("UPDATE account_progress SET overdue_at = NULL")
        }
        let audit = try await rig.cuts.auditTimelines(
            MeteringV1.AuditTimelinesRequest(partitionTo: 256), rig.at("2026-05-01", account: ""))
        #expect(audit.findings.map(\.breaches) == [0, 0, 0, 1, 0])
    }
}
