import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Storage
import Synchronization

@testable import Gateway

/// The four services as the gateway sees them: every step of a saga is one counted effect in a real database, behind the
/// participant table. What a call comes to can be scripted.
final class World: Sendable {
    enum Fault: Sendable {
        /// The call never arrives.
        case lost
        /// It is carried out and nobody hears of it.
        case replyLost
        /// The service refuses it by a rule, within its transaction.
        case refused(RPCError)
    }

    struct Script: Sendable {
        /// What comes of the attempts at a step, "pay" or "undo-lock", or "pay of acct-1", in order; a last `repeats` goes
        /// on for ever.
        var faults: [String: [Fault]] = [:]
        var repeats: Set<String> = []
        var calls: [String] = []
        var groups: [String: MeteringV1.InstanceGroup] = [:]
        var orders: [String: OrderV1.Order] = [:]
        var isOverdue = false
        /// Whether whatever clears a debt ends the account's being overdue.
        var recovers = false
        /// What metering lists as due, until it is done.
        var dueGroups: [MeteringV1.DueKind: [MeteringV1.DueGroup]] = [:]
        /// What order lists as starting, until it is done.
        var startingCoupons: [OrderV1.Coupon] = []
        /// Whom a month close recovered, until somebody sees to it.
        var recoveries: [OrderV1.Recovery] = []
        /// The groups that a recovery comes too late for.
        var releasedGroups: [String] = []
        /// Accounts that no cut of all accounts gets done.
        var cutFailures: [MeteringV1.CutFailure] = []
        /// Accounts that are not cut through the instant of a month close.
        var uncut: [String] = []
        /// Attempts of auto-renewal that were noted as failed.
        var noted: [String] = []
        var lines: [String: OrderV1.LineDetails] = [:]
        /// Requests that a test looks at, by method.
        var requests: [String: any WireMessage] = [:]
        var due: [(Timestamp, DueStop.Work)] = []
        /// After which instants metering was asked what is due.
        var askedAfter: [Int64] = []
        var done: [String] = []
    }

    let database: TestDatabase
    let script = Mutex(Script())

    init() throws {
        database = try TestDatabase.make(migrations: [
            Migration(
                number: 1, name: "effects",
                sql: """
                    CREATE TABLE effect (name TEXT NOT NULL PRIMARY KEY, count INTEGER NOT NULL) STRICT;
                    """)
        ])
    }

    /// How often each effect is in force: 1 when done once, 0 when undone.
    func effects() async throws -> [String: Int] {
        try await database.read { transaction in
            let rows = try transaction.all("SELECT name, count FROM effect") { ($0.text(0), $0.int(1)) }
            return Dictionary(uniqueKeysWithValues: rows)
        }
    }

    var calls: [String] { script.withLock { $0.calls } }

    func plan(_ step: String, _ faults: [Fault], repeatsLast: Bool = false) {
        script.withLock { script in
            script.faults[step] = faults
            if repeatsLast { script.repeats.insert(step) } else { script.repeats.remove(step) }
        }
    }

    func heal() {
        script.withLock { script in
            script.faults = [:]
            script.repeats = []
        }
    }

    var services: Services {
        var router = Router()
        registerSteps(in: &router)
        registerSettling(in: &router)
        registerReads(in: &router)
        registerBills(in: &router)
        registerDueWork(in: &router)
        let channel = RouterChannel(router: router)
        return Services(pricing: channel, metering: channel, order: channel, refund: channel)
    }

    // MARK: - Steps

    private static let pivots: Set<String> = [
        "pay", "report-created", "release", "pay-refund", "post", "auto-renew", "acknowledge", "resume",
    ]
    /// What each kind of due work is called in `Script.done`, in the order of `DueStop.Work`.
    static let works = ["terms", "coupons", "cut", "months", "releases", "renewals", "orders", "notices"]

