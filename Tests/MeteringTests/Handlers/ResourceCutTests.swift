import BillingAPI
import BillingCore
import RPC
import Storage
import Testing

@testable import Metering

@Suite("The cut of value-added resources") struct ResourceCutTests {
    @Test("Domain 1: a NAT gateway used from 09:10 to 10:50 is two hours, each cut at the next top of the hour")
    func example() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 05:00")
        let nat = try await rig.enableInternet(at: "2026-04-10 09:10")[0]
        try await rig.release(group, at: "2026-04-10 09:20")
        try await rig.cut(through: "2026-04-10 10:00")
        try await rig.releaseResource(nat, at: "2026-04-10 10:50")
        try await rig.cut(through: "2026-04-10 13:00")
        let lines = rig.order.lines(of: nat)
        #expect(lines.map(\.gross.description) == ["0.034000", "0.034000"])
        #expect(
            lines.map(\.period)
                == [
                    Period(instant("2026-04-10 09:10"), instant("2026-04-10 10:00")),
                    Period(instant("2026-04-10 10:00"), instant("2026-04-10 10:50")),
                ])
        #expect(lines.map(\.cutAt) == [instant("2026-04-10 10:00"), instant("2026-04-10 11:00")])
        #expect(lines.allSatisfy { $0.quantity == 1 })
    }

    @Test(
        "Each clock hour that is touched is billed",
        arguments: [
            ("09:00", "10:00", 1), ("09:00", "09:00", 1), ("09:59:59.999", "09:59:59.999", 1),
            ("09:59:59.999", "10:00", 1), ("09:59:59.999", "10:00:00.001", 2), ("09:10", "09:20", 1),
        ])
    func hours(from: String, to: String, hours: Int) async throws {
        let rig = try Rig()
        let backup = try await rig.setBackup(100, at: "2026-04-10 " + from)
        try await rig.releaseResource(backup, at: "2026-04-10 " + to)
        try await rig.cut(through: "2026-04-10 12:00")
        #expect(rig.order.lines(of: backup).count == hours)
        #expect(try await rig.nextDue(after: "2026-04-10 12:00").cut == nil)
    }

    @Test("An account with resources alone is due every hour, and not at all when they are released")
    func dueAlone() async throws {
        let rig = try Rig()
        let backup = try await rig.setBackup(100, at: "2026-04-10 09:10")
        for (after, hour) in [("09:30", "10:00"), ("10:30", "11:00"), ("11:30", "12:00")] {
            #expect(try await rig.nextDue(after: "2026-04-10 " + after).cut == instant("2026-04-10 " + hour))
            #expect(try await rig.cut(through: "2026-04-10 " + hour) == MeteringV1.CutReply(accounts: 1, lines: 1))
        }
        let status = try await rig.cuts.cutStatus(.init(), rig.at("2026-04-10 13:00", account: ""))
        #expect(status.accountsDue == 1)
        try await rig.releaseResource(backup, at: "2026-04-10 12:30")
        #expect(try await rig.nextDue(after: "2026-04-10 12:30").cut == instant("2026-04-10 13:00"))
        #expect(try await rig.cut(through: "2026-04-10 15:00").lines == 1)
        #expect(try await rig.nextDue(after: "2026-04-10 15:00").cut == nil)
    }

    @Test("Storage is billed at its size at the start of each hour, in the first hour at the first size")
    func sizes() async throws {
        let rig = try Rig()
        let backup = try await rig.setBackup(100, at: "2026-04-10 09:10")
        for (gib, at) in [(200, "09:20"), (300, "10:00"), (400, "10:30"), (500, "10:40"), (500, "10:50")] {
            #expect(try await rig.setBackup(Int64(gib), at: "2026-04-10 " + at) == backup)
        }
        try await rig.cut(through: "2026-04-10 13:00")
        let lines = rig.order.lines(of: backup)
        #expect(lines.map(\.quantity) == [100, 300, 500, 500])
        // 0.02 x GiB / 720 hours of April.
        #expect(lines.map(\.gross.micros) == [2777, 8333, 13_888, 13_888])
        #expect(try await rig.listResources().resources.map(\.quantity) == [500])
    }

    @Test("Hours that are cut late keep the sizes that they had")
    func lateSizes() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:00")
        let backup = try await rig.setBackup(100, at: "2026-04-10 09:10")
        try await rig.lock(group, at: "2026-04-10 09:30")
        try await rig.cut(through: "2026-04-10 11:00")
        #expect(rig.order.lines.isEmpty)
        try await rig.setBackup(200, at: "2026-04-10 11:20")
        try await rig.unlock(group, at: "2026-04-10 11:30")
        try await rig.cut(through: "2026-04-10 13:00")
        #expect(rig.order.lines(of: backup).map(\.quantity) == [100, 100, 100, 200])
    }

    @Test("Lines of groups and resources are posted together in the order of settlement")
    func settlementOrder() async throws {
        let rig = try Rig()
        let late = try await rig.create(at: "2026-04-10 09:30")
        let early = try await rig.create(at: "2026-04-10 09:30")
        let internet = try await rig.enableInternet(at: "2026-04-10 09:40")
        try await rig.cut(through: "2026-04-10 10:00")
        #expect(rig.order.calls == 1)
        #expect(rig.order.lines.map(\.group) == [late, early].sorted() + internet.sorted())
    }

    @Test("A size that is set while its hour is cut counts from the next hour; the cut bills what it planned")
    func duringCut() async throws {
        let rig = try Rig()
        let backup = try await rig.setBackup(100, at: "2026-04-10 09:10")
        rig.order.meanwhile { try await rig.setBackup(200, at: "2026-04-10 10:00") }
        try await rig.cut(through: "2026-04-10 10:00")
        #expect(try await rig.nextDue(after: "2026-04-10 10:00").cut == instant("2026-04-10 11:00"))
        try await rig.cut(through: "2026-04-10 11:00")
        #expect(rig.order.lines(of: backup).map(\.quantity) == [100, 200])
        rig.order.meanwhile { try await rig.releaseResource(backup, at: "2026-04-10 12:00") }
        try await rig.cut(through: "2026-04-10 12:00")
        #expect(try await rig.cut(through: "2026-04-10 14:00").lines == 0)
        #expect(rig.order.lines(of: backup).count == 3)
    }

    @Test("A resource bought while its account's last use is cut is due in the next hour")
    func boughtDuringCut() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 06:00")
        try await rig.cut(through: "2026-04-10 09:00")
        try await rig.release(group, at: "2026-04-10 09:30")
        rig.order.meanwhile { try await rig.setBackup(1, at: "2026-04-10 10:00") }
        try await rig.cut(through: "2026-04-10 10:00")
        #expect(try await rig.nextDue(after: "2026-04-10 10:00").cut == instant("2026-04-10 11:00"))
        #expect(try await rig.cut(through: "2026-04-10 11:00").lines == 1)
    }
}

