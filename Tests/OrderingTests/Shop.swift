import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Storage
import Testing

@testable import Ordering

/// An order service over a database of its own, with calls as a gateway would make them.
final class Shop: Sendable {
    let database: TestDatabase
    let service: OrderingService
    private let keys = SequentialIdentifierGenerator(seed: 7)

    init() throws {
        database = try TestDatabase.make(migrations: OrderingService.migrations)
        service = OrderingService(database: database, identifiers: SequentialIdentifierGenerator(seed: 1))
    }

    func call(
        _ method: MethodDescriptor, _ account: String, at instant: Timestamp?, key: String? = nil, epoch: UInt64 = 1
    ) throws -> CallContext {
        CallContext(
            method: method, caller: .local, account: account,
            key: try key.map { try IdempotencyKey($0) } ?? IdempotencyKey(from: keys), effectiveAt: instant,
            epoch: epoch, traceID: 0, deadline: .after(milliseconds: 60_000))
    }

    /// Opens an account and puts money into it.
    func account(_ balance: String = "0", at instant: Timestamp = opening) async throws -> String {
        let reply = try await service.openAccount(
            OrderV1.OpenAccountRequest(name: "Test"), call(OrderV1.Accounts.openAccount.descriptor, "", at: instant))
        let id = try #require(reply.account).accountID
        let money = try Money(balance)
        if money > .zero { _ = try await topUp(id, balance, at: instant) }
        return id
    }

    func topUp(
        _ account: String, _ amount: String, reference: String = "", at instant: Timestamp = opening, key: String? = nil
    ) async throws -> Response<OrderV1.TopUpReply> {
        try await service.topUp(
            OrderV1.TopUpRequest(amountMicros: try Money(amount).micros, reference: reference),
            call(OrderV1.Accounts.topUp.descriptor, account, at: instant, key: key))
    }

    func show(_ account: String) async throws -> OrderV1.Account {
        let reply = try await service.getAccount(
            OrderV1.GetAccountRequest(), call(OrderV1.Accounts.getAccount.descriptor, account, at: nil))
        return try #require(reply.account)
    }

    func place(
        _ account: String, _ quote: PricingV1.QuoteReply = quote(), kind: OrderV1.OrderKind = .new, group: String = "",
        at instant: Timestamp = opening, key: String? = nil
    ) async throws -> OrderV1.Order {
        let reply = try await service.placeOrder(
            OrderV1.PlaceOrderRequest(kind: kind, groupID: group, name: "phones", network: "default", quote: quote),
            call(OrderV1.Orders.placeOrder.descriptor, account, at: instant, key: key))
        return try #require(reply.order)
    }

    func cancel(_ account: String, _ order: String, at instant: Timestamp = opening) async throws -> OrderV1.Order {
        let reply = try await service.cancelOrder(
            OrderV1.CancelOrderRequest(orderID: order),
            call(OrderV1.Orders.cancelOrder.descriptor, account, at: instant))
        return try #require(reply.order)
    }

    func order(_ account: String, _ order: String) async throws -> OrderV1.Order {
        let reply = try await service.getOrder(
            OrderV1.GetOrderRequest(orderID: order), call(OrderV1.Orders.getOrder.descriptor, account, at: nil))
        return try #require(reply.order)
    }

    func pay(
        _ account: String, _ order: String, saga: String = "saga-pay", method: OrderV1.PaymentMethod = .balance,
        payment: String = "", undo: Bool = false, at instant: Timestamp = opening, epoch: UInt64 = 1
    ) async throws -> Response<OrderV1.OrderReply> {
        try await service.payOrder(
            OrderV1.PayOrderRequest(
                step: CommonV1.SagaStep(sagaID: saga, definition: "pay", step: "pay", undo: undo), orderID: order,
                paymentMethod: method, paymentID: payment),
            call(OrderV1.OrderSteps.payOrder.descriptor, account, at: instant, epoch: epoch))
    }

    func register(
        _ account: String, _ order: String, reference: String, at instant: Timestamp = opening
    ) async throws -> OrderV1.Payment {
        let reply = try await service.registerPayment(
            OrderV1.RegisterPaymentRequest(orderID: order, reference: reference),
            call(OrderV1.Payments.registerPayment.descriptor, account, at: instant))
        return try #require(reply.payment)
    }

