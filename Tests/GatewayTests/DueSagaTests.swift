import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Storage
import Synchronization
import Testing

@testable import Gateway

/// Due work that runs a saga, as the clock starts it.
struct DueSagaCase: Sendable, CustomTestStringConvertible {
    let name: String
    let work: DueStop.Work
    let steps: [String]
    let pivot: String
    let prepare: @Sendable (inout World.Script) -> Void

    var testDescription: String { "\(name) of \(steps.count) steps" }

    static let instant = ManualClock.defaultStart.adding(milliseconds: .millisecondsPerHour)

    static func due(_ status: MeteringV1.GroupStatus, _ id: String = "ag-1") -> MeteringV1.DueGroup {
        let since = instant.milliseconds - 15 * 24 * Int64.millisecondsPerHour
        let group = MeteringV1.InstanceGroup(
            groupID: id, accountID: "acct-1", status: status, overdueAt: status == .overdue ? since : 0,
            expiredAt: status == .expired ? since : 0, autoRenewalMonths: 3, months: 1)
        return MeteringV1.DueGroup(group: group, dueAt: instant.milliseconds)
    }

    static let all = [
        DueSagaCase(
            name: "auto-renew", work: .autoRenew, steps: ["lock", "auto-renew", "extend"], pivot: "auto-renew",
            prepare: { $0.dueGroups[.autoRenewal] = [due(.active)] }),
        DueSagaCase(
            name: "release-due", work: .release, steps: ["claim", "release", "cancel-unpaid"], pivot: "release",
            prepare: { $0.dueGroups[.release] = [due(.overdue)] }),
        DueSagaCase(
            name: "release-due", work: .release, steps: ["release", "cancel-unpaid"], pivot: "release",
            prepare: { $0.dueGroups[.release] = [due(.expired)] }),
        DueSagaCase(
            name: "start-coupon", work: .startCoupons, steps: ["post", "resume"], pivot: "post",
            prepare: {
                $0.startingCoupons = [OrderV1.Coupon(couponID: "cpn-1", accountID: "acct-1")]
                $0.recovers = true
            }),
        DueSagaCase(
            name: "start-coupon", work: .startCoupons, steps: ["post"], pivot: "post",
            prepare: { $0.startingCoupons = [OrderV1.Coupon(couponID: "cpn-1", accountID: "acct-1")] }),
        DueSagaCase(
            name: "resume", work: .closeMonths, steps: ["acknowledge", "resume"], pivot: "acknowledge",
            prepare: { $0.recoveries = [OrderV1.Recovery(accountID: "acct-1", at: instant.milliseconds)] }),
    ]
}

@Suite("Sagas that are due") struct DueSagaTests {
    private func harness(_ saga: DueSagaCase) throws -> Harness {
        let harness = try Harness()
        harness.world.script.withLock { script in
            script.due = [(DueSagaCase.instant, saga.work)]
            saga.prepare(&script)
        }
        return harness
    }

    private func advance(_ gateway: Harness.Gateway) async throws -> ClockStatus {
        try await gateway.clock.advance(to: DueSagaCase.instant, until: .after(milliseconds: 20_000))
    }

