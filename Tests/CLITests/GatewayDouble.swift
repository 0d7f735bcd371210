import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Synchronization

@testable import billing

/// A gateway that keeps a little state in memory: enough to run whole command lines, and a replay, on.
final class GatewayDouble: Sendable {
    struct State {
        var mode = GatewayV1.ClockMode.manual
        var now = Timestamp(milliseconds: 0)
        var accounts: [OrderV1.Account] = []
        var groups: [String: MeteringV1.InstanceGroup] = [:]
        /// What happened, in order, each with its instant.
        var log: [String] = []
        /// Replies by method and key, as the idempotency rows keep them.
        var recorded: [String: any Sendable] = [:]
        /// What the next call of a method is refused with.
        var refusals: [String: [RPCError]] = [:]
        var requests: [String: [any WireMessage]] = [:]
        var callsInFlight = 0
        var mostInFlight = 0
    }

    let state = Mutex(State())
    let router: Router
    private let identifiers = SequentialIdentifierGenerator(seed: 1)

    init() {
        var router = Router()
        let double = Weak()
        for add in Self.handlers { add(&router, double) }
        self.router = router
        double.gateway.withLock { $0 = self }
    }

    var log: [String] { state.withLock { $0.log } }

    func refuse<Request, Reply>(_ method: Method<Request, Reply>, _ errors: RPCError...) {
        state.withLock { $0.refusals[method.descriptor.name] = errors }
    }

    func requests<Request, Reply>(_ method: Method<Request, Reply>) -> [Request] {
        state.withLock { $0.requests[method.descriptor.name] ?? [] }.compactMap { $0 as? Request }
    }

    /// The router is made before the double; its handlers find the double here.
    private final class Weak: Sendable {
        let gateway = Mutex<GatewayDouble?>(nil)
    }

    private typealias Adding = @Sendable (inout Router, Weak) -> Void

    /// Answers a method: notes the request, gives the refusals that were asked for, and repeats recorded replies.
    private static func on<Request, Reply>(
        _ method: Method<Request, Reply>,
        _ answer: @escaping @Sendable (inout State, Request, CallContext, GatewayDouble) throws -> Reply
    ) -> Adding {
        { router, double in
            router.handle(method) { (request: Request, call: CallContext) async throws -> Response<Reply> in
                guard let gateway = double.gateway.withLock({ $0 }) else { preconditionFailure("no double") }
                gateway.state.withLock {
                    $0.callsInFlight += 1
                    $0.mostInFlight = max($0.mostInFlight, $0.callsInFlight)
                }
                defer { gateway.state.withLock { $0.callsInFlight -= 1 } }
                await Task.yield()
                return try gateway.state.withLock { state in
                    let name = method.descriptor.name
                    state.requests[name, default: []].append(request)
                    if let refusal = state.refusals[name]?.first {
                        state.refusals[name]?.removeFirst()
                        throw refusal
                    }
                    guard let key = call.key else { return Response(try answer(&state, request, call, gateway)) }
                    let place = "\(name) \(call.account) \(key)"
                    if let reply = state.recorded[place] as? Reply { return Response(reply, isReplay: true) }
                    let reply = try answer(&state, request, call, gateway)
                    state.recorded[place] = reply
                    return Response(reply)
                }
            }
        }
    }

    private static let hour = Int64.millisecondsPerHour

