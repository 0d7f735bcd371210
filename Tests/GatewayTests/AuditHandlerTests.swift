import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Storage
import Synchronization
import Testing

@testable import Gateway

/// One account with a group of two phones, as the services tell of it in reading after reading.
private final class AuditScene: Sendable {
    static let account = "acct-1"
    static let start = ManualClock.defaultStart.milliseconds

    struct Script: Sendable {
        /// Hours that are cut, in reading after reading of metering; the last one stays.
        var cutHours: [Int64] = [2]
        var billedHours: Int64 = 2
        /// Since when the account is overdue, likewise, and by order.
        var overdueByGroups: [Int64] = [0]
        var overdueByBills: Int64 = 0
        var tooMuchMicros: Int64 = 0
        /// What pricing refuses to rate.
        var refusedHour: Int64 = -1
        /// An order that is paid, and the reading from which on it is a term.
        var paidOrder = ""
        var isGivenBack = false
        var termFromReading = Int.max
        var lock = ""
        var steps: [CommonV1.KeptStep] = []
        var readings = 0
    }

    let script: Mutex<Script>
    let database: TestDatabase

    init(_ script: Script) throws {
        self.script = Mutex(script)
        database = try TestDatabase.make(migrations: GatewayService.migrations)
    }

    static func hour(_ number: Int64) -> Int64 { start + number * .millisecondsPerHour }

    /// The invariants that an audit of the account's partition finds broken, and what the last example says.
    func breaches() async throws -> [String: String] {
        let channel = RouterChannel(router: router())
        let services = Services(pricing: channel, metering: channel, order: channel, refund: channel)
        let clock = ManualClock(database: database, due: ServiceDueWork(services), time: VirtualTime())
        let handlers = AuditHandlers(
            forwarding: Forwarding(services: services, clock: clock, database: database), database: database,
            time: VirtualTime())
        let call = CallContext(
            method: GatewayV1.Operations.audit.descriptor, caller: .local, account: "", key: nil, effectiveAt: nil,
            epoch: 0, traceID: 0, deadline: .after(milliseconds: 60_000))
        let cursor = String(Partition.of(Self.account) / 16 * 16)
        let reply = try await handlers.audit(GatewayV1.AuditRequest(cursor: cursor), call).message
        #expect(reply.findings.allSatisfy { !$0.title.isEmpty })
        let broken = reply.findings.filter { $0.breaches > 0 }
        return Dictionary(broken.map { ($0.invariant, $0.examples.last ?? "") }) { $0 + "; " + $1 }
    }

    private func router() -> Router {
        var router = Router()
        router.handle(OrderV1.Bills.auditMoney) { _, _ in Response(OrderV1.AuditMoneyReply()) }
        router.handle(RefundV1.Refunds.auditRefunds) { _, _ in Response(RefundV1.AuditRefundsReply()) }
        router.handle(CommonV1.Participation.auditSteps) { _, _ in
            Response(CommonV1.AuditStepsReply(steps: self.script.withLock { $0.steps }))
        }
        router.handle(MeteringV1.Cuts.auditTimelines) { _, _ in Response(self.timelines()) }
        router.handle(OrderV1.Bills.auditCoverage) { _, _ in Response(self.coverage()) }
        router.handle(OrderV1.Accounts.getAccount) { _, call in
            let overdueAt = self.script.withLock { $0.overdueByBills }
            return Response(
                OrderV1.AccountReply(account: OrderV1.Account(accountID: call.account, overdueAt: overdueAt)))
        }
        // A micro-dollar an hour for each phone.
        router.handle(PricingV1.Prices.rate) { request, _ in
            let refused = Self.hour(self.script.withLock { $0.refusedHour })
            guard !request.start.contains(refused) else {
                throw RPCError(.invalidArgument, "price.not_sold", "Nothing is sold.")
            }
            return Response(
                PricingV1.RateReply(
                    prices: [PricingV1.AppliedPrice(priceListVersion: 1, hourlyNanos: 1000)],
                    slice: request.start.indices.map { UInt32($0) }, start: request.start, end: request.end,
                    price: request.start.map { _ in 0 },
                    grossMicros: request.resource.map { Int64(request.resources[Int($0)].instances) }))
        }
        return router
    }