    private func step<Request: WireMessage, Reply: WireMessage>(
        _ step: CommonV1.SagaStep?, _ request: Request, _ call: CallContext, _ reply: Reply
    ) async throws -> Response<Reply> {
        guard let step else { throw RPCError(.invalidArgument, "test.no_step", "A step without its saga.") }
        let name = (step.undo ? "undo-" : "") + step.step
        let fault = next(name, of: call.account)
        if case .lost? = fault { throw Self.lost }
        let instant = try call.instant()
        let response = try await database.write(
            step: SagaStep(
                sagaID: step.sagaID, definition: step.definition, step: step.step, isUndo: step.undo),
            call, request,
            do: { transaction in
                if case .refused(let error)? = fault { throw error }
                try Self.count(step.step, 1, in: transaction)
                return Response(reply, effectiveAt: instant)
            }, undo: { try Self.count(step.step, -1, in: $0) }, isPivot: Self.pivots.contains(step.step))
        if case .replyLost? = fault { throw Self.lost }
        if case .refused(let error)? = fault, step.undo { throw error }
        return response
    }

    private static let lost = RPCError(.deadlineExceeded, "call.deadline_exceeded", "No reply came.")

    private static func count(_ name: String, _ change: Int, in transaction: any Transaction) throws {
        try transaction.execute(
            "INSERT INTO effect (name, count) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + ?",
            .text(name), .integer(change), .integer(change))
    }

    private func next(_ name: String, of account: String = "") -> Fault? {
        script.withLock { script in
            script.calls.append(name)
            let own = "\(name) of \(account)"
            let name = script.faults[own] == nil ? name : own
            guard let fault = script.faults[name]?.first else { return nil }
            if script.faults[name]?.count != 1 || !script.repeats.contains(name) {
                script.faults[name]?.removeFirst()
            }
            return fault
        }
    }

    private func group(_ id: String) -> MeteringV1.InstanceGroup {
        script.withLock { $0.groups[id] } ?? MeteringV1.InstanceGroup(groupID: id)
    }