    private static let handlers: [Adding] = [
        on(CommonV1.Health.check) { _, _, _, _ in .init(service: "gateway", status: .serving) },
        on(GatewayV1.Prices.listPrices) { _, _, _, _ in
            .init(
                version: 1, effectiveAt: 1_577_808_000_000,
                specifications: [
                    .init(
                        edition: "Lightweight", specification: "acp.basic.small", vcpus: 2, memoryGib: 4, diskGib: 32,
                        prices: [
                            .init(regionClass: .ml, monthlyNanos: 9_905_700_000, hourlyNanos: 45_700_000),
                            .init(regionClass: .int, monthlyNanos: 15_353_800_000, hourlyNanos: 70_900_000),
                        ])
                ],
                regions: [
                    .init(region: "cn-hangzhou", name: "Hangzhou", regionClass: .ml),
                    .init(region: "ap-southeast-1", name: "Singapore", regionClass: .int),
                ],
                termDiscounts: [.init(months: 1, factorMillionths: 1_000_000)])
        },
        on(GatewayV1.Accounts.openAccount) { state, request, _, gateway in
            let account = OrderV1.Account(
                accountID: AccountID(from: gateway.identifiers).text, name: request.name,
                openedAt: state.now.milliseconds)
            state.accounts.append(account)
            state.log.append("\(state.now) open \(request.name)")
            return .init(account: account)
        },
        on(GatewayV1.Accounts.listAccounts) { state, request, _, _ in
            let start = Int(request.cursor) ?? 0
            let end = min(state.accounts.count, start + Int(request.limit))
            return .init(
                accounts: Array(state.accounts[start..<end]),
                nextCursor: end < state.accounts.count ? String(end) : "")
        },
        on(GatewayV1.Accounts.topUp) { state, request, call, _ in
            guard let index = state.accounts.firstIndex(where: { $0.accountID == call.account }) else {
                throw RPCError(.notFound, "account.not_found", "No account \(call.account).", value: call.account)
            }
            state.accounts[index].balanceMicros += request.amountMicros
            state.log.append("\(state.now) credit \(state.accounts[index].name)")
            return .init(account: state.accounts[index])
        },
        on(GatewayV1.Groups.createGroup) { state, request, call, gateway in
            let group = MeteringV1.InstanceGroup(
                groupID: GroupID(from: gateway.identifiers).text, accountID: call.account, name: request.name,
                specification: request.specification, region: request.region, instances: request.instances,
                status: .creating, billingMethod: .payAsYouGo, requestedAt: state.now.milliseconds)
            state.groups[group.groupID] = group
            state.log.append("\(state.now) create \(request.name) \(request.provisioner.word)")
            return .init(group: group)
        },
        on(GatewayV1.Groups.reportCreated) { state, request, _, _ in
            guard var group = state.groups[request.groupID], group.status == .creating else {
                throw RPCError(.failedPrecondition, "group.not_active", "Group \(request.groupID) is not creating.")
            }
            group.status = request.failed ? .released : .active
            if !request.failed { group.createdAt = state.now.milliseconds }
            state.groups[request.groupID] = group
            state.log.append("\(state.now) \(request.failed ? "fail" : "report") \(group.name)")
            return .init(group: group)
        },
        on(GatewayV1.Groups.releaseGroup) { state, request, _, _ in
            guard var group = state.groups[request.groupID], group.status == .active else {
                throw RPCError(.failedPrecondition, "group.not_active", "Group \(request.groupID) is not active.")
            }
            group.status = .released
            group.releasedAt = state.now.milliseconds
            state.groups[request.groupID] = group
            state.log.append("\(state.now) release \(group.name)")
            return .init(group: group)
        },
        on(GatewayV1.Groups.unsubscribe) { _, request, _, _ in
            guard request.instanceIDs.isEmpty, request.quantity == 0 else {
                let isCount = request.instanceIDs.isEmpty
                throw RPCError(
                    .invalidArgument, "refund.partial", "Only whole groups are unsubscribed.",
                    field: isCount ? "quantity" : "instance_ids",
                    value: isCount ? String(request.quantity) : request.instanceIDs.joined(separator: ","))
            }
            return .init(
                refund: .init(refundID: "ref-1", groupID: request.groupID, status: .closed, amountMicros: 25_500_000),
                group: .init(groupID: request.groupID, status: .released))
        },
        on(GatewayV1.Refunds.quoteRefund) { _, request, _, _ in
            .init(
                groupID: request.groupID, at: 1_776_842_400_000, amountMicros: 25_500_000,
                orders: [
                    .init(
                        orderID: "ord-1", cashPaidMicros: 41_600_000, consumedMicros: 16_100_000,
                        refundMicros: 25_500_000, usedDays: 12, termDays: 31)
                ], token: "token-1", losses: ["The data of the group's 3 phones is gone."])
        },
        on(GatewayV1.Orders.placeSwitchOrder) { _, request, _, _ in
            .init(
                order: .init(
                    orderID: "ord-1", kind: .switch, status: .unpaid, groupID: request.groupID, months: request.months,
                    totalMicros: 256_020_000, deadlineAt: 86_400_000))
        },
        on(GatewayV1.Orders.payOrder) { _, request, _, _ in
            .init(order: .init(orderID: request.orderID, kind: .switch, status: .paid, paymentMethod: .balance))
        },
        on(GatewayV1.Bills.listBill) { state, request, call, _ in
            // A dollar for each 4-hour unit, in the month of the creation.
            let lines = state.groups.values.filter { $0.accountID == call.account && $0.createdAt != 0 }
                .sorted { $0.groupID < $1.groupID }.map { group in
                    let units = max(1, (group.releasedAt - group.createdAt + 4 * hour - 1) / (4 * hour))
                    let month = BillingCalendar.date(of: Timestamp(milliseconds: group.createdAt))
                    return OrderV1.BillLine(
                        billingPeriod: String(month.description.prefix(7)), grouping: group.groupID,
                        grossMicros: units * Money.microsPerDollar, lines: units * 4)
                }
            let start = Int(request.cursor) ?? 0
            let end = min(lines.count, start + Int(request.limit))
            return .init(
                lines: Array(lines[start..<end]),
                total: .init(
                    grossMicros: lines.reduce(0) { $0 + $1.grossMicros }, lines: lines.reduce(0) { $0 + $1.lines }),
                nextCursor: end < lines.count ? String(end) : "")
        },
        on(GatewayV1.Operations.showClock) { state, _, _, _ in
            .init(mode: state.mode, now: state.now.milliseconds, target: state.now.milliseconds)
        },
        on(GatewayV1.Operations.advanceClock) { state, request, _, _ in
            // Comes to an instant in two calls, as a long way would.
            let target = Timestamp(milliseconds: request.to)
            guard target >= state.now else {
                throw RPCError(.failedPrecondition, "clock.backwards", "The clock shows \(state.now).")
            }
            let middle = Timestamp(milliseconds: (state.now.milliseconds + request.to) / 2)
            state.now = target - state.now > 10 * hour ? middle : target
            return .init(mode: .manual, now: state.now.milliseconds, target: request.to, lines: 1)
        },
        on(GatewayV1.Operations.cutStatus) { _, _, _, _ in .init() },
        on(GatewayV1.Operations.audit) { state, request, _, _ in
            .init(
                findings: [.init(invariant: "M1", title: "the ledger sums to zero", checked: 5)],
                nextCursor: request.cursor.isEmpty ? "second" : "")
        },
        on(GatewayV1.Operations.systemHealth) { state, _, _, _ in
            .init(services: [
                .init(health: .init(service: "gateway", status: .serving)),
                .init(health: .init(service: "order"), problem: "Nobody answers."),
            ])
        },
    ]
}

