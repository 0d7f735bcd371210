import BillingAPI
import BillingCore
import RPC
import Storage
import Testing

@testable import Metering

@Suite("The hourly cut") struct CutTests {
    @Test("Example 2, hour by hour, to the end of the unit")
    func exampleTwo() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 08:45:30")
        for hour in ["09:00", "10:00"] { #expect(try await rig.cut(through: "2026-04-10 " + hour).lines == 1) }
        try await rig.release(group, at: "2026-04-10 10:20:30")
        for hour in ["11:00", "12:00", "13:00"] {
            #expect(try await rig.cut(through: "2026-04-10 " + hour).lines == 1)
        }
        #expect(try await rig.cut(through: "2026-04-10 14:00") == MeteringV1.CutReply())
        let lines = rig.order.lines(of: group)
        #expect(
            lines.map(\.gross.description) == ["0.011044", "0.045700", "0.045700", "0.045700", "0.034656"])
        #expect(lines.last?.period.end == instant("2026-04-10 12:45:30"))
        #expect(rig.order.total(of: group) == "0.182800")
        #expect(
            lines.map(\.cutAt)
                == [9, 10, 11, 12, 13].map { hour in
                    instant("2026-04-10 00:00").adding(milliseconds: hour * .millisecondsPerHour)
                })
    }

    @Test(
        "Examples 3, 4 and 14: whole units, or seconds for groups from before",
        arguments: [
            ("acp.std.medium", "cn-hangzhou", 1, "2026-04-10 09:00:00", "2026-04-10 13:00:00", "0.244000"),
            ("acp.std.medium", "cn-hangzhou", 1, "2026-04-10 09:00:00", "2026-04-10 13:00:01", "0.488000"),
            ("acp.std.medium", "cn-hangzhou", 1, "2026-04-10 09:00:00", "2026-04-10 13:00:00.001", "0.488000"),
            ("acp.std.small", "ap-southeast-1", 5, "2026-04-10 09:10:00", "2026-04-10 18:40:00", "5.388000"),
            ("acp.basic.small", "cn-hangzhou", 1, "2025-05-05 23:59:59", "2025-05-06 00:29:59", "0.022850"),
        ] as [(String, String, UInt32, String, String, String)])
    func examples(
        _ specification: String, region: String, instances: UInt32, created: String, released: String, total: String
    ) async throws {
        let rig = try Rig()
        let group = try await rig.create(specification, region: region, instances: instances, at: created)
        let day = BillingCalendar.day(of: instant(released)).adding(milliseconds: .millisecondsPerDay)
        // Cut through the last full hour before the release, as the gateway does.
        try await rig.cut(through: BillingCalendar.format(BillingCalendar.hour(of: instant(released))))
        try await rig.release(group, at: released)
        try await rig.cut(through: BillingCalendar.format(day))
        #expect(rig.order.total(of: group) == total)
        #expect(try await rig.nextDue(after: released).cut == nil)
    }

    @Test("A repeated cut changes nothing")
    func repeated() async throws {
        let rig = try Rig()
        try await rig.create(at: "2026-04-10 08:45:30")
        let first = try await rig.cut(through: "2026-04-10 09:00")
        #expect(first == MeteringV1.CutReply(accounts: 1, lines: 1))
        #expect(try await rig.cut(through: "2026-04-10 09:00") == MeteringV1.CutReply())
        #expect(rig.order.lines.count == 1)
    }

    @Test("A crash before, between or after rating and posting repeats the batch and bills once", arguments: 0..<3)
    func crashed(_ place: Int) async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 08:45:30")
        switch place {
        case 0: rig.pricing.fail(1)
        case 1: rig.order.fail(before: 1)
        default: rig.order.fail(after: 1)
        }
        await expectRefusal("test.down") { try await rig.cut(through: "2026-04-10 10:00") }
        #expect(try await rig.nextDue(after: "2026-04-10 08:50").cut == instant("2026-04-10 09:00"))
        try await rig.cut(through: "2026-04-10 10:00")
        #expect(rig.order.total(of: group) == "0.056744")
        #expect(rig.order.lines.count == 2)
    }

    @Test("Cuts beside each other bill once and count each account once")
    func concurrent() async throws {
        let rig = try Rig()
        for index in 0..<8 { try await rig.create(at: "2026-04-10 08:45:30", account: "acct-\(index)") }
        let accounts = try await withThrowingTaskGroup(of: UInt32.self) { tasks in
            for _ in 0..<4 { tasks.addTask { try await rig.cut(through: "2026-04-10 12:00").accounts } }
            return try await tasks.reduce(0, +)
        }
        #expect(accounts == 8 * 4)
        #expect(rig.order.lines.count == 8 * 4)
    }

    @Test("An account that fell behind is cut hour by hour, in order")
    func lagging() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 08:45:30")
        let reply = try await rig.cut(through: "2026-04-10 12:00")
        #expect(reply == MeteringV1.CutReply(accounts: 4, lines: 4))
        let lines = rig.order.lines(of: group)
        #expect(lines.map(\.period.end) == lines.map(\.cutAt))
        #expect(zip(lines, lines.dropFirst()).allSatisfy { $0.period.end == $1.period.start })
    }

    private func uncut(_ rig: Rig, through text: String) async throws -> [String] {
        let reply = try await rig.cuts.listUncut(
            MeteringV1.ListUncutRequest(through: instant(text).milliseconds), rig.at(text, account: ""))
        #expect(!reply.more)
        return reply.accountIDs
    }

    @Test("An account that order refuses by itself stops no other; it is told, stays due and is caught up later")
    func refusedAccount() async throws {
        let rig = try Rig()
        var groups: [String] = []
        for account in ["acct-1", "acct-2", "acct-3"] {
            groups.append(try await rig.create(at: "2026-04-10 09:10", account: account))
        }
        rig.order.refuse(["acct-1", "acct-2", "acct-3"])
        await expectRefusal("usage.changed") { try await rig.cut(through: "2026-04-10 12:00") }
        rig.order.refuse(["acct-2"])
        let reply = try await rig.cut(through: "2026-04-10 12:00")
        #expect(
            reply.failures == [
                MeteringV1.CutFailure(accountID: "acct-2", message: "It was posted before with another content.")
            ])
        #expect(groups.map { rig.order.lines(of: $0).count } == [3, 0, 3])
        #expect(reply.accounts == 6 && reply.lines == 6)
        #expect(try await uncut(rig, through: "2026-04-10 12:00") == ["acct-2"])
        #expect(try await rig.nextDue(after: "2026-04-10 12:00").cut == instant("2026-04-10 13:00"))
        // Whoever needs that very account learns why.
        await expectRefusal("usage.changed") { try await rig.cut(through: "2026-04-10 12:00", account: "acct-2") }
        rig.order.refuse([])
        #expect(try await rig.cut(through: "2026-04-10 12:00") == MeteringV1.CutReply(accounts: 3, lines: 3))
        #expect(groups.map { rig.order.lines(of: $0).count } == [3, 3, 3])
    }

    @Test("An account waits while a saga holds one of its groups, then catches up; the others go on")
    func waiting() async throws {
        let rig = try Rig()
        let group = try await rig.create("acp.std.large", instances: 4, at: "2026-04-10 09:10")
        let sibling = try await rig.create(at: "2026-04-10 09:10")
        let other = try await rig.create(at: "2026-04-10 09:10", account: "acct-other")
        try await rig.lock(group, at: "2026-04-10 09:59:59")
        let reply = try await rig.cut(through: "2026-04-10 11:00")
        #expect(reply.waiting == 1)
        #expect(rig.order.lines(of: group).isEmpty && rig.order.lines(of: sibling).isEmpty)
        #expect(rig.order.lines(of: other).count == 2)
        #expect(try await rig.nextDue(after: "2026-04-10 11:00").cut == instant("2026-04-10 12:00"))
        let status = try await rig.cuts.cutStatus(
            MeteringV1.CutStatusRequest(), rig.at("2026-04-10 11:00", account: ""))
        #expect(
            status.message
                == MeteringV1.CutStatusReply(
                    accountsDue: 1, oldestCursor: instant("2026-04-10 09:00").milliseconds, waiting: 1))
        #expect(try await uncut(rig, through: "2026-04-10 09:00") == [])
        #expect(try await uncut(rig, through: "2026-04-10 11:00") == [Rig.account])
        #expect(try await uncut(rig, through: "2026-04-10 12:00") == [Rig.account, "acct-other"])

        // The payment was at 09:59:59, before two hours that were cut meanwhile for others.
        _ = try await rig.steps.switchGroup(
            MeteringV1.SwitchGroupRequest(
                step: Rig.step("saga-one", "switch"), groupID: group,
                term: Rig.term("2026-04-10 09:59:59", "2026-05-11")), rig.at("2026-04-10 11:00"))
        #expect(try await rig.cut(through: "2026-04-10 11:00").waiting == 0)
        #expect(try await uncut(rig, through: "2026-04-10 11:00") == [])
        #expect(rig.order.lines(of: group).map(\.period.end) == [instant("2026-04-10 09:59:59")])
        #expect(rig.order.lines(of: sibling).count == 2)
    }

    @Test("An undone lock lets the account catch up to where all others are")
    func undoneLock() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:10")
        try await rig.lock(group, at: "2026-04-10 09:30")
        try await rig.cut(through: "2026-04-10 12:00")
        #expect(rig.order.lines.isEmpty)
        try await rig.unlock(group, at: "2026-04-10 12:10")
        #expect(try await rig.cut(through: "2026-04-10 12:00").lines == 3)
    }

    @Test("A lock is refused for a moment while the account is being cut, so no instant is fixed that is billed")
    func lockDuringCut() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:10")
        rig.order.meanwhile {
            await expectRefusal("account.cut_due") { try await rig.lock(group, at: "2026-04-10 09:59:59") }
        }
        try await rig.cut(through: "2026-04-10 10:00")
        let locked = try await rig.lock(group, at: "2026-04-10 09:59:59")
        #expect(locked.effectiveAt == instant("2026-04-10 10:00"))
    }

    @Test("What is called during a cut counts from its hour on: a release pays for the unit of that instant")
    func releaseDuringCut() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 05:59:59.999")
        try await rig.cut(through: "2026-04-10 09:00")
        rig.order.meanwhile {
            // One millisecond before the cut's hour, exactly at the end of the first unit.
            let reply = try await rig.release(group, at: "2026-04-10 09:59:59.999")
            #expect(reply.effectiveAt == instant("2026-04-10 10:00"))
        }
        try await rig.cut(through: "2026-04-10 10:00")
        try await rig.cut(through: "2026-04-10 14:00")
        #expect(rig.order.total(of: group) == "0.365600")
    }

    @Test("A group created while its account's last one is cut is due in the next hour")
    func createdDuringCut() async throws {
        let rig = try Rig()
        let first = try await rig.create(at: "2026-04-10 06:00")
        try await rig.cut(through: "2026-04-10 09:00")
        try await rig.release(first, at: "2026-04-10 09:30")
        rig.order.meanwhile { try await rig.create(at: "2026-04-10 10:00") }
        try await rig.cut(through: "2026-04-10 10:00")
        #expect(try await rig.nextDue(after: "2026-04-10 10:00").cut == instant("2026-04-10 11:00"))
        #expect(try await rig.cut(through: "2026-04-10 11:00").lines == 1)
    }

    @Test("One account alone can be cut, and a range of partitions")
    func scope() async throws {
        let rig = try Rig()
        let mine = try await rig.create(at: "2026-04-10 09:10")
        let other = try await rig.create(at: "2026-04-10 09:10", account: "acct-other")
        try await rig.cut(through: "2026-04-10 10:00", account: Rig.account)
        #expect(rig.order.lines(of: mine).count == 1 && rig.order.lines(of: other).isEmpty)
        let partition = UInt32(Partition.of("acct-other"))
        let range = MeteringV1.CutRequest(
            partitionFrom: partition, partitionTo: partition + 1, through: instant("2026-04-10 10:00").milliseconds)
        _ = try await rig.cuts.cut(range, rig.at("2026-04-10 10:00", account: ""))
        #expect(rig.order.lines(of: other).count == 1)
    }

    @Test(
        "A cut names its hour and its partitions rightly or is refused",
        arguments: [
            (0, 256, "2026-04-10 10:00:00.001", "cut.not_top_of_hour"), (4, 3, "2026-04-10 10:00", "page.malformed"),
            (0, 257, "2026-04-10 10:00", "page.malformed"),
        ] as [(UInt32, UInt32, String, String)])
    func refused(_ from: UInt32, to: UInt32, through: String, reason: String) async throws {
        let rig = try Rig()
        let request = MeteringV1.CutRequest(
            partitionFrom: from, partitionTo: to, through: instant(through).milliseconds)
        await expectRefusal(reason) { _ = try await rig.cuts.cut(request, rig.at(through, account: "")) }
    }

    @Test("A rating that is not of the slices asked for is never posted")
    func wrongRating() async throws {
        let rig = try Rig()
        try await rig.create(at: "2026-04-10 09:10")
        rig.pricing.answerWrongly(true)
        await expectRefusal("cut.rating_mismatch") { try await rig.cut(through: "2026-04-10 10:00") }
        #expect(rig.order.lines.isEmpty)
        rig.pricing.answerWrongly(false)
        #expect(try await rig.cut(through: "2026-04-10 10:00").lines == 1)
    }

    @Test("More slices than a call may hold are cut in several calls, each account's lines in order")
    func large() async throws {
        let rig = try Rig()
        for index in 0..<2100 {
            try await rig.create(at: "2026-04-10 09:00", account: index % 700 == 0 ? "acct-other" : Rig.account)
        }
        let reply = try await rig.cut(through: "2026-04-10 10:00")
        #expect(reply.accounts == 2 && reply.lines == 2100)
        #expect(rig.pricing.largestRate == 2048)
        // The three slices of one account, and the other account in two parts, since it is more than a call by itself.
        #expect(rig.order.calls == 3)
        let mine = rig.order.lines.filter { $0.account == Rig.account }.map(\.group)
        #expect(mine == mine.sorted())
    }

    @Test("A full batch is divided between accounts, since order settles an account as a whole")
    func divided() async throws {
        let rig = try Rig()
        for index in 0..<2200 {
            try await rig.create(at: "2026-04-10 09:00", account: index % 2 == 0 ? "acct-other" : Rig.account)
        }
        #expect(try await rig.cut(through: "2026-04-10 10:00").lines == 2200)
        #expect(rig.pricing.largestRate == 1100)
        #expect(rig.order.calls == 2)
    }

    @Test("A cut that runs out of time says so, and goes on where it stopped")
    func deadline() async throws {
        let rig = try Rig()
        try await rig.create(at: "2026-04-10 09:10")
        await expectRefusal("call.deadline_exceeded") {
            try await rig.cut(through: "2026-04-10 10:00", deadline: .after(milliseconds: 0))
        }
        #expect(try await rig.cut(through: "2026-04-10 10:00").lines == 1)
    }

    @Test("Accounts that owe money after the cut are named once")
    func overdue() async throws {
        let rig = try Rig()
        try await rig.create(at: "2026-04-10 09:10")
        rig.order.nameOverdue([Rig.account])
        #expect(try await rig.cut(through: "2026-04-10 11:00").overdueAccounts == [Rig.account])
    }
}