    private func registerSteps(in router: inout Router) {
        router.handle(MeteringV1.GroupSteps.lockGroup) { request, call in
            try await self.step(request.step, request, call, MeteringV1.GroupReply(group: self.group(request.groupID)))
        }
        router.handle(MeteringV1.GroupSteps.switchGroup) { request, call in
            var group = self.group(request.groupID)
            (group.billingMethod, group.orderID) = (.subscription, request.term?.orderID ?? "")
            return try await self.step(request.step, request, call, MeteringV1.GroupReply(group: group))
        }
        router.handle(MeteringV1.GroupSteps.endGroup) { request, call in
            var group = self.group(request.groupID)
            (group.status, group.releasedAt) = (.released, request.at)
            return try await self.step(request.step, request, call, MeteringV1.GroupReply(group: group))
        }
        router.handle(MeteringV1.GroupSteps.releaseGroup) { request, call in
            let reply = try await self.step(
                request.step, request, call, MeteringV1.GroupReply(group: self.group(request.groupID)))
            if request.step?.undo == false { self.finish(request.groupID) }
            return reply
        }
        router.handle(MeteringV1.GroupSteps.extendGroup) { request, call in
            self.script.withLock { $0.requests["extend"] = request }
            var group = self.group(request.groupID)
            group.paidThrough = request.term?.end ?? 0
            let reply = try await self.step(request.step, request, call, MeteringV1.GroupReply(group: group))
            self.finish(request.groupID)
            return reply
        }
        router.handle(MeteringV1.GroupSteps.dropRenewal) { request, call in
            self.script.withLock { $0.requests["drop-renewal"] = request }
            return try await self.step(
                request.step, request, call, MeteringV1.GroupReply(group: self.group(request.groupID)))
        }
        router.handle(MeteringV1.GroupSteps.resumeAccount) { request, call in
            self.script.withLock { $0.requests["resume"] = request }
            let released = self.script.withLock { $0.releasedGroups }
            return try await self.step(
                request.step, request, call, MeteringV1.ResumeAccountReply(releasedGroupIDs: released))
        }
        router.handle(MeteringV1.Groups.createGroup) { request, call in
            let group = MeteringV1.InstanceGroup(
                groupID: request.groupID.isEmpty ? "ag-made" : request.groupID, status: .creating,
                orderID: request.term?.orderID ?? "")
            guard request.step != nil else {
                return try await self.database.write(once: call, request) { transaction in
                    try Self.count("create", 1, in: transaction)
                    return Response(MeteringV1.GroupReply(group: group))
                }
            }
            return try await self.step(request.step, request, call, MeteringV1.GroupReply(group: group))
        }
        router.handle(MeteringV1.Groups.reportCreated) { request, call in
            try await self.step(request.step, request, call, MeteringV1.GroupReply(group: self.group(request.groupID)))
        }
        router.handle(OrderV1.OrderSteps.claimOverdue) { request, call in
            try await self.step(request.step, request, call, OrderV1.AccountReply())
        }
        router.handle(OrderV1.OrderSteps.autoRenew) { request, call in
            self.script.withLock { $0.requests["auto-renew"] = request }
            let at = try call.instant().milliseconds
            let order = OrderV1.Order(
                orderID: "ord-auto", kind: .renewal, status: .paid, groupID: request.groupID,
                months: request.quote?.months ?? 0, paidAt: at, termStart: at, termEnd: at + 1000, automatic: true)
            return try await self.step(request.step, request, call, OrderV1.OrderReply(order: order))
        }
        router.handle(OrderV1.OrderSteps.payOrder) { request, call in
            self.script.withLock { $0.requests["pay"] = request }
            var order = self.script.withLock { $0.orders[request.orderID] } ?? OrderV1.Order()
            let paidAt = try call.instant().milliseconds
            (order.status, order.paidAt, order.termStart, order.termEnd) = (.paid, paidAt, paidAt, paidAt + 1000)
            return try await self.step(request.step, request, call, OrderV1.OrderReply(order: order))
        }
        router.handle(OrderV1.OrderSteps.cancelUnpaid) { request, call in
            self.script.withLock { $0.requests["cancel-unpaid"] = request }
            return try await self.step(request.step, request, call, OrderV1.CancelUnpaidReply())
        }
        router.handle(OrderV1.OrderSteps.acknowledgeRecovery) { request, call in
            let reply = try await self.step(request.step, request, call, OrderV1.AccountReply())
            if request.step?.undo == false {
                self.script.withLock { $0.recoveries.removeAll { $0.accountID == call.account && $0.at == request.at } }
            }
            return reply
        }
        router.handle(OrderV1.OrderSteps.refundInFull) { request, call in
            try await self.step(request.step, request, call, OrderV1.RefundPostedReply(refundID: request.refundID))
        }
        router.handle(OrderV1.Payments.returnPayment) { request, call in
            let fault = self.next("undo-payment")
            if case .lost? = fault { throw Self.lost }
            let response = try await self.database.write(once: call, request) { transaction in
                try Self.count("returned", 1, in: transaction)
                return Response(
                    OrderV1.PaymentReply(
                        payment: OrderV1.Payment(paymentID: request.paymentID, status: .returned)),
                    effectiveAt: call.effectiveAt)
            }
            if case .replyLost? = fault { throw Self.lost }
            return response
        }
        router.handle(RefundV1.RefundSteps.openRefund) { request, call in
            let refund = RefundV1.Refund(
                refundID: request.refundID, groupID: request.group?.groupID ?? "", status: .open,
                at: try call.instant().milliseconds, orders: [RefundV1.RefundedOrder(orderID: "ord-last")],
                renewalOnly: request.renewalOnly)
            return try await self.step(request.step, request, call, RefundV1.RefundReply(refund: refund))
        }
        router.handle(RefundV1.RefundSteps.payRefund) { request, call in
            let refund = RefundV1.Refund(refundID: request.refundID, status: .posted)
            let reply = RefundV1.RefundReply(refund: refund, recovered: self.recovers)
            return try await self.step(request.step, request, call, reply)
        }
        router.handle(RefundV1.RefundSteps.closeRefund) { request, call in
            let refund = RefundV1.Refund(refundID: request.refundID, status: .closed)
            return try await self.step(request.step, request, call, RefundV1.RefundReply(refund: refund))
        }
        router.handle(RefundV1.RefundSteps.noteRefund) { request, call in
            self.script.withLock { $0.requests["note-refund"] = request }
            let refund = RefundV1.Refund(refundID: request.refundID, groupID: request.groupID, status: .closed)
            return try await self.step(request.step, request, call, RefundV1.RefundReply(refund: refund))
        }
    }