/// A command line and what came of it.
struct CommandRun {
    let status: ExitStatus
    let output: String
    let problem: String

    /// Runs `billing` with `arguments` on a gateway double.
    /// - Parameters:
    ///   - answer: what a person types when asked; `nil`: nobody is there.
    ///   - connect: replaces the way to the gateway.
    static func run(
        _ arguments: [String], on gateway: GatewayDouble, variables: [String: String] = [:], answer: String? = nil,
        connect: (@Sendable (String) async throws -> any Channel)? = nil
    ) async -> CommandRun {
        let output = Transcript()
        let problem = Transcript()
        let channel = InProcessChannel(router: gateway.router)
        let environment = Environment(
            terminal: Terminal(
                write: { text in output.text.withLock { $0 += text } },
                writeError: { text in problem.text.withLock { $0 += text } }, readLine: { answer },
                canAsk: answer != nil, canOverwrite: false),
            variables: variables, identifiers: SequentialIdentifierGenerator(seed: 9),
            connect: connect ?? { _ in channel })
        let status = await BillingCommand.run(arguments, in: environment)
        return CommandRun(
            status: status, output: output.text.withLock { $0 }, problem: problem.text.withLock { $0 })
    }

    private final class Transcript: Sendable {
        let text = Mutex("")
    }
}