@Suite("Terms that end") struct ExpiryTests {
    @Test("A term that ends makes its group expired and unusable, at its end and not before")
    func expiry() async throws {
        let rig = try Rig()
        try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11")
        #expect(try await rig.nextDue(after: "2026-04-10 15:20").expiry == instant("2026-05-11"))
        #expect(try await rig.expire(through: "2026-05-10 23:59:59.999") == [])
        #expect(try await rig.expire(through: "2026-05-11") == ["ag-paid"])
        #expect(try await rig.expire(through: "2026-05-11") == [])
        #expect(try await rig.group("ag-paid").status == .expired)
        #expect(try await rig.nextDue(after: "2026-05-11").expiry == nil)
        await expectRefusal("group.expired") {
            _ = try await rig.groups.setPower(
                MeteringV1.SetPowerRequest(groupID: "ag-paid", action: .on), rig.at("2026-05-11"))
        }
        await expectRefusal("group.expired") {
            try await rig.lock("ag-paid", for: .subscription, at: "2026-05-11")
        }
    }

    @Test("A group that a saga holds expires when it is free again, and is due until then")
    func held() async throws {
        let rig = try Rig()
        try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11")
        try await rig.lock("ag-paid", for: .subscription, at: "2026-05-10 23:59:59")
        #expect(try await rig.expire(through: "2026-05-11") == [])
        #expect(try await rig.nextDue(after: "2026-05-11 00:00").expiry == instant("2026-05-11 01:00"))
        try await rig.unlock("ag-paid", at: "2026-05-11 00:10")
        #expect(try await rig.expire(through: "2026-05-11 01:00") == ["ag-paid"])
    }

