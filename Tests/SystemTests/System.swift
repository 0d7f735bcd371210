import BillingAPI
import BillingCore
import BillingTestKit
import Foundation
import Metering
import Ordering
import Pricing
import RPC
import Refunding
import Testing

@testable import Gateway

/// The five services in one process, over real databases, on the clock of a machine that a test turns.
final class System: Sendable {
    /// A gateway, as one process has it.
    struct Life: Sendable {
        let clock: RealClock
        let service: GatewayService
        let channel: RouterChannel
    }

    let machine: Machine
    let taps = Taps()
    private let services: Services
    private let database: TestDatabase
    private let identifiers = SequentialIdentifierGenerator(seed: 3)
    private let keys = SequentialIdentifierGenerator(seed: 7)

    init(at start: String) async throws {
        machine = Machine(instant(start))
        let catalog = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "deploy/catalog.yaml")
        let prices = try await PricingService.start(
            database: try TestDatabase.make(migrations: PricingService.migrations),
            catalog: try String(contentsOf: catalog, encoding: .utf8))
        let taps = taps
        func channel(_ register: (inout Router) -> Void) -> TappedChannel {
            var router = Router()
            register(&router)
            return TappedChannel(inner: RouterChannel(router: router), taps: taps)
        }
        let pricing = channel(prices.register)
        let ordering = OrderingService(
            database: try TestDatabase.make(migrations: OrderingService.migrations),
            identifiers: SequentialIdentifierGenerator(seed: 1))
        let order = channel(ordering.register)
        let meters = MeteringService(
            database: try TestDatabase.make(migrations: MeteringService.migrations),
            identifiers: SequentialIdentifierGenerator(seed: 2), pricing: pricing, order: order)
        let refunds = RefundingService(
            database: try TestDatabase.make(migrations: RefundingService.migrations), order: order, pricing: pricing)
        services = Services(
            pricing: pricing, metering: channel(meters.register), order: order, refund: channel(refunds.register))
        database = try TestDatabase.make(migrations: GatewayService.migrations)
    }

    /// Starts a gateway. Its clock works when a test tells it to.
    func boot() async throws -> Life {
        let clock = RealClock(database: database, due: ServiceDueWork(services), time: machine)
        let service = GatewayService(
            database: database, services: services, clock: clock,
            health: HealthService(service: "gateway", version: "test", vitals: ServerVitals()), bootID: 1,
            configuration: GatewayService.Configuration(), identifiers: identifiers, time: Patience(),
            interruption: { _, _ in })
        var router = Router()
        service.register(in: &router)
        try await clock.start()
        try await service.engine.recover()
        return Life(clock: clock, service: service, channel: RouterChannel(router: router))
    }

    /// Turns the clock and does what is due by then, as the gateway does about once a second.
    func work(_ gateway: Life, at text: String) async throws {
        machine.turn(to: instant(text))
        try await gateway.clock.pass(gateway.service.engine)
    }

    func call<Request: WireMessage, Reply: WireMessage>(
        _ gateway: Life, _ method: Method<Request, Reply>, _ request: Request, _ account: String = ""
    ) async throws -> Reply {
        let options = CallOptions(
            account: account, key: IdempotencyKey(from: keys), deadline: .after(milliseconds: 60_000))
        return try await gateway.channel.call(method, request, options).message
    }

    // MARK: - What owners do

    func open(_ gateway: Life, _ balance: String = "0") async throws -> String {
        let request = OrderV1.OpenAccountRequest(name: "test")
        let account = try #require(try await call(gateway, GatewayV1.Accounts.openAccount, request).account).accountID
        if balance != "0" { _ = try await topUp(gateway, account, balance) }
        return account
    }

    @discardableResult
    func topUp(_ gateway: Life, _ account: String, _ amount: String) async throws -> OrderV1.TopUpReply {
        let request = OrderV1.TopUpRequest(amountMicros: try Money(amount).micros)
        return try await call(gateway, GatewayV1.Accounts.topUp, request, account)
    }

    func create(
        _ gateway: Life, _ account: String, _ specification: String = "acp.basic.small",
        region: String = "cn-hangzhou", instances: UInt32 = 1
    ) async throws -> String {
        let request = GatewayV1.CreateGroupRequest(
            specification: specification, region: region, instances: instances)
        return try #require(try await call(gateway, GatewayV1.Groups.createGroup, request, account).group).groupID
    }

    /// - Returns: the id of a group that is subscribed for a month from now on.
    func subscribe(_ gateway: Life, _ account: String, autoRenewal: Bool = false) async throws -> String {
        let request = GatewayV1.PlaceNewOrderRequest(
            specification: "acp.basic.small", region: "cn-hangzhou", instances: 1, months: 1, autoRenewal: autoRenewal)
        let placed = try #require(try await call(gateway, GatewayV1.Orders.placeNewOrder, request, account).order)
        return try #require(try await pay(gateway, account, placed.orderID).group).groupID
    }

    func pay(_ gateway: Life, _ account: String, _ order: String) async throws -> GatewayV1.PayOrderReply {
        let request = GatewayV1.PayOrderRequest(orderID: order, paymentMethod: .balance)
        return try await call(gateway, GatewayV1.Orders.payOrder, request, account)
    }

    func placeRenewal(_ gateway: Life, _ account: String, _ group: String) async throws -> String {
        let request = GatewayV1.PlaceRenewalOrderRequest(groupID: group, months: 1)
        return try #require(try await call(gateway, GatewayV1.Orders.placeRenewalOrder, request, account).order).orderID
    }

    // MARK: - What there is

    func account(_ gateway: Life, _ id: String) async throws -> OrderV1.Account {
        try #require(
            try await call(gateway, GatewayV1.Accounts.getAccount, OrderV1.GetAccountRequest(), id).account)
    }

    func group(_ gateway: Life, _ account: String, _ id: String) async throws -> MeteringV1.InstanceGroup {
        let request = MeteringV1.GetGroupRequest(groupID: id)
        return try #require(try await call(gateway, GatewayV1.Groups.getGroup, request, account).group)
    }

    func order(_ gateway: Life, _ account: String, _ id: String) async throws -> OrderV1.Order {
        let request = OrderV1.GetOrderRequest(orderID: id)
        return try #require(try await call(gateway, GatewayV1.Orders.getOrder, request, account).order)
    }

    func notices(_ gateway: Life, _ account: String) async throws -> [OrderV1.NoticeKind] {
        let request = OrderV1.ListNoticesRequest(limit: 200)
        return try await call(gateway, GatewayV1.Accounts.listNotices, request, account).notices.map(\.kind)
    }

    func lines(_ gateway: Life, _ account: String) async throws -> [OrderV1.BillLine] {
        let request = OrderV1.ListBillRequest(period: .details, limit: 200)
        return try await call(gateway, GatewayV1.Bills.listBill, request, account).lines
    }

    /// The sagas that are not over.
    func unfinished(_ gateway: Life) async throws -> [GatewayV1.Saga] {
        try await call(
            gateway, GatewayV1.Operations.listSagas,
            GatewayV1.ListSagasRequest(statuses: [.running, .undoing, .parked])
        ).sagas
    }
}

/// An instant of the billing time zone, "2026-04-10 15:20".
func instant(_ text: String) -> Timestamp {
    guard let instant = Timestamp(text) else { preconditionFailure("'\(text)' in a test is no instant") }
    return instant
}
