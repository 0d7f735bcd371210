import BillingAPI
import BillingCore
import RPC
import Storage
import Testing

@testable import Metering

@Suite("Renewals") struct RenewalTests {
    @Test("A renewal before the end waits, becomes current at the end, and the group never expires between")
    func pending() async throws {
        let rig = try Rig()
        try await rig.createPaid(start: "2026-01-31 10:00", end: "2026-03-01")
        let renewed = try await rig.extend(
            "ag-paid", "2026-03-01", "2026-04-01", months: 1, order: "ord-two", at: "2026-02-10")
        #expect(renewed.status == .active && renewed.lockedBy == "")
        #expect(renewed.termEnd == instant("2026-03-01").milliseconds)
        #expect(renewed.paidThrough == instant("2026-04-01").milliseconds)
        #expect(renewed.nominalStart == instant("2026-01-31 10:00").milliseconds)
        #expect(renewed.nominalMonths == 2)
        #expect(renewed.pendingRenewals == [Rig.term("2026-03-01", "2026-04-01", order: "ord-two")])
        let list = try await rig.groups.listGroups(MeteringV1.ListGroupsRequest(), rig.at("2026-02-10")).groups
        #expect(list == [renewed])

        #expect(try await rig.expire(through: "2026-03-01") == ["ag-paid"])
        let current = try await rig.group("ag-paid")
        #expect(current.status == .active)
        #expect(current.orderID == "ord-two" && current.pendingRenewals.isEmpty)
        #expect(current.termStart == instant("2026-03-01").milliseconds)
        #expect(try await rig.nextDue(after: "2026-03-01").expiry == instant("2026-04-01"))
        let audit = try await rig.cuts.auditTimelines(
            MeteringV1.AuditTimelinesRequest(partitionTo: 256), rig.at("2026-05-01", account: ""))
        #expect(audit.findings.map(\.breaches) == [0, 0, 0, 0, 0], "\(audit.findings)")
        #expect(audit.segments.map(\.orderID) == ["ord-one", "ord-two"])
    }

    @Test("Terms that waited for a lock follow each other when it is gone")
    func late() async throws {
        let rig = try Rig()
        try await rig.createPaid(start: "2026-01-31 10:00", end: "2026-03-01")
        try await rig.extend("ag-paid", "2026-03-01", "2026-04-01", months: 1, order: "ord-two", at: "2026-02-10")
        try await rig.lock("ag-paid", for: .subscription, at: "2026-02-28")
        #expect(try await rig.expire(through: "2026-04-01") == [])
        try await rig.unlock("ag-paid", at: "2026-04-01")
        #expect(try await rig.expire(through: "2026-04-01") == ["ag-paid"])
        let group = try await rig.group("ag-paid")
        #expect(group.status == .expired && group.orderID == "ord-two")
        #expect(group.expiredAt == instant("2026-04-01").milliseconds)
        #expect(group.releaseAt == instant("2026-04-16").milliseconds)
    }

    @Test("A renewal after expiry starts a new term at the payment, with a new nominal day")
    func afterExpiry() async throws {
        let rig = try Rig()
        try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11")
        try await rig.expire(through: "2026-05-11")
        await expectRefusal("group.expired") {
            try await rig.lock("ag-paid", for: .subscription, saga: "saga-end", at: "2026-05-12")
        }
        let renewed = try await rig.extend(
            "ag-paid", "2026-05-13 12:00", "2026-06-14", months: 1, order: "ord-two", at: "2026-05-13 12:00")
        #expect(renewed.status == .active && renewed.expiredAt == 0 && renewed.releaseAt == 0)
        #expect(renewed.nominalStart == instant("2026-05-13 12:00").milliseconds && renewed.nominalMonths == 1)
        #expect(try await rig.nextDue(after: "2026-05-13 12:00").release == nil)
        let audit = try await rig.cuts.auditTimelines(
            MeteringV1.AuditTimelinesRequest(partitionTo: 256), rig.at("2026-06-01", account: ""))
        #expect(audit.findings.map(\.breaches) == [0, 0, 0, 0, 0], "\(audit.findings)")
        #expect(audit.segments.count == 2)
    }