    private func expectDone(_ saga: DueSagaCase, _ harness: Harness) async throws {
        let effects = try await harness.world.effects()
        for step in saga.steps { #expect(effects[step] == 1, "\(saga.name).\(step)") }
        let sagas = try await harness.database.read {
            try $0.sagas(account: "", states: [], after: .start, limit: 10)
        }
        #expect(sagas.map(\.status) == [.committed])
    }

    @Test("The clock runs each once, at its instant, before it goes on", arguments: DueSagaCase.all)
    func straight(_ saga: DueSagaCase) async throws {
        let harness = try harness(saga)
        let gateway = try await harness.boot()
        let status = try await advance(gateway)
        #expect(status.now == DueSagaCase.instant && status.problem.isEmpty)
        #expect(harness.world.calls.filter { saga.steps.contains($0) } == saga.steps)
        try await expectDone(saga, harness)
    }

    @Test("Lost calls and replies are sent again and take effect once", arguments: DueSagaCase.all)
    func unanswered(_ saga: DueSagaCase) async throws {
        for step in saga.steps {
            for fault in [World.Fault.lost, .replyLost] {
                let harness = try harness(saga)
                harness.world.plan(step, [fault, fault])
                _ = try await advance(try await harness.boot())
                try await expectDone(saga, harness)
            }
        }
    }

    @Test("A gateway that dies around any step is followed by one that finishes it once", arguments: DueSagaCase.all)
    func dying(_ saga: DueSagaCase) async throws {
        for step in saga.steps {
            for point in CrashPoint.allCases {
                let harness = try harness(saga)
                let first = try await harness.boot(dyingAt: "\(saga.name).\(step).\(point.rawValue)")
                _ = try await advance(first)
                first.service.stop()
                let second = try await harness.boot()
                var status = try await advance(second)
                while status.now != DueSagaCase.instant || status.target != status.now {
                    status = try await advance(second)
                }
                try await expectDone(saga, harness)
            }
        }
    }

    @Test("A refusal up to the pivot undoes all and lets the clock go on; a failed attempt of auto-renewal is noted")
    func refused() async throws {
        for saga in DueSagaCase.all where saga.work != .closeMonths {
            for step in saga.steps.prefix(through: saga.steps.firstIndex(of: saga.pivot) ?? 0) {
                let harness = try harness(saga)
                harness.world.plan(step, [.refused(SagaEngineTests.refusal)])
                let status = try await advance(try await harness.boot())
                #expect(status.now == DueSagaCase.instant)
                let effects = try await harness.world.effects()
                for step in saga.steps { #expect(effects[step] ?? 0 == 0) }
                #expect(
                    harness.world.script.withLock { $0.noted }
                        == (saga.work == .autoRenew ? ["ag-1 \(DueSagaCase.instant.milliseconds)"] : []))
            }
        }
    }

    @Test("A group that another saga holds is passed by, and no attempt is counted")
    func passedBy() async throws {
        let saga = DueSagaCase.all[0]
        let harness = try harness(saga)
        harness.world.plan("lock", [.refused(SagaEngineTests.busy)])
        let status = try await advance(try await harness.boot())
        #expect(status.now == DueSagaCase.instant)
        #expect(harness.world.script.withLock { $0.noted }.isEmpty)
    }

    @Test("What fails for one account stops no other; the clock says why it stands, and goes on when it is done")
    func oneFails() async throws {
        let harness = try harness(DueSagaCase.all[2])
        harness.world.script.withLock { script in
            var other = DueSagaCase.due(.expired, "ag-2")
            other.group?.accountID = "acct-2"
            script.dueGroups[.release]?.append(other)
        }
        let refusal = RPCError(.aborted, "test.for_now", "Not just now.")
        harness.world.plan("release of acct-1", [.refused(refusal)], repeatsLast: true)
        let gateway = try await harness.boot()
        let stuck = try await advance(gateway)
        #expect(stuck.problem == "Work that is due for account acct-1 fails: Not just now.")
        #expect(try await harness.world.effects()["release"] == 1)
        harness.world.heal()
        var status = stuck
        while !status.problem.isEmpty { status = try await advance(gateway) }
        #expect(try await harness.world.effects()["release"] == 2)
    }

    @Test("The clock goes on past a saga that is parked, which is finished when its service answers again")
    func parked() async throws {
        let saga = DueSagaCase.all[1]
        let harness = try harness(saga)
        harness.world.plan("cancel-unpaid", [.refused(SagaEngineTests.busy)], repeatsLast: true)
        let gateway = try await harness.boot()
        let status = try await advance(gateway)
        #expect(status.now == DueSagaCase.instant && status.problem.isEmpty)
        let parked = try await harness.database.read {
            try $0.sagas(account: "", states: [(.running, true)], after: .start, limit: 10)
        }
        #expect(parked.map(\.step) == ["cancel-unpaid"])
        gateway.service.stop()
        harness.world.heal()
        let second = try await harness.boot()
        var sagas = parked
        while sagas.map(\.status) != [.committed] {
            await Task.yield()
            sagas = try await harness.database.read {
                try $0.sagas(account: "", states: [], after: .start, limit: 10)
            }
        }
        try await expectDone(saga, harness)
        second.service.stop()
    }

    @Test("An attempt buys the months that auto-renewal is set to, from where the locked group's term ends")
    func request() async throws {
        let harness = try harness(DueSagaCase.all[0])
        harness.world.script.withLock { script in
            script.groups["ag-1"] = MeteringV1.InstanceGroup(
                groupID: "ag-1", paidThrough: 5000, nominalStart: 1000, nominalMonths: 2)
        }
        _ = try await advance(try await harness.boot())
        let requests = harness.world.script.withLock { $0.requests }
        let bought = try #require(requests["auto-renew"] as? OrderV1.AutoRenewRequest)
        #expect(bought.quote?.months == 3)
        #expect(bought.basis == OrderV1.RenewalBasis(paidThrough: 5000, nominalStart: 1000, nominalMonths: 2))
        let extended = try #require(requests["extend"] as? MeteringV1.ExtendGroupRequest)
        #expect(extended.automatic)
        #expect(extended.term?.orderID == "ord-auto")
    }

    /// Notes what is run; a group with an even number is done, the others stay due.
    final class Recorder: DueSagas {
        let world: World
        let keys = Mutex<[String]>([])
        /// Whether a coupon that is started starts no more.
        let startsCoupons = Mutex(false)

        init(_ world: World) { self.world = world }

        func run(_ saga: DueSaga) async throws -> DueSagaOutcome {
            keys.withLock { $0.append(saga.key) }
            if startsCoupons.withLock({ $0 }) {
                world.script.withLock { $0.startingCoupons.removeAll { saga.key == "start-coupon:\($0.couponID)" } }
            }
            guard let number = Int(saga.group.dropFirst(3)), number % 2 == 0 else { return .passedBy }
            world.finish(saga.group)
            return .done
        }

        func waitForRecovered() async {}
    }

    @Test("All pages of coupons that start are worked through in the order of the list, each once")
    func couponPages() async throws {
        let world = try World()
        let ids = (1...5).map { "cpn-\($0)" }
        world.script.withLock { script in
            script.startingCoupons = ids.map { OrderV1.Coupon(couponID: $0, accountID: "acct-1") }
        }
        let recorder = Recorder(world)
        let stop = DueStop(at: DueSagaCase.instant, work: [.startCoupons])
        _ = try await ServiceDueWork(world.services, pageLimit: 2).perform(.startCoupons, at: stop, recorder)
        // What a saga leaves where it is, here the first page, ends the work: it is due again at the next stop.
        #expect(recorder.keys.withLock { $0 } == ["start-coupon:cpn-1", "start-coupon:cpn-2"])
        recorder.startsCoupons.withLock { $0 = true }
        _ = try await ServiceDueWork(world.services, pageLimit: 2).perform(.startCoupons, at: stop, recorder)
        #expect(recorder.keys.withLock { $0.dropFirst(2) } == ids.map { "start-coupon:\($0)" }[...])
    }

    @Test("All pages of due groups are worked through in the order of the list, and what stays due ends the work")
    func pages() async throws {
        let world = try World()
        let numbers = [0, 2, 1, 4, 6, 8, 3]
        world.script.withLock { script in
            script.dueGroups[.release] = numbers.map { DueSagaCase.due(.expired, "ag-\($0)") }
        }
        let recorder = Recorder(world)
        let stop = DueStop(at: DueSagaCase.instant, work: [.release])
        _ = try await ServiceDueWork(world.services, pageLimit: 2).perform(.release, at: stop, recorder)
        let since = DueSagaCase.due(.expired).group?.expiredAt ?? 0
        #expect(recorder.keys.withLock { $0 } == numbers.map { "release:ag-\($0):\(since)" })
    }
}
