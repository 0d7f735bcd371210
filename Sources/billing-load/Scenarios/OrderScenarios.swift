import BillingAPI
import BillingCore
import RPC

/// An account as the order service knows it.
struct PayingAccount: Sendable {
    let id: String
    let index: Int
    /// Not before the account's latest instant.
    var at: Timestamp
    /// How far its usage is posted: the top of an hour.
    var hour = BusinessTime.start
    /// The order that waits to be paid; `nil`: none.
    var unpaid: String?

    /// The bill lines of its groups for the next hour.
    mutating func nextLines(_ groups: Int, into request: inout OrderV1.PostUsageRequest) {
        let start = hour
        hour = hour.adding(milliseconds: .millisecondsPerHour)
        at = max(at, hour)
        request.cutAt = hour.milliseconds
        for group in 0..<groups {
            let name = "ag-\(id.dropFirst(5))-\(group)"
            request.resource.append(UInt32(request.resources.count))
            request.resources.append(
                OrderV1.UsageResource(
                    accountID: id, resourceID: name, groupID: name, specification: "acp.basic.small",
                    region: "cn-hangzhou", instances: 1, createdAt: BusinessTime.start.milliseconds,
                    anchor: BusinessTime.start.milliseconds, billingUnit: .fourHours))
            request.start.append(start.milliseconds)
            request.end.append(hour.milliseconds)
            request.price.append(0)
            request.grossMicros.append(45_700)
        }
    }

    /// Places an order for a new group.
    mutating func place(
        _ channel: any Channel, _ maker: CallMaker, _ offer: Offer, _ name: String
    ) async throws(RPCError) {
        let request = OrderV1.PlaceOrderRequest(
            kind: .new, name: "load", quote: StandInPricing.quote(offer, months: 1, at: at))
        do throws(RPCError) {
            let reply = try await OrderV1.OrdersClient(channel).placeOrder(request, maker.writing(id, name, at: at))
            unpaid = reply.order?.orderID
        } catch {
            // An earlier call whose outcome was unknown placed one after all.
            if error.reason == "order.unpaid_orders" { unpaid = error.value }
            throw error
        }
    }

    /// Opens the accounts of a run and makes them rich.
    static func prepared(_ dataSet: DataSet, _ preparation: Preparation) async throws -> [PayingAccount] {
        let made = Stock<PayingAccount>()
        let maker = dataSet.maker
        try await preparation.each(dataSet.accounts, "accounts") { index, channel in
            let client = OrderV1.AccountsClient(channel)
            let opened = try await client.openAccount(
                .init(name: "load \(index)"), maker.writing("", "open-\(index)", at: BusinessTime.start))
            let id = opened.account?.accountID ?? ""
            _ = try await client.topUp(
                .init(amountMicros: 10_000_000_000_000), maker.writing(id, "rich", at: BusinessTime.start))
            made.put(PayingAccount(id: id, index: index, at: BusinessTime.start))
        }
        return made.all.sorted { $0.index < $1.index }
    }
}

/// Money of many accounts: top-ups, orders placed and then paid, and the usage of one account at a time.
final class MoneyScenario: Scenario {
    let operations = ["top up", "place order", "pay order", "post usage"]
    var bound: StockBound? { .accounts(dataSet) }
    private let dataSet: DataSet
    private let stock = Stock<PayingAccount>()

    init(_ dataSet: DataSet) { self.dataSet = dataSet }

    func prepare(_ preparation: Preparation) async throws {
        let accounts = try await PayingAccount.prepared(dataSet, preparation)
        let maker = dataSet.maker
        let stock = stock
        try await preparation.each(accounts.count, "accounts", with: "an order each second one") { index, channel in
            var account = accounts[index]
            if index.isMultiple(of: 2) { try await account.place(channel, maker, .usual, "prepared") }
            stock.put(account)
        }
    }