    private func timelines() -> MeteringV1.AuditTimelinesReply {
        script.withLock { script in
            let reading = script.readings
            script.readings += 1
            func now<Value>(_ values: [Value]) -> Value { values[min(reading, values.count - 1)] }
            let through = Self.hour(now(script.cutHours))
            var account = MeteringV1.AuditedAccount(
                accountID: Self.account, cutThrough: through, overdueAt: now(script.overdueByGroups))
            if !script.lock.isEmpty { account.held = [.init(groupID: "ag-1", sagaID: script.lock)] }
            var segments = [
                MeteringV1.BilledSegment(
                    accountID: Self.account, groupID: "ag-1", billingMethod: .payAsYouGo, start: Self.start,
                    billedThrough: through, specification: "acp.std.small", region: "cn-hangzhou", instances: 2)
            ]
            if reading >= script.termFromReading {
                segments.append(
                    MeteringV1.BilledSegment(
                        accountID: Self.account, groupID: "ag-2", billingMethod: .subscription, start: Self.hour(1),
                        billedThrough: Self.hour(700), orderID: script.paidOrder))
            }
            return MeteringV1.AuditTimelinesReply(segments: segments, accounts: [account])
        }
    }

    private func coverage() -> OrderV1.AuditCoverageReply {
        script.withLock { script in
            var reply = OrderV1.AuditCoverageReply(
                accounts: [.init(accountID: Self.account, overdueAt: script.overdueByBills)],
                sources: [OrderV1.CoveredSource(thingID: "ag-1")],
                prices: [PricingV1.AppliedPrice(priceListVersion: 1, hourlyNanos: 1000)])
            func add(_ source: UInt32, _ start: Int64, _ end: Int64, _ micros: Int64) {
                reply.source.append(source)
                reply.start.append(start)
                reply.end.append(end)
                reply.price.append(0)
                reply.grossMicros.append(micros)
            }
            for hour in 0..<script.billedHours {
                add(0, Self.hour(hour), Self.hour(hour + 1), 2 + (hour == 1 ? script.tooMuchMicros : 0))
            }
            if !script.paidOrder.isEmpty {
                reply.sources.append(
                    OrderV1.CoveredSource(
                        thingID: "ag-2", orderID: script.paidOrder, givenBack: script.isGivenBack))
                add(1, Self.hour(1), Self.hour(700), 5)
            }
            return reply
        }
    }
}

@Suite("The audit across services") struct AuditHandlerTests {
    private typealias Script = AuditScene.Script

    private static func script(_ change: (inout Script) -> Void) -> Script {
        var script = Script()
        change(&script)
        return script
    }

    @Test("What work that is under way explains is no breach, however late it shows")
    func underWay() async throws {
        for script in [
            Script(),
            // The order service has posted an hour, and another, of which metering's cursor does not know yet.
            Self.script { ($0.cutHours, $0.billedHours) = ([2, 2, 2, 3, 4], 4) },
            // Found overdue, resumed.
            Self.script { ($0.overdueByGroups, $0.overdueByBills) = ([0, 0, 7], 7) },
            Self.script { ($0.overdueByGroups, $0.overdueByBills) = ([7, 7, 0], 0) },
            // Paid since the timelines were read.
            Self.script { ($0.paidOrder, $0.termFromReading) = ("ord-1", 2) },
            Self.script { ($0.paidOrder, $0.isGivenBack) = ("ord-1", true) },
        ] {
            #expect(try await AuditScene(script).breaches() == [:], "\(script)")
        }
    }

    @Test("What no later reading explains is a breach, of its own invariant alone")
    func breaches() async throws {
        for (invariant, words, script) in [
            ("P1", "billed", Self.script { $0.billedHours = 3 }),
            ("P1", "billed", Self.script { $0.billedHours = 1 }),
            ("P1", "should cost", Self.script { $0.tooMuchMicros = 1 }),
            ("P1", "cannot be priced: Nothing is sold.", Self.script { $0.refusedHour = 1 }),
            ("O1", "since never by its groups", Self.script { $0.overdueByBills = 7 }),
            ("O1", "since never by its bills", Self.script { $0.overdueByGroups = [7] }),
            ("S3", "never applied", Self.script { $0.paidOrder = "ord-1" }),
            ("S2", "is held by saga-gone", Self.script { $0.lock = "saga-gone" }),
            (
                "S1", "has steps and no journal",
                Self.script {
                    $0.steps = [
                        .init(accountID: AuditScene.account, sagaID: "saga-gone", step: "lock", state: .done)
                    ]
                }
            ),
        ] as [(String, String, Script)] {
            let found = try await AuditScene(script).breaches()
            #expect(Array(found.keys) == [invariant], "\(found)")
            #expect(found[invariant]?.contains(words) == true, "\(found)")
        }
    }
}
