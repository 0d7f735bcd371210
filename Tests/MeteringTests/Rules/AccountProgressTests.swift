import BillingCore
import Testing

@testable import Metering

@Suite("The progress of an account") struct AccountProgressTests {
    private let noon = instant("2026-04-10 12:00")

    @Test(
        "An instant up to 5 seconds early is moved up to the account's last one, an earlier one refused",
        arguments: [
            (0, 0), (1, 1), (-1, 0), (-5000, 0), (-5001, nil), (3_600_000, 3_600_000),
        ] as [(Int64, Int64?)])
    func clock(_ offset: Int64, effective: Int64?) throws {
        var clock = AccountClock(lastAt: noon)
        if let effective {
            #expect(try clock.admit(noon.adding(milliseconds: offset)) == noon.adding(milliseconds: effective))
            #expect(clock.lastAt == noon.adding(milliseconds: effective))
        } else {
            let error = #expect(throws: AccountClockError.self) { try clock.admit(noon.adding(milliseconds: offset)) }
            #expect(error?.reason == "call.time_went_back")
            #expect(clock.lastAt == noon)
        }
    }

    @Test("First use makes an account due at the next top of the hour, later use does not put it off")
    func due() throws {
        var progress = AccountProgress()
        progress.accrues(from: instant("2026-04-10 09:10"))
        #expect(progress.cutThrough == instant("2026-04-10 09:00"))
        #expect(progress.dueAt == instant("2026-04-10 10:00"))
        progress.accrues(from: instant("2026-04-10 13:00"))
        #expect(progress.dueAt == instant("2026-04-10 10:00"))
    }

    @Test("An idle account starts again at the hour of its next use")
    func idle() {
        var progress = AccountProgress(cutThrough: instant("2026-04-10 10:00"))
        progress.accrues(from: instant("2026-04-12 15:00"))
        #expect(progress.cutThrough == instant("2026-04-12 15:00"))
        #expect(progress.dueAt == instant("2026-04-12 16:00"))
    }

    @Test("A lock waits for a cut that is under way, but not for one that waits itself")
    func lock() throws {
        var progress = AccountProgress(clock: AccountClock(lastAt: noon), cutThrough: nil, dueAt: noon)
        #expect(throws: AccountBusyError.cutDue(noon)) { try progress.lock(at: noon) }
        progress = AccountProgress(clock: AccountClock(lastAt: noon), cutThrough: nil, dueAt: noon, locks: 1)
        try progress.lock(at: noon)
        #expect(progress.locks == 2)
        progress = AccountProgress(
            clock: AccountClock(lastAt: noon), cutThrough: noon, dueAt: noon.adding(milliseconds: 3_600_000))
        try progress.lock(at: noon)
        #expect(progress.locks == 1)
    }

    @Test("What is due is never too late: it takes effect at the account's last instant, and waits for no later cut")
    func late() throws {
        let dueAt = noon.adding(milliseconds: -.millisecondsPerHour)
        var progress = AccountProgress(clock: AccountClock(lastAt: noon), cutThrough: nil, dueAt: dueAt)
        #expect(progress.follow(dueAt.adding(milliseconds: -1)) == noon)
        #expect(progress.follow(noon.adding(milliseconds: 1)) == noon.adding(milliseconds: 1))
        try progress.lock(at: dueAt.adding(milliseconds: -1))
        #expect(progress.locks == 1)
    }

    @Test(
        "A recovery waits for a cut that is due by then, which may have found the account overdue",
        arguments: [(-1, false, false), (0, false, true), (1, false, true), (0, true, false), (1, true, false)])
    func recovery(_ offset: Int64, isOverdue: Bool, waits: Bool) throws {
        var progress = AccountProgress(
            clock: AccountClock(lastAt: noon), dueAt: isOverdue ? nil : noon, overdueAt: isOverdue ? noon : nil)
        let at = noon.adding(milliseconds: offset)
        if waits {
            let error = #expect(throws: AccountBusyError.cutDue(noon)) { try progress.recover(at: at) }
            #expect(error?.status == .unavailable)
        } else {
            #expect(try progress.recover(at: at) == isOverdue)
        }
        #expect(progress.overdueAt == nil)
    }

