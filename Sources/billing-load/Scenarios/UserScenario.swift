import BillingAPI
import BillingCore
import RPC

/// A customer as the gateway's clients know one.
struct Customer: Sendable {
    let account: String
    /// Groups that they created and have not released.
    var groups: [String] = []
    /// The order that waits to be paid; `nil`: none.
    var unpaid: String?

    /// One who has had a group for long, and every second one an order as well: the stand-ins know all that is named.
    init(_ dataSet: DataSet, _ index: Int) {
        account = dataSet.account(index)
        groups = (0...index % 2).map { "ag-\(account.dropFirst(5))-old-\($0)" }
        unpaid = index.isMultiple(of: 2) ? nil : "ord-\(account.dropFirst(5))-old"
    }
}

/// People at the public API: most look things up, some buy, release and top up, which are sagas.
final class UserScenario: Scenario {
    let operations = [
        "quote", "get account", "list groups", "list bill", "create group", "release group", "top up", "place order",
        "pay order",
    ]
    var bound: StockBound? { .accounts(dataSet) }
    private let dataSet: DataSet
    private let stock: Stock<Customer>

    init(_ dataSet: DataSet) {
        self.dataSet = dataSet
        stock = Stock((0..<dataSet.accounts).map { Customer(dataSet, $0) })
    }

    func plan(_ number: Int, _ random: inout SeededGenerator) -> PlannedCall? {
        guard let customer = stock.take(&random) else { return nil }
        let offer = Offer.any(&random)
        return switch random.unit() {
        case ..<0.2: quote(customer, offer)
        case ..<0.4: getAccount(customer)
        case ..<0.6: listGroups(customer)
        case ..<0.7: listBill(customer)
        case ..<0.85: customer.groups.count < 2 ? create(customer, offer, number) : release(customer, number)
        case ..<0.92: topUp(customer, number)
        case _: customer.unpaid == nil ? place(customer, offer, number) : pay(customer, number)
        }
    }

    private func quote(_ customer: Customer, _ offer: Offer) -> PlannedCall {
        let maker = dataSet.maker
        return stock.call(0, about: customer) { channel, _ throws(RPCError) in
            _ = try await GatewayV1.PricesClient(channel).quote(
                .init(
                    specification: offer.specification, region: offer.region, instances: offer.instances, months: 1),
                maker.reading())
            return 1
        }
    }

    private func getAccount(_ customer: Customer) -> PlannedCall {
        let maker = dataSet.maker
        return stock.call(1, about: customer) { channel, customer throws(RPCError) in
            _ = try await GatewayV1.AccountsClient(channel).getAccount(.init(), maker.reading(customer.account))
            return 1
        }
    }

    private func listGroups(_ customer: Customer) -> PlannedCall {
        let maker = dataSet.maker
        return stock.call(2, about: customer) { channel, customer throws(RPCError) in
            _ = try await GatewayV1.GroupsClient(channel).listGroups(.init(), maker.reading(customer.account))
            return 1
        }
    }

    private func listBill(_ customer: Customer) -> PlannedCall {
        let maker = dataSet.maker
        return stock.call(3, about: customer) { channel, customer throws(RPCError) in
            _ = try await GatewayV1.BillsClient(channel).listBill(
                .init(period: .details, limit: 20), maker.reading(customer.account))
            return 1
        }
    }

    private func create(_ customer: Customer, _ offer: Offer, _ number: Int) -> PlannedCall {
        let maker = dataSet.maker
        return stock.call(4, about: customer) { channel, customer throws(RPCError) in
            let reply = try await GatewayV1.GroupsClient(channel).createGroup(
                .init(
                    specification: offer.specification, region: offer.region, instances: offer.instances, name: "load"),
                maker.writing(customer.account, "run-\(number)"))
            if let group = reply.group { customer.groups.append(group.groupID) }
            return 1
        }
    }

    private func release(_ customer: Customer, _ number: Int) -> PlannedCall {
        let maker = dataSet.maker
        return stock.call(5, about: customer) { channel, customer throws(RPCError) in
            let group = customer.groups.removeFirst()
            _ = try await GatewayV1.GroupsClient(channel).releaseGroup(
                .init(groupID: group), maker.writing(customer.account, "run-\(number)"))
            return 1
        }
    }

    private func topUp(_ customer: Customer, _ number: Int) -> PlannedCall {
        let maker = dataSet.maker
        return stock.call(6, about: customer) { channel, customer throws(RPCError) in
            _ = try await GatewayV1.AccountsClient(channel).topUp(
                .init(amountMicros: 50_000_000), maker.writing(customer.account, "run-\(number)"))
            return 1
        }
    }

    private func place(_ customer: Customer, _ offer: Offer, _ number: Int) -> PlannedCall {
        let maker = dataSet.maker
        return stock.call(7, about: customer) { channel, customer throws(RPCError) in
            let reply = try await GatewayV1.OrdersClient(channel).placeNewOrder(
                .init(
                    specification: offer.specification, region: offer.region, instances: offer.instances, months: 1,
                    name: "load"), maker.writing(customer.account, "run-\(number)"))
            customer.unpaid = reply.order?.orderID
            return 1
        }
    }

    private func pay(_ customer: Customer, _ number: Int) -> PlannedCall {
        let maker = dataSet.maker
        return stock.call(8, about: customer) { channel, customer throws(RPCError) in
            let order = customer.unpaid ?? ""
            customer.unpaid = nil
            _ = try await GatewayV1.OrdersClient(channel).payOrder(
                .init(orderID: order, paymentMethod: .balance), maker.writing(customer.account, "run-\(number)"))
            return 1
        }
    }
}