    @Test("An expired group is released 15 days later, or by its owner before that, but not while it is being renewed")
    func released() async throws {
        let rig = try Rig()
        for group in ["ag-due", "ag-mine"] {
            try await rig.createPaid(group, start: "2026-04-10 15:20", end: "2026-05-11")
        }
        try await rig.expire(through: "2026-05-11")
        let expired = try await rig.groups.listGroups(
            MeteringV1.ListGroupsRequest(statuses: [.expired]), rig.at("2026-05-12")
        ).groups
        #expect(expired.map(\.groupID) == ["ag-due", "ag-mine"])
        let mine = try await rig.release("ag-mine", at: "2026-05-12")
        #expect(mine.group?.releaseCause == .owner)
        #expect(try await rig.nextDue(after: "2026-05-12").release == instant("2026-05-26"))
        try await rig.lock("ag-due", for: .subscription, orExpired: true, at: "2026-05-25 23:59")
        #expect(try await rig.due(.release, through: "2026-05-26") == [])
        #expect(try await rig.nextDue(after: "2026-05-26").release == instant("2026-05-26 01:00"))
        await expectRefusal("group.locked") {
            _ = try await rig.releaseDue(
                "ag-due", .expired, since: "2026-05-11", at: "2026-05-26", saga: "saga-locked")
        }
        try await rig.unlock("ag-due", at: "2026-05-26")
        let gone = try await rig.releaseDue("ag-due", .expired, since: "2026-05-11", at: "2026-05-26 00:10")
        #expect(gone.releaseCause == .expired && gone.releasedAt == instant("2026-05-26").milliseconds)
        let audit = try await rig.cuts.auditTimelines(
            MeteringV1.AuditTimelinesRequest(partitionTo: 256), rig.at("2026-06-01", account: ""))
        #expect(audit.findings.map(\.breaches) == [0, 0, 0, 0, 0], "\(audit.findings)")
    }

    @Test("From the end of its 15 days on a group is not renewed, whether it was found expired by then or not")
    func tooLate() async throws {
        let rig = try Rig()
        for group in ["ag-expired", "ag-unnoticed"] {
            try await rig.createPaid(group, start: "2026-04-10 15:20", end: "2026-05-11")
            if group == "ag-expired" { try await rig.expire(through: "2026-05-11") }
            let lock = { (time: String) in
                try await rig.lock(
                    group, for: .subscription, orExpired: true, saga: "saga-\(group)-\(time.suffix(3))", at: time)
            }
            _ = try await lock("2026-05-25 23:59:59.999")
            try await rig.unlock(group, saga: "saga-\(group)-999", at: "2026-05-25 23:59:59.999")
            await expectRefusal("group.not_active") { _ = try await lock("2026-05-26 00:00:00.000") }
        }
    }

    @Test("Pending renewals are dropped from the last one on, and all of them when the group is unsubscribed")
    func dropped() async throws {
        let rig = try Rig()
        try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11")
        try await rig.extend("ag-paid", "2026-05-11", "2026-08-11", months: 3, order: "ord-two", at: "2026-04-25")
        try await rig.extend("ag-paid", "2026-08-11", "2026-09-11", months: 1, order: "ord-three", at: "2026-04-26")
        let drop = { (order: String, saga: String) in
            try await rig.lock("ag-paid", for: .subscription, saga: saga, at: "2026-04-27")
            return try #require(
                await rig.steps.dropRenewal(
                    MeteringV1.DropRenewalRequest(
                        step: Rig.step(saga, "drop"), groupID: "ag-paid", orderID: order), rig.at("2026-04-27")
                ).group)
        }
        await expectRefusal("group.not_last_renewal") { _ = try await drop("ord-two", "saga-two") }
        try await rig.unlock("ag-paid", saga: "saga-two", at: "2026-04-27")
        let kept = try await drop("ord-three", "saga-three")
        #expect(kept.paidThrough == instant("2026-08-11").milliseconds && kept.nominalMonths == 4)
        #expect(kept.lockedBy == "" && kept.pendingRenewals.map(\.orderID) == ["ord-two"])