    @Test("An overdue account has no cut and may begin nothing, until it recovers at that hour or later")
    func overdue() throws {
        var progress = AccountProgress(
            clock: AccountClock(lastAt: noon), cutThrough: noon.adding(milliseconds: -.millisecondsPerHour), dueAt: noon
        )
        try progress.requireNotOverdue()
        progress.stop(at: noon)
        #expect(progress.overdueAt == noon && progress.dueAt == nil && progress.cutThrough == noon)
        let error = #expect(throws: AccountOverdueError.overdue(since: noon)) { try progress.requireNotOverdue() }
        #expect(error?.reason == "account.overdue" && error?.status == .failedPrecondition)
        let early = try progress.recover(at: noon.adding(milliseconds: -1))
        #expect(!early)
        let recovered = try progress.recover(at: noon)
        let again = try progress.recover(at: noon)
        #expect(recovered && !again)
        try progress.requireNotOverdue()
        let anchor = noon.adding(milliseconds: 3 * .millisecondsPerDay + 1)
        progress.accrues(from: anchor)
        #expect(progress.dueAt == BillingCalendar.hourAtOrAfter(anchor))
    }

    @Test(
        "A report counts at its own instant, not after now and not before the account's last instant",
        arguments: [
            (nil, 60, nil), (60, 60, nil), (0, 0, nil), (-5, 0, nil), (-6, nil, "group.report_too_old"),
            (61, nil, "group.report_ahead"), (30, 30, nil),
        ] as [(Int64?, Int64?, String?)])
    func report(_ seconds: Int64?, effective: Int64?, refusal: String?) throws {
        let at = { [noon] (seconds: Int64) in noon.adding(milliseconds: seconds * 1000) }
        do {
            let found = try CreationReport.instant(seconds.map(at), notBefore: noon, now: at(60))
            #expect(found == effective.map(at))
        } catch {
            #expect(error.reason == refusal)
        }
    }
}

@Suite("Phones") struct InstanceTests {
    private func group(_ instances: Int) -> InstanceGroup {
        InstanceGroup(
            account: id("acct-one"), specification: "acp.std.small", region: "cn-hangzhou", network: "default",
            instances: instances, requestedAt: instant("2026-04-10 08:00"), name: "",
            life: GroupStateMachine(id("ag-0k7v2m9q4x1c8r5t"), .creating(.payAsYouGo(.fourHours, anchor: nil))))
    }

    @Test("A group has 1 to 100 instances", arguments: [(0, false), (1, true), (100, true), (101, false)])
    func count(_ count: UInt32, isAllowed: Bool) throws {
        if isAllowed {
            #expect(try InstanceGroup.checkedCount(count) == Int(count))
        } else {
            let error = #expect(throws: GroupError.instanceCount(count)) { try InstanceGroup.checkedCount(count) }
            #expect(error?.value == String(count))
        }
    }

    @Test(
        "The id of a phone names its group and its number, and no other text is one",
        arguments: [
            ("acp-0k7v2m9q4x1c8r5t-001", 0), ("acp-0k7v2m9q4x1c8r5t-012", 11), ("acp-0k7v2m9q4x1c8r5t-013", nil),
            ("acp-0k7v2m9q4x1c8r5t-000", nil), ("acp-0k7v2m9q4x1c8r5t-1", nil), ("acp-other-001", nil), ("", nil),
            ("acp-0k7v2m9q4x1c8r5t-+01", nil),
        ] as [(String, Int?)])
    func ids(_ text: String, index: Int?) throws {
        let group = group(12)
        guard let index else {
            #expect(throws: GroupError.instanceNotFound(text)) { try group.index(of: text) }
            return
        }
        #expect(try group.index(of: text) == index)
        #expect(group.instanceID(index) == text)
    }

    @Test("Switches of a hundred phones take 13 bytes, of a running group none")
    func switches() {
        var power = PowerSwitches()
        #expect(power.stoppedBits.isEmpty)
        power.set(0..<100, stopped: true)
        #expect(power.stoppedBits.count == 13)
        #expect((0..<100).allSatisfy(power.isStopped))
        #expect(!power.isStopped(100))
        power.set(8..<9, stopped: false)
        #expect(!power.isStopped(8))
        #expect(power.isStopped(7) && power.isStopped(9))
        power.set(0..<100, stopped: false)
        #expect(power == PowerSwitches())
    }
}