@Suite("Value-added resources of overdue accounts") struct OverdueResourceTests {
    @Test("They stop at the cut that finds the account overdue, and go on at recovery with that clock hour billed")
    func recovery() async throws {
        let rig = try Rig()
        let backup = try await rig.setBackup(100, at: "2026-04-10 09:10")
        try await rig.cut(through: "2026-04-10 10:00")
        try await rig.setBackup(200, at: "2026-04-10 10:30")
        try await rig.cutOverdue(through: "2026-04-10 11:00")
        let stopped = try await rig.listResources().resources[0]
        #expect(stopped.status == .overdue && stopped.overdueAt == instant("2026-04-10 11:00").milliseconds)
        #expect(try await rig.nextDue(after: "2026-04-10 11:00").cut == nil)
        #expect(try await rig.cut(through: "2026-04-10 13:00").lines == 0)
        #expect(try await rig.resources.listAccruing(.init(), rig.at("2026-04-10 12:00")).accruing.isEmpty)

        let resumed = try await rig.resume(at: "2026-04-10 13:20")
        #expect(resumed.resourceIDs == [backup])
        #expect(try await rig.resume(at: "2026-04-10 13:30", saga: "saga-later").resourceIDs.isEmpty)
        #expect(try await rig.listResources().resources[0].status == .active)
        try await rig.cut(through: "2026-04-10 15:00")
        let lines = rig.order.lines(of: backup)
        #expect(lines.map(\.quantity) == [100, 100, 200, 200])
        try #require(lines.count == 4)
        #expect(lines[2].period == Period(instant("2026-04-10 13:20"), instant("2026-04-10 14:00")))
        #expect(lines[2].gross == lines[3].gross)
    }