    @Test("More terms than one unit of work takes end in one call")
    func many() async throws {
        let rig = try Rig()
        for index in 0..<150 {
            try await rig.createPaid("ag-paid-\(index)", start: "2026-04-10 15:20", end: "2026-05-11")
        }
        #expect(try await rig.expire(through: "2026-05-11").count == 150)
    }
}

@Suite("The audit of timelines") struct AuditTests {
    private func audit(
        _ rig: Rig, after: String = "", from: UInt32 = 0
    ) async throws -> MeteringV1.AuditTimelinesReply {
        try await rig.cuts.auditTimelines(
            MeteringV1.AuditTimelinesRequest(afterAccount: after, partitionFrom: from, partitionTo: 256),
            rig.at("2026-05-01", account: "")
        ).message
    }

    @Test("The audit tells what should be on bills by now, and finds nothing wrong")
    func clean() async throws {
        let rig = try Rig()
        let released = try await rig.create(at: "2026-04-10 08:45:30")
        let running = try await rig.create(at: "2026-04-10 09:10")
        try await rig.createPaid(start: "2026-04-10 09:20", end: "2026-05-11")
        try await rig.cut(through: "2026-04-10 10:00")
        try await rig.release(released, at: "2026-04-10 10:20:30")
        try await rig.cut(through: "2026-04-10 14:00")
        let reply = try await audit(rig)
        #expect(reply.findings.map(\.breaches) == [0, 0, 0, 0, 0])
        #expect(reply.findings.map(\.invariant) == ["P3", "P1", "S2", "O1", "T1"])
        #expect(reply.findings.first?.checked == 3)
        #expect(reply.nextAccount.isEmpty)
        let expected = [
            MeteringV1.BilledSegment(
                accountID: Rig.account, groupID: released, billingMethod: .payAsYouGo,
                start: instant("2026-04-10 08:45:30").milliseconds,
                billedThrough: instant("2026-04-10 12:45:30").milliseconds, specification: "acp.basic.small",
                region: "cn-hangzhou", instances: 1),
            MeteringV1.BilledSegment(
                accountID: Rig.account, groupID: running, billingMethod: .payAsYouGo,
                start: instant("2026-04-10 09:10").milliseconds,
                billedThrough: instant("2026-04-10 14:00").milliseconds, specification: "acp.basic.small",
                region: "cn-hangzhou", instances: 1),
            MeteringV1.BilledSegment(
                accountID: Rig.account, groupID: "ag-paid", billingMethod: .subscription,
                start: instant("2026-04-10 09:20").milliseconds, billedThrough: instant("2026-05-11").milliseconds,
                orderID: "ord-one"),
        ]
        #expect(Set(reply.segments) == Set(expected))
    }