        try await rig.lock("ag-paid", for: .subscription, saga: "saga-end", at: "2026-05-01")
        let ended = try #require(
            await rig.steps.endGroup(
                MeteringV1.EndGroupRequest(
                    step: Rig.step("saga-end", "end"), groupID: "ag-paid", at: instant("2026-05-01").milliseconds),
                rig.at("2026-05-01")
            ).group)
        #expect(ended.status == .released && ended.pendingRenewals.isEmpty)
        let audit = try await rig.cuts.auditTimelines(
            MeteringV1.AuditTimelinesRequest(partitionTo: 256), rig.at("2026-06-01", account: ""))
        #expect(audit.segments.map(\.orderID) == ["ord-one"])
        #expect(audit.segments.map(\.billedThrough) == [instant("2026-05-01").milliseconds])
    }

    @Test("A term that connects to nothing, or has no months, is refused and changes nothing")
    func unconnected() async throws {
        let rig = try Rig()
        let before = try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11")
        await expectRefusal("group.term_unconnected") {
            try await rig.extend("ag-paid", "2026-05-11", "2026-06-12", months: 2, order: "ord-two", at: "2026-04-25")
        }
        try await rig.unlock("ag-paid", saga: "saga-renew-ord-two", at: "2026-04-25")
        await expectRefusal("group.term_malformed") {
            try await rig.extend("ag-paid", "2026-05-11", "2026-06-11", months: 0, order: "ord-none", at: "2026-04-25")
        }
        try await rig.unlock("ag-paid", saga: "saga-renew-ord-none", at: "2026-04-25")
        var after = try await rig.group("ag-paid")
        after.members = []
        #expect(after == before)
    }
}

@Suite("Auto-renewal") struct AutoRenewalTests {
    private func set(
        _ rig: Rig, enabled: Bool = true, months: UInt32 = 0, at text: String
    ) async throws -> MeteringV1.InstanceGroup {
        let request = MeteringV1.SetAutoRenewalRequest(groupID: "ag-paid", enabled: enabled, months: months)
        return try #require(await rig.groups.setAutoRenewal(request, rig.at(text)).group)
    }

    private func fail(_ rig: Rig, _ attempt: String) async throws {
        _ = try await rig.cuts.noteRenewalAttempt(
            MeteringV1.NoteRenewalAttemptRequest(
                groupID: "ag-paid", attemptAt: instant(attempt).milliseconds), rig.at(attempt))
    }

    @Test("Example 13: five attempts are due one after another; when all fail, the group is released")
    func exampleThirteen() async throws {
        let rig = try Rig()
        let paid = try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11", autoRenewal: true)
        #expect(paid.autoRenewal && paid.autoRenewalMonths == 1)
        for attempt in ["05-08", "05-10", "05-11", "05-17", "05-25"] {
            let at = "2026-\(attempt) 08:00"
            if attempt == "05-11" { try await rig.expire(through: "2026-05-11") }
            #expect(try await rig.group("ag-paid").renewalAttemptAt == instant(at).milliseconds)
            #expect(try await rig.nextDue(after: "2026-05-01").attempt == instant(at))
            #expect(try await rig.due(.autoRenewal, through: "2026-\(attempt) 07:59:59.999") == [])
            #expect(try await rig.due(.autoRenewal, through: at) == ["ag-paid"])
            try await fail(rig, at)
            try await fail(rig, at)
        }
        #expect(try await rig.due(.autoRenewal, through: "2026-05-26") == [])
        #expect(try await rig.nextDue(after: "2026-05-25 08:00").attempt == nil)
        #expect(try await rig.nextDue(after: "2026-05-25 08:00").release == instant("2026-05-26"))
        #expect(try await rig.due(.release, through: "2026-05-26") == ["ag-paid"])
    }

    @Test("A renewal ends the cycle, whoever bought it; the next attempts are those of the new end")
    func cycle() async throws {
        let rig = try Rig()
        try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11", autoRenewal: true)
        try await fail(rig, "2026-05-08 08:00")
        let renewed = try await rig.extend(
            "ag-paid", "2026-05-11", "2026-06-11", months: 1, order: "ord-two", at: "2026-05-10 08:00", automatic: true)
        #expect(renewed.renewalAttemptAt == instant("2026-06-08 08:00").milliseconds)
        let manual = try await rig.extend(
            "ag-paid", "2026-06-11", "2026-09-11", months: 3, order: "ord-three", at: "2026-05-12")
        #expect(manual.renewalAttemptAt == instant("2026-09-08 08:00").milliseconds)
        #expect(manual.autoRenewalMonths == 3)
    }