    func confirm(
        _ reference: String, account: String = "", at instant: Timestamp = opening
    ) async throws -> OrderV1.PaymentReply {
        try await service.confirmPayment(
            OrderV1.ConfirmPaymentRequest(reference: reference),
            call(OrderV1.Payments.confirmPayment.descriptor, account, at: instant)
        ).message
    }

    func giveBack(
        _ account: String, payment: String, at instant: Timestamp = opening
    ) async throws -> OrderV1.PaymentReply {
        try await service.returnPayment(
            OrderV1.ReturnPaymentRequest(paymentID: payment),
            call(OrderV1.Payments.returnPayment.descriptor, account, at: instant)
        ).message
    }

    func refund(
        _ account: String, group: String, _ amounts: [(order: String, amount: String)], id: String = "ref-1",
        at instant: Timestamp, undo: Bool = false, saga: String = "saga-refund"
    ) async throws -> Response<OrderV1.RefundPostedReply> {
        var lines: [OrderV1.RefundLine] = []
        for (id, amount) in amounts {
            // The whole goes one way: that of the order, if there is such an order.
            let isOnline = (try? await order(account, id))?.paymentMethod == .online
            let micros = try Money(amount).micros
            lines.append(
                OrderV1.RefundLine(
                    orderID: id, amountMicros: micros, toBalanceMicros: isOnline ? 0 : micros,
                    onlineMicros: isOnline ? micros : 0))
        }
        return try await service.postRefund(
            OrderV1.PostRefundRequest(
                step: CommonV1.SagaStep(sagaID: saga, definition: "unsubscribe", step: "pay", undo: undo),
                refundID: id, groupID: group, at: instant.milliseconds, lines: lines),
            call(OrderV1.OrderSteps.postRefund.descriptor, account, at: instant))
    }

    func confirmRefund(
        _ refund: String, account: String = "", at instant: Timestamp
    ) async throws -> OrderV1.RefundPostedReply {
        try await service.confirmRefund(
            OrderV1.ConfirmRefundRequest(refundID: refund),
            call(OrderV1.Bills.confirmRefund.descriptor, account, at: instant)
        ).message
    }

    func post(_ usage: Usage) async throws -> OrderV1.PostUsageReply {
        try await service.postUsage(usage.request, call(OrderV1.Bills.postUsage.descriptor, "", at: nil)).message
    }

    /// - Parameter now: when it is asked for.
    func bill(
        _ account: String, _ request: OrderV1.ListBillRequest, at now: Timestamp = at("2027-01-01")
    ) async throws -> OrderV1.ListBillReply {
        try await service.listBill(request, call(OrderV1.Bills.listBill.descriptor, account, at: now)).message
    }

    /// All pages of a bill list.
    func wholeBill(
        _ account: String, _ request: OrderV1.ListBillRequest, at now: Timestamp = at("2027-01-01")
    ) async throws -> [OrderV1.BillLine] {
        var request = request
        var lines: [OrderV1.BillLine] = []
        repeat {
            let page = try await bill(account, request, at: now)
            lines += page.lines
            request.cursor = page.nextCursor
        } while !request.cursor.isEmpty
        return lines
    }

    func statement(_ account: String) async throws -> [OrderV1.LedgerTransaction] {
        try await service.listStatement(
            OrderV1.ListStatementRequest(), call(OrderV1.Accounts.listStatement.descriptor, account, at: nil)
        ).transactions
    }

    /// The entries of the last transaction of a journal, as "BALANCE -1.000000".
    func lastEntries(_ account: String) async throws -> [String] {
        let transactions = try await statement(account)
        return try #require(transactions.last).entries.map {
            "\($0.ledgerAccount.wireName.dropFirst("LEDGER_ACCOUNT_".count)) \(Money(micros: $0.amountMicros))"
        }
    }

    /// Breaches found by the audit over all accounts, by invariant.
    func breaches() async throws -> [String: Int64] {
        var found: [String: Int64] = [:]
        var request = OrderV1.AuditMoneyRequest(partitionFrom: 0, partitionTo: UInt32(Partition.count))
        while true {
            let reply = try await service.auditMoney(
                request, call(OrderV1.Bills.auditMoney.descriptor, "", at: nil))
            for finding in reply.findings where finding.breaches > 0 {
                found[finding.invariant, default: 0] += finding.breaches
            }
            if reply.nextAccount.isEmpty { return found }
            request.afterAccount = reply.nextAccount
            request.partitionFrom = reply.nextPartition
        }
    }
}