    @Test("A damaged timeline, a lost accrual or a lost lock is a breach")
    func breaches() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:10")
        try await rig.lock(group, at: "2026-04-10 09:20")
        try await rig.database.write { transaction in
            try transaction.execute("UPDATE segment SET starts_at = starts_at + 1")
            try transaction.execute("DELETE FROM accrual")
            try transaction.execute("UPDATE instance_group SET locked_by = NULL")
        }
        let reply = try await audit(rig)
        #expect(reply.findings.map(\.breaches) == [1, 1, 1, 0, 0])
        #expect(reply.findings.prefix(3).allSatisfy { $0.examples.count == 1 && $0.examples[0].contains(Rig.account) })
    }

    @Test("A life that no edges lead to is a breach")
    func disorder() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:10")
        _ = try await rig.database.write { transaction in
            try transaction.execute("UPDATE instance_group SET requested_at = created_at + 1")
        }
        let reply = try await audit(rig)
        #expect(reply.findings.map(\.breaches) == [0, 0, 0, 0, 1])
        #expect(reply.findings.last?.examples.first?.contains(group) == true)
    }

    @Test("What a saga holds is told, and what should have ended by itself")
    func heldAndLate() async throws {
        let rig = try Rig()
        let held = try await rig.create(at: "2026-04-10 09:10")
        try await rig.createPaid(start: "2026-04-10 09:20", end: "2026-04-20")
        try await rig.lock(held, at: "2026-04-10 09:20")
        let account = try #require(try await audit(rig).accounts.first)
        #expect(account.held.map(\.groupID) == [held])
        #expect(account.late.map(\.groupID) == ["ag-paid"])
        #expect(account.late.first?.status == .active)
        #expect(account.late.first?.dueAt == instant("2026-04-20").milliseconds)
    }

    @Test("An account of more segments than a reply holds takes several, and all of it is told")
    func largeAccount() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:10")
        try await rig.create(at: "2026-04-10 09:10", account: "acct-other")
        _ = try await rig.database.write { transaction in
            // A group that was overdue very often.
            try transaction.execute(
                """
                WITH RECURSIVE copy (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM copy WHERE n < 9000)
                INSERT INTO segment SELECT partition, account, group_id, n, method, starts_at + n, NULL, unit, order_id
                FROM segment, copy WHERE group_id = ?
                """, .text(group))
        }
        var starts: [Int64] = []
        var accounts: [String] = []
        var request = MeteringV1.AuditTimelinesRequest(partitionTo: 256)
        repeat {
            let reply = try await rig.cuts.auditTimelines(request, rig.at("2026-05-01", account: "")).message
            #expect(reply.segments.count <= 4096)
            starts += reply.segments.filter { $0.groupID == group }.map(\.start)
            accounts += reply.accounts.map(\.accountID)
            (request.afterAccount, request.partitionFrom) = (reply.nextAccount, reply.nextPartition)
            (request.afterThing, request.afterNumber) = (reply.nextThing, reply.nextNumber)
        } while !request.afterAccount.isEmpty
        #expect(starts.count == 9000 && Set(starts).count == 9000)
        #expect(accounts.sorted() == ["acct-other", Rig.account].sorted())
        request = MeteringV1.AuditTimelinesRequest(partitionTo: 256, accountID: "acct-other")
        let one = try await rig.cuts.auditTimelines(request, rig.at("2026-05-01", account: "")).message
        #expect(one.segments.map(\.accountID) == ["acct-other"] && one.nextAccount.isEmpty)
    }

    @Test("Pages go through all accounts once")
    func pages() async throws {
        let rig = try Rig()
        for index in 0..<1100 { try await rig.create(at: "2026-04-10 09:10", account: "acct-\(index)") }
        var accounts: [String] = []
        var (after, from) = ("", UInt32(0))
        repeat {
            let reply = try await audit(rig, after: after, from: from)
            accounts += reply.segments.map(\.accountID)
            (after, from) = (reply.nextAccount, reply.nextPartition)
        } while !after.isEmpty
        #expect(accounts.count == 1100)
        #expect(Set(accounts).count == 1100)
    }
}