    @Test("A group that a saga holds at its attempt is attempted when it is free")
    func held() async throws {
        let rig = try Rig()
        try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11", autoRenewal: true)
        try await rig.lock("ag-paid", for: .subscription, at: "2026-05-08 07:59")
        #expect(try await rig.due(.autoRenewal, through: "2026-05-08 08:00") == [])
        #expect(try await rig.nextDue(after: "2026-05-08 08:00").attempt == instant("2026-05-08 09:00"))
        try await rig.unlock("ag-paid", at: "2026-05-08 08:00")
        #expect(try await rig.due(.autoRenewal, through: "2026-05-08 08:00") == ["ag-paid"])
    }

    @Test("An attempt comes however late, whatever happened to the account since")
    func late() async throws {
        let rig = try Rig()
        try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11", autoRenewal: true)
        let other = try await rig.create(at: "2026-05-08 07:30")
        try await rig.cut(through: "2026-05-08 08:00")
        _ = try await rig.groups.connect(MeteringV1.ConnectRequest(groupID: other), rig.at("2026-05-08 09:02:01"))
        await expectRefusal("call.time_went_back") {
            try await rig.lock("ag-paid", for: .subscription, saga: "saga-call", at: "2026-05-08 08:00")
        }
        await expectRefusal("account.cut_due") {
            try await rig.lock("ag-paid", for: .subscription, saga: "saga-now", at: "2026-05-08 09:02:01")
        }
        let locked = try await rig.lock(
            "ag-paid", for: .subscription, orExpired: true, due: true, at: "2026-05-08 08:00")
        #expect(locked.effectiveAt == instant("2026-05-08 09:02:01"))
        #expect(locked.group?.lockedBy == "saga-one")
    }

    @Test("Switched on late, only the attempts that are still to come are made; off, none")
    func switching() async throws {
        let rig = try Rig()
        try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11")
        #expect(try await rig.nextDue(after: "2026-04-11").attempt == nil)
        let on = try await set(rig, months: 6, at: "2026-05-08 08:00")
        #expect(on.autoRenewal && on.autoRenewalMonths == 6)
        #expect(on.renewalAttemptAt == instant("2026-05-10 08:00").milliseconds)
        let other = try await set(rig, at: "2026-05-09")
        #expect(other.autoRenewalMonths == 1)
        #expect(other.renewalAttemptAt == on.renewalAttemptAt)
        let off = try await set(rig, enabled: false, at: "2026-05-09 12:00")
        #expect(!off.autoRenewal && off.renewalAttemptAt == 0)
        try await rig.expire(through: "2026-05-11")
        let expired = try await set(rig, at: "2026-05-12")
        #expect(expired.status == .expired && expired.renewalAttemptAt == instant("2026-05-17 08:00").milliseconds)
    }

    @Test("A switch brings auto-renewal with it; pay-as-you-go has none, nor has a duration that is not sold")
    func refused() async throws {
        let rig = try Rig()
        let group = try await rig.create(at: "2026-04-10 09:10")
        await expectRefusal("group.not_subscription") {
            _ = try await rig.groups.setAutoRenewal(
                MeteringV1.SetAutoRenewalRequest(groupID: group, enabled: true), rig.at("2026-04-10 09:20"))
        }
        try await rig.createPaid(start: "2026-04-10 15:20", end: "2026-05-11")
        await expectRefusal("group.renewal_months") { _ = try await set(rig, months: 4, at: "2026-04-11") }
        await expectRefusal("group.not_found") {
            _ = try await rig.cuts.noteRenewalAttempt(
                MeteringV1.NoteRenewalAttemptRequest(groupID: "ag-nowhere", attemptAt: 1), rig.at("2026-04-11"))
        }
        try await rig.cut(through: "2026-04-11")
        try await rig.lock(group, at: "2026-04-11")
        var term = Rig.term("2026-04-11", "2026-07-12")
        (term.autoRenewal, term.autoRenewalMonths) = (true, 12)
        let switched = try await rig.steps.switchGroup(
            MeteringV1.SwitchGroupRequest(step: Rig.step("saga-one", "switch"), groupID: group, term: term),
            rig.at("2026-04-11"))
        #expect(switched.group?.autoRenewal == true && switched.group?.autoRenewalMonths == 12)
        #expect(switched.group?.renewalAttemptAt == instant("2026-07-09 08:00").milliseconds)
    }
}