/// 2026-03-10 09:00 in the billing time zone, when tests begin.
let opening = at("2026-03-10 09:00")

func at(_ text: String) -> Timestamp {
    guard let instant = Timestamp(text) else { preconditionFailure("'\(text)' in a test is no instant") }
    return instant
}

extension Timestamp {
    func adding(hours: Int64) -> Timestamp { adding(milliseconds: hours * .millisecondsPerHour) }
}

/// What the pricing service would quote: by default 1 x acp.basic.small ML for a month.
func quote(
    _ specification: String = "acp.basic.small", region: String = "cn-hangzhou", monthly: String = "9.9057",
    instances: Int = 1, months: Int = 1
) -> PricingV1.QuoteReply {
    let nanos: Int64
    do { nanos = try UnitPrice(monthly).nanos } catch { preconditionFailure("'\(monthly)' in a test is no price") }
    let list = nanos * Int64(instances * months)
    let total = Rounding.halfUp.divide(Int128(list), by: 10_000_000) * Money.microsPerCent
    return PricingV1.QuoteReply(
        specification: specification, region: region, instances: UInt32(instances), priceListVersion: 1,
        monthlyNanos: nanos, months: UInt32(months), grossMicros: total, totalMicros: total, listNanos: list)
}

/// A batch of usage, line by line.
struct Usage {
    private(set) var request: OrderV1.PostUsageRequest

    init(cutAt: Timestamp) {
        request = OrderV1.PostUsageRequest(
            cutAt: cutAt.milliseconds, prices: [PricingV1.AppliedPrice(priceListVersion: 1, hourlyNanos: 236_200_000)])
    }

    mutating func add(
        _ account: String, _ group: String, from start: Timestamp, to end: Timestamp, _ gross: String,
        specification: String = "acp.perf.large", region: String = "ap-southeast-1", createdAt: Timestamp? = nil
    ) throws {
        let resource = OrderV1.UsageResource(
            accountID: account, resourceID: group, groupID: group, specification: specification, region: region,
            instances: 2, createdAt: (createdAt ?? opening).milliseconds,
            anchor: (createdAt ?? opening).milliseconds, billingUnit: .fourHours)
        append(resource, from: start, to: end, try Money(gross))
    }

    /// A line of a value-added resource.
    mutating func add(
        _ account: String, _ product: Product, _ resourceID: String, from start: Timestamp, to end: Timestamp,
        _ gross: String, quantity: Int64 = 1, region: String = "cn-hangzhou"
    ) throws {
        let resource = OrderV1.UsageResource(
            accountID: account, resourceID: resourceID, region: region, createdAt: opening.milliseconds,
            anchor: opening.milliseconds, billingUnit: .clockHour, item: product.item, quantity: quantity,
            network: "default")
        append(resource, from: start, to: end, try Money(gross))
    }

    private mutating func append(
        _ resource: OrderV1.UsageResource, from start: Timestamp, to end: Timestamp, _ gross: Money
    ) {
        let index: Int
        if let known = request.resources.firstIndex(of: resource) {
            index = known
        } else {
            request.resources.append(resource)
            index = request.resources.count - 1
        }
        request.resource.append(UInt32(index))
        request.start.append(start.milliseconds)
        request.end.append(end.milliseconds)
        request.price.append(0)
        request.grossMicros.append(gross.micros)
    }

    /// One line of an hour that ends at the cut.
    static func hour(
        _ account: String, _ group: String = "ag-1", endingAt cut: Timestamp, _ gross: String = "0.4724"
    ) throws -> Usage {
        var usage = Usage(cutAt: cut)
        try usage.add(account, group, from: cut.adding(hours: -1), to: cut, gross)
        return usage
    }
}

/// Runs `body` and gives the reason it was refused with; empty when it was not.
func reason(_ body: () async throws -> some Any) async -> String {
    do {
        _ = try await body()
        return ""
    } catch let error as any BillingError {
        return error.reason
    } catch {
        return "unnamed: \(error)"
    }
}

/// A way to spoil a message, and the field that the refusal should blame.
struct Garbling<Message: Sendable>: Sendable, CustomTestStringConvertible {
    let field: String
    let apply: @Sendable (inout Message) -> Void

    init(_ field: String, _ apply: @escaping @Sendable (inout Message) -> Void) {
        self.field = field
        self.apply = apply
    }

    var testDescription: String { field }
}