    // MARK: - Whatever clears a debt

    private var recovers: Bool { script.withLock { $0.recovers } }

    /// The group is not due any more.
    func finish(_ group: String) {
        script.withLock { script in
            for kind in script.dueGroups.keys { script.dueGroups[kind]?.removeAll { $0.group?.groupID == group } }
        }
    }

    private func registerSettling(in router: inout Router) {
        router.handle(OrderV1.Accounts.topUp) { request, call in
            guard request.step == nil else {
                return try await self.step(
                    request.step, request, call, OrderV1.TopUpReply(recovered: self.recovers))
            }
            return try await self.database.write(once: call, request) { transaction in
                try Self.count("announced", 1, in: transaction)
                return Response(OrderV1.TopUpReply(), effectiveAt: call.effectiveAt)
            }
        }
        router.handle(OrderV1.Payments.confirmPayment) { request, call in
            let payment = OrderV1.Payment(
                paymentID: "pay-1", reference: request.reference, orderID: request.reference, status: .confirmed)
            guard request.step == nil else {
                return try await self.step(
                    request.step, request, call, OrderV1.PaymentReply(payment: payment, recovered: self.recovers))
            }
            return try await self.database.write(once: call, request) { transaction in
                try Self.count("confirmed", 1, in: transaction)
                return Response(OrderV1.PaymentReply(payment: payment))
            }
        }
        router.handle(OrderV1.Coupons.grantCoupon) { request, call in
            try await self.step(request.step, request, call, OrderV1.GrantCouponReply(recovered: self.recovers))
        }
        router.handle(OrderV1.OrderSteps.startCoupon) { request, call in
            let reply = try await self.step(
                request.step, request, call, OrderV1.GrantCouponReply(recovered: self.recovers))
            if request.step?.undo == false {
                self.script.withLock { $0.startingCoupons.removeAll { $0.couponID == request.couponID } }
            }
            return reply
        }
        router.handle(OrderV1.Accounts.adjust) { request, call in
            try await self.step(request.step, request, call, OrderV1.AdjustReply(recovered: self.recovers))
        }
    }

    // MARK: - Single calls

    private func registerReads(in router: inout Router) {
        router.handle(OrderV1.Orders.getOrder) { request, _ in
            guard let order = self.script.withLock({ $0.orders[request.orderID] }) else {
                throw RPCError(.notFound, "order.not_found", "There is no such order.")
            }
            return Response(OrderV1.OrderReply(order: order))
        }
        router.handle(OrderV1.Accounts.getAccount) { _, call in
            let isOverdue = self.script.withLock { $0.isOverdue }
            return Response(
                OrderV1.AccountReply(
                    account: OrderV1.Account(
                        accountID: call.account, outstandingMicros: isOverdue ? 1 : 0, overdue: isOverdue)))
        }
        router.handle(OrderV1.Payments.listPayments) { request, call in
            let isTopUp = request.reference.hasPrefix("top-up")
            let payment = OrderV1.Payment(
                paymentID: "pay-1", accountID: call.account, reference: request.reference,
                orderID: isTopUp ? "" : request.reference, status: .pending)
            return Response(OrderV1.ListPaymentsReply(payments: [payment]))
        }
        router.handle(OrderV1.Orders.placeOrder) { request, call in
            self.script.withLock { $0.requests["place"] = request }
            return try await self.database.write(once: call, request) { transaction in
                try Self.count("placed", 1, in: transaction)
                return Response(
                    OrderV1.OrderReply(
                        order: OrderV1.Order(
                            orderID: "ord-placed", kind: request.kind, groupID: request.groupID,
                            months: request.quote?.months ?? 0)), effectiveAt: call.effectiveAt)
            }
        }
        router.handle(PricingV1.Prices.quote) { request, call in
            Response(
                PricingV1.QuoteReply(
                    specification: request.specification, region: request.region, instances: request.instances,
                    months: request.months, termStart: request.at))
        }
        router.handle(MeteringV1.Resources.setBackup) { request, call in
            try await self.database.write(once: call, request) { transaction in
                try Self.count("backup", 1, in: transaction)
                return Response(MeteringV1.ResourcesReply(), effectiveAt: call.effectiveAt)
            }
        }
        router.handle(OrderV1.Payments.registerPayment) { request, call in
            self.script.withLock { $0.requests["register"] = request }
            return try await self.database.write(once: call, request) { _ in Response(OrderV1.PaymentReply()) }
        }
        router.handle(MeteringV1.Groups.getGroup) { request, _ in
            Response(MeteringV1.GroupReply(group: self.group(request.groupID)))
        }
    }

