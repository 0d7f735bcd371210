import BillingAPI
import BillingCore
import RPC

/// A subscription that may be given back, and how far its owner has come with that.
struct Subscription: Sendable {
    enum State: Sendable {
        case running
        /// The owner was told what would come back.
        case quoted(token: String)
        case opened(refund: String, saga: Int)
        case paid(refund: String, saga: Int)
    }

    let account: String
    let number: Int
    /// Goes up when the group was given back and the owner bought another one.
    var generation = 0
    var state = State.running

    private var group: String { "ag-\(account.dropFirst(5))-\(number)-\(generation)" }

    /// The instant of all calls about it, so that the amounts that are quoted stay as they are.
    static let at = BusinessTime.start.adding(milliseconds: 30 * .millisecondsPerDay)

    /// The group as metering would tell it.
    var instanceGroup: MeteringV1.InstanceGroup {
        let start = BusinessTime.start.milliseconds
        let end = BillingCalendar.termEnd(start: BusinessTime.start, months: 12).milliseconds
        return MeteringV1.InstanceGroup(
            groupID: group, accountID: account, name: "load", specification: "acp.basic.small", region: "cn-hangzhou",
            network: "default", instances: 2, status: .active, billingMethod: .subscription, requestedAt: start,
            createdAt: start, termStart: start, termEnd: end, orderID: "ord-\(group.dropFirst(3))", paidThrough: end,
            nominalStart: start, nominalMonths: 12, months: 12)
    }
}

/// Owners of subscriptions ask what they would get back; some take it, in the three steps of the saga.
final class RefundScenario: Scenario {
    let operations = ["quote", "open refund", "pay refund", "close refund"]
    var bound: StockBound? { StockBound(count: max(returned + 1, dataSet.groups), name: "subscriptions (--groups)") }
    private let dataSet: DataSet
    private let running = Stock<Subscription>()
    private let quoted = Stock<Subscription>()
    private let opened = Stock<Subscription>()
    private let paid = Stock<Subscription>()

    init(_ dataSet: DataSet) { self.dataSet = dataSet }

    /// A tenth of the groups were given back before.
    private var returned: Int { max(1, dataSet.groups / 10) }

    func prepare(_ preparation: Preparation) async throws {
        let made = Stock<Subscription>()
        let dataSet = dataSet
        try await preparation.each(returned, "refunds") { index, channel in
            var one = Subscription(account: dataSet.account(index), number: index)
            try await one.quote(channel, dataSet.maker)
            for _ in 0..<3 { try await one.advance(channel, dataSet.maker, saga: index) }
            made.put(one)
        }
        fill(made.all)
    }

    /// Takes the subscriptions that were given back before, and makes the others.
    func fill(_ made: [Subscription]) {
        for one in made.sorted(by: { $0.number < $1.number }) { running.put(one) }
        for index in returned..<max(returned + 1, dataSet.groups) {
            running.put(Subscription(account: dataSet.account(index), number: index))
        }
    }

    /// Of ten calls seven are quotes; the others are as many of each step, as far as there are refunds under way.
    func plan(_ number: Int, _ random: inout SeededGenerator) -> PlannedCall? {
        let chance = random.unit()
        if chance >= 0.9, let one = paid.take(&random) { return advance(3, one, number) }
        if chance >= 0.8, let one = opened.take(&random) { return advance(2, one, number) }
        if chance >= 0.7, let one = quoted.take(&random) { return advance(1, one, number) }
        if let one = running.take(&random) ?? quoted.take(&random) {
            let maker = dataSet.maker
            return call(0, one) { channel, one throws(RPCError) in try await one.quote(channel, maker) }
        }
        // Few subscriptions may all be in the middle of a refund.
        if let one = opened.take(&random) { return advance(2, one, number) }
        return paid.take(&random).map { advance(3, $0, number) }
    }

    private func advance(_ operation: Int, _ one: Subscription, _ number: Int) -> PlannedCall {
        let maker = dataSet.maker
        // Numbers of sagas that were prepared are below those of the run.
        let saga = dataSet.groups + number
        return call(operation, one) { channel, one throws(RPCError) in
            try await one.advance(channel, maker, saga: saga)
        }
    }

    /// Afterwards the subscription lies where its state belongs.
    private func call(
        _ operation: Int, _ one: Subscription,
        _ send: @escaping @Sendable (any Channel, inout Subscription) async throws(RPCError) -> Void
    ) -> PlannedCall {
        PlannedCall(operation: operation) { channel throws(RPCError) in
            var one = one
            defer { self.put(one) }
            try await send(channel, &one)
            return 1
        }
    }

    private func put(_ one: Subscription) {
        switch one.state {
        case .running: running.put(one)
        case .quoted: quoted.put(one)
        case .opened: opened.put(one)
        case .paid: paid.put(one)
        }
    }
}

extension Subscription {
    fileprivate mutating func quote(_ channel: any Channel, _ maker: CallMaker) async throws(RPCError) {
        let reply = try await RefundV1.RefundsClient(channel).quoteRefund(
            .init(group: instanceGroup), maker.reading(account, at: Self.at))
        state = .quoted(token: reply.token)
    }

    /// The next step of the saga. When one fails, the owner goes on with another group.
    /// - Parameter number: of the saga, if it begins.
    fileprivate mutating func advance(
        _ channel: any Channel, _ maker: CallMaker, saga number: Int
    ) async throws(RPCError) {
        let steps = RefundV1.RefundStepsClient(channel)
        let before = state
        let group = instanceGroup
        generation += 1
        state = .running
        switch before {
        case .running:
            preconditionFailure("a refund without a quote")
        case .quoted(let token):
            let refund = "ref-\(maker.runID)-\(number)"
            let (step, options) = maker.step("unsubscribe", "open-refund", saga: number, account, at: Self.at)
            _ = try await steps.openRefund(
                .init(step: step, refundID: refund, group: group, token: token), options)
            state = .opened(refund: refund, saga: number)
        case .opened(let refund, let saga):
            let (step, options) = maker.step("unsubscribe", "pay-refund", saga: saga, account, at: Self.at)
            _ = try await steps.payRefund(.init(step: step, refundID: refund), options)
            state = .paid(refund: refund, saga: saga)
        case .paid(let refund, let saga):
            let (step, options) = maker.step("unsubscribe", "close-refund", saga: saga, account, at: Self.at)
            _ = try await steps.closeRefund(.init(step: step, refundID: refund), options)
        }
    }
}