    @Test("Nothing can be bought or resized while the account is overdue; everything can be released, for nothing more")
    func refused() async throws {
        let rig = try Rig()
        try await rig.create(at: "2026-04-10 09:00")
        let internet = try await rig.enableInternet(at: "2026-04-10 09:10")
        try await rig.setBackup(100, at: "2026-04-10 09:10")
        try await rig.cutOverdue(through: "2026-04-10 10:00")
        await expectRefusal("account.overdue") { try await rig.enableInternet(at: "2026-04-10 10:10") }
        await expectRefusal("account.overdue") { try await rig.addBandwidth(10, at: "2026-04-10 10:10") }
        await expectRefusal("account.overdue") { try await rig.setBackup(200, at: "2026-04-10 10:10") }
        let released = try await rig.releaseResource(internet[0], at: "2026-04-10 10:20")
        #expect(released.status == .released && released.overdueAt == 0)
        #expect(try await rig.resume(at: "2026-04-10 11:20").resourceIDs.count == 2)
        try await rig.cut(through: "2026-04-10 13:00")
        #expect(rig.order.lines(of: internet[0]).count == 1)
        #expect(rig.order.lines(of: internet[1]).count == 3)
    }

    @Test("What is bought or released while the cut that stops the account is under way costs nothing after its hour")
    func duringCut() async throws {
        let rig = try Rig()
        let backup = try await rig.setBackup(100, at: "2026-04-10 09:10")
        rig.order.meanwhile {
            try await rig.setBackup(5, at: "2026-04-10 10:00", region: "ap-southeast-1")
            try await rig.releaseResource(backup, at: "2026-04-10 10:00:00.500")
        }
        try await rig.cutOverdue(through: "2026-04-10 10:00")
        #expect(try await rig.listResources().resources.map(\.status) == [.released, .overdue])
        #expect(try await rig.cut(through: "2026-04-10 13:00").lines == 0)
        #expect(rig.order.lines.count == 1)
        #expect(try await rig.resume(at: "2026-04-10 13:00").resourceIDs.count == 1)
        #expect(try await rig.cut(through: "2026-04-10 14:00").lines == 1)
    }
}

@Suite("The audit of value-added resources") struct ResourceAuditTests {
    private func audit(_ rig: Rig) async throws -> MeteringV1.AuditTimelinesReply {
        try await rig.cuts.auditTimelines(.init(partitionFrom: 0, partitionTo: 256), rig.at("2026-05-01", account: ""))
            .message
    }

    @Test("The audit tells each stretch of use that should be on bills, with its size, and finds nothing wrong")
    func clean() async throws {
        let rig = try Rig()
        let backup = try await rig.setBackup(100, at: "2026-04-10 09:10")
        try await rig.setBackup(200, at: "2026-04-10 09:20")
        try await rig.cut(through: "2026-04-10 10:00")
        try await rig.cutOverdue(through: "2026-04-10 11:00")
        _ = try await rig.resume(at: "2026-04-10 13:20")
        try await rig.cut(through: "2026-04-10 15:00")
        let reply = try await audit(rig)
        #expect(reply.findings.allSatisfy { $0.breaches == 0 }, "\(reply.findings)")
        func segment(_ start: String, _ end: String, _ gibibytes: Int64) -> MeteringV1.BilledSegment {
            MeteringV1.BilledSegment(
                accountID: Rig.account, billingMethod: .payAsYouGo, start: instant(start).milliseconds,
                billedThrough: instant(end).milliseconds, resourceID: backup, region: "cn-hangzhou", item: "oss",
                quantity: gibibytes)
        }
        #expect(
            reply.segments
                == [
                    segment("2026-04-10 09:10", "2026-04-10 10:00", 100),
                    segment("2026-04-10 10:00", "2026-04-10 11:00", 200),
                    segment("2026-04-10 13:20", "2026-04-10 15:00", 200),
                ])
    }

    @Test("Lost accrual, damaged use and a wrong state are breaches")
    func breaches() async throws {
        let rig = try Rig()
        let backup = try await rig.setBackup(100, at: "2026-04-10 09:10")
        try await rig.setBackup(5, at: "2026-04-10 09:10", region: "ap-southeast-1")
        try await rig.database.write { transaction in
            try transaction.execute("DELETE FROM accrual")
            try transaction.execute("UPDATE resource_use SET quantity = 7 WHERE resource_id = ?", .text(backup))
            try transaction.execute(
                """
                UPDATE value_added_resource SET status = 2, active_since = NULL, overdue_at = created_at
                WHERE resource_id <> ?
                """, .text(backup))
        }
        let findings = try await audit(rig).findings
        #expect(findings.map(\.invariant) == ["P3", "P1", "S2", "O1", "T1"])
        #expect(findings.map(\.breaches) == [2, 2, 0, 1, 0])
        #expect(findings.allSatisfy { $0.examples.allSatisfy { $0.contains(Rig.account) } })
    }
}