    func plan(_ number: Int, _ random: inout SeededGenerator) -> PlannedCall? {
        guard let account = stock.take(&random) else { return nil }
        let chance = random.unit()
        if chance < 0.3 { return topUp(account, number) }
        if chance < 0.6 {
            return account.unpaid == nil ? place(account, number, Offer.any(&random)) : pay(account, number)
        }
        return postUsage(account)
    }

    private func topUp(_ account: PayingAccount, _ number: Int) -> PlannedCall {
        let maker = dataSet.maker
        return stock.call(0, about: account) { channel, account throws(RPCError) in
            _ = try await OrderV1.AccountsClient(channel).topUp(
                .init(amountMicros: 50_000_000), maker.writing(account.id, "run-\(number)", at: account.at))
            return 1
        }
    }

    private func place(_ account: PayingAccount, _ number: Int, _ offer: Offer) -> PlannedCall {
        let maker = dataSet.maker
        return stock.call(1, about: account) { channel, account throws(RPCError) in
            try await account.place(channel, maker, offer, "run-\(number)")
            return 1
        }
    }

    private func pay(_ account: PayingAccount, _ number: Int) -> PlannedCall {
        let maker = dataSet.maker
        return stock.call(2, about: account) { channel, account throws(RPCError) in
            let (step, options) = maker.step("pay-new", "pay", saga: number, account.id, at: account.at)
            let order = account.unpaid ?? ""
            account.unpaid = nil
            _ = try await OrderV1.OrderStepsClient(channel).payOrder(
                .init(step: step, orderID: order, paymentMethod: .balance), options)
            return 1
        }
    }

    private func postUsage(_ account: PayingAccount) -> PlannedCall {
        let maker = dataSet.maker
        let groups = dataSet.groupsPerAccount
        return stock.call(3, about: account) { channel, account throws(RPCError) in
            var request = OrderV1.PostUsageRequest.empty
            account.nextLines(groups, into: &request)
            _ = try await OrderV1.BillsClient(channel).postUsage(request, maker.reading(at: account.hour))
            return 1
        }
    }
}

/// The hour's cut as metering posts it: the lines of many accounts in one call.
final class UsageScenario: Scenario {
    let operations = ["post usage"]
    let itemName: String? = "lines"
    var bound: StockBound? {
        StockBound(
            count: (dataSet.accounts + accountsPerBatch - 1) / accountsPerBatch,
            name: "batches of accounts (more --accounts, fewer --lines)")
    }
    private let dataSet: DataSet
    private let stock = Stock<[PayingAccount]>()

    init(_ dataSet: DataSet) { self.dataSet = dataSet }

    private var accountsPerBatch: Int { max(1, dataSet.linesPerBatch / dataSet.groupsPerAccount) }

    func prepare(_ preparation: Preparation) async throws {
        let accounts = try await PayingAccount.prepared(dataSet, preparation)
        let size = accountsPerBatch
        for first in stride(from: 0, to: accounts.count, by: size) {
            stock.put(Array(accounts[first..<min(first + size, accounts.count)]))
        }
    }

    func plan(_ number: Int, _ random: inout SeededGenerator) -> PlannedCall? {
        let maker = dataSet.maker
        let groups = dataSet.groupsPerAccount
        guard let batch = stock.take(&random) else { return nil }
        return stock.call(0, about: batch) { channel, batch throws(RPCError) in
            var request = OrderV1.PostUsageRequest.empty
            for index in batch.indices { batch[index].nextLines(groups, into: &request) }
            let at = Timestamp(milliseconds: request.cutAt)
            return Int(try await OrderV1.BillsClient(channel).postUsage(request, maker.reading(at: at)).posted)
        }
    }
}

extension OrderV1.PostUsageRequest {
    /// Without lines, and with the one price that they have.
    fileprivate static var empty: OrderV1.PostUsageRequest {
        OrderV1.PostUsageRequest(
            prices: [PricingV1.AppliedPrice(priceListVersion: 1, hourlyNanos: 45_700_000)])
    }
}