    private func registerDueWork(in router: inout Router) {
        router.handle(MeteringV1.Cuts.nextDue) { request, _ in
            self.script.withLock { $0.askedAfter.append(request.after) }
            return Response(
                MeteringV1.NextDueReply(
                    cutAt: self.next(.cut, after: request.after),
                    expiryAt: self.next(.expireTerms, after: request.after),
                    releaseAt: self.next(.release, after: request.after),
                    autoRenewalAt: self.next(.autoRenew, after: request.after)))
        }
        router.handle(OrderV1.Orders.nextDue) { request, _ in
            Response(
                OrderV1.NextDueReply(
                    orderDeadlineAt: self.next(.expireOrders, after: request.after),
                    monthCloseAt: self.next(.closeMonths, after: request.after),
                    noticeAt: self.next(.recordNotices, after: request.after),
                    couponStartAt: self.next(.startCoupons, after: request.after)))
        }
        router.handle(OrderV1.Coupons.listStartingCoupons) { request, _ in
            try self.perform("coupons", request.through)
            let coupons = self.script.withLock { $0.startingCoupons }
            return Response(OrderV1.ListStartingCouponsReply(coupons: Array(coupons.prefix(Int(request.limit)))))
        }
        router.handle(MeteringV1.Cuts.expireTerms) { request, _ in
            try self.perform("terms", request.through)
            return Response(MeteringV1.ExpireTermsReply())
        }
        router.handle(MeteringV1.Cuts.cut) { request, _ in
            try self.perform(request.accountID.isEmpty ? "cut" : "cut of \(request.accountID)", request.through)
            let failures = request.accountID.isEmpty ? self.script.withLock { $0.cutFailures } : []
            return Response(MeteringV1.CutReply(lines: 2, failures: failures))
        }
        router.handle(OrderV1.Orders.expireOrders) { request, _ in
            try self.perform("orders", request.through)
            return Response(OrderV1.ExpireOrdersReply())
        }
        router.handle(OrderV1.Orders.closeMonths) { request, _ in
            self.script.withLock { $0.requests["close-months"] = request }
            try self.perform("months", request.through)
            return Response(OrderV1.CloseMonthsReply(recoveries: self.script.withLock { $0.recoveries }))
        }
        router.handle(OrderV1.Orders.recordNotices) { request, _ in
            try self.perform("notices", request.through)
            return Response(OrderV1.RecordNoticesReply())
        }
        router.handle(MeteringV1.Cuts.listUncut) { request, _ in
            let uncut = self.script.withLock { $0.uncut }
            return Response(
                MeteringV1.ListUncutReply(accountIDs: Array(uncut.prefix(2)), more: uncut.count > 2))
        }
        router.handle(MeteringV1.Cuts.listDue) { request, _ in
            let due = self.script.withLock { $0.dueGroups[request.kind] ?? [] }
            try self.perform(request.kind == .release ? "releases" : "renewals", request.through)
            return Response(MeteringV1.ListDueReply(groups: Array(due.prefix(Int(request.limit)))))
        }
        router.handle(MeteringV1.Cuts.noteRenewalAttempt) { request, _ in
            self.script.withLock { $0.noted.append("\(request.groupID) \(request.attemptAt)") }
            self.finish(request.groupID)
            return Response(MeteringV1.GroupReply())
        }
    }

    private func next(_ work: DueStop.Work, after instant: Int64) -> Int64 {
        script.withLock { script in
            script.due.filter { $0.1 == work && $0.0.milliseconds > instant }.map(\.0.milliseconds).min() ?? 0
        }
    }

    private func perform(_ name: String, _ through: Int64) throws {
        if let fault = next(name) {
            switch fault {
            case .lost, .replyLost: throw Self.lost
            case .refused(let error): throw error
            }
        }
        script.withLock { $0.done.append("\(name) \(through)") }
    }
}

/// Time that passes only while somebody waits. A wait as long as that of a parked saga lasts until it is ended.
final class VirtualTime: TimeSource {
    private let elapsed = Mutex<Int64>(0)

    var wall: Timestamp { Timestamp(milliseconds: 1_767_196_800_000 + monotonicMilliseconds) }
    var monotonicMilliseconds: Int64 { elapsed.withLock { $0 } }

    func pause(milliseconds: Int64) async {
        if milliseconds >= RetrySchedule().parkedRetryMilliseconds {
            // Ends when it is cancelled, which is when the saga is woken.
            try? await Task.sleep(for: .seconds(3600))
            return
        }
        elapsed.withLock { $0 += milliseconds }
        await Task.yield()
    }
}

/// What a process does that dies: nothing any more.
struct Died: Error {}

/// A gateway over a database that outlives it, and the services it talks to.
final class Harness: Sendable {
    let world: World
    let database: TestDatabase
    let time = VirtualTime()
    let identifiers = SequentialIdentifierGenerator(seed: 7)
    private let boots = Mutex<UInt64>(0)
    private let keys = Mutex<Int>(0)

    init() throws {
        world = try World()
        database = try TestDatabase.make(migrations: GatewayService.migrations)
    }

    /// A gateway on the machine's clock, as a new process would be. Its clock works when a test tells it to.
    func bootReal() async throws -> (clock: RealClock, engine: SagaEngine, channel: RouterChannel) {
        let boot = boots.withLock { boots in
            boots += 1
            return boots
        }
        let clock = RealClock(database: database, due: ServiceDueWork(world.services), time: time)
        let service = GatewayService(
            database: database, services: world.services, clock: clock,
            health: HealthService(
                service: "gateway", version: "test", vitals: ServerVitals(bootID: boot)), bootID: boot,
            configuration: GatewayService.Configuration(), identifiers: identifiers, time: time,
            random: { $0.upperBound }, interruption: { _, _ in })
        var router = Router()
        service.register(in: &router)
        try await clock.start()
        try await service.engine.recover()
        return (clock, service.engine, RouterChannel(router: router))
    }

    struct Gateway: Sendable {
        let service: GatewayService
        let clock: ManualClock
        let channel: RouterChannel
    }

    /// Starts a gateway as a new process would.
    /// - Parameter dyingAt: the point of a saga at which it dies.
    func boot(dyingAt plan: String? = nil) async throws -> Gateway {
        let boot = boots.withLock { boots in
            boots += 1
            return boots
        }
        let plan = plan.flatMap { CrashPlan($0) }
        let clock = ManualClock(
            database: database, due: ServiceDueWork(world.services), time: time, random: { $0.upperBound })
        let service = GatewayService(
            database: database, services: world.services, clock: clock,
            health: HealthService(
                service: "gateway", version: "test", vitals: ServerVitals(bootID: boot)), bootID: boot,
            configuration: GatewayService.Configuration(), identifiers: identifiers, time: time,
            random: { $0.upperBound },
            interruption: { point, step in
                if let plan, plan.matches(point, of: step) { throw Died() }
            })
        var router = Router()
        service.register(in: &router)
        try await service.start()
        return Gateway(service: service, clock: clock, channel: RouterChannel(router: router))
    }

    func options(_ key: String = "key-of-one-operation", account: String = "acct-1") throws -> CallOptions {
        CallOptions(
            account: account, key: try IdempotencyKey(key), deadline: .after(milliseconds: 20_000))
    }
}
