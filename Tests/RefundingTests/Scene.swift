import BillingAPI
import BillingCore
import BillingTestKit
import RPC

@testable import Refunding

/// A refund service between doubles of pricing and order, and one subscribed group: example 9 of domain 11.
struct Scene {
    let order = OrderDouble()
    let pricing = PricingDouble()
    let service: RefundingService
    var group = MeteringV1.InstanceGroup(
        groupID: "ag-1", accountID: "acct-1", instances: 3, status: .active, billingMethod: .subscription,
        orderID: "ord-1")

    init() throws {
        service = RefundingService(
            database: try TestDatabase.make(migrations: RefundingService.migrations), order: order.channel,
            pricing: pricing.channel)
        let (start, end) = (try at("2026-04-10 15:20").milliseconds, try at("2026-05-11 00:00").milliseconds)
        (group.termStart, group.termEnd) = (start, end)
        order.change { state in
            state.lastAt = start
            state.orders = [
                OrderV1.Order(
                    orderID: "ord-1", accountID: "acct-1", kind: .switch, status: .paid, groupID: "ag-1", instances: 3,
                    months: 1, priceListVersion: 1, listNanos: 41_603_700_000, totalMicros: 41_600_000,
                    paidAt: start, paymentMethod: .balance, termStart: start, termEnd: end, balanceMicros: 41_600_000)
            ]
        }
    }

    func call<Request, Reply>(
        _ method: Method<Request, Reply>, account: String = "acct-1", epoch: UInt64 = 1, key: String? = nil,
        at instant: String = "2026-04-22 15:20"
    ) throws -> CallContext {
        CallContext(
            method: method.descriptor, caller: .local, account: account, key: try key.map { try IdempotencyKey($0) },
            effectiveAt: try RefundingTests.at(instant), epoch: epoch, traceID: 0,
            deadline: .after(milliseconds: 600_000))
    }

    func quote(account: String = "acct-1", at instant: String = "2026-04-22 15:20") async throws
        -> Response<RefundV1.QuoteRefundReply>
    {
        try await service.quoteRefund(
            .init(group: group), call(RefundV1.Refunds.quoteRefund, account: account, at: instant))
    }

    func renewalQuote(at instant: String = "2026-04-22 15:20") async throws -> Response<RefundV1.QuoteRefundReply> {
        try await service.quoteRenewalRefund(
            .init(group: group), call(RefundV1.Refunds.quoteRenewalRefund, at: instant))
    }

    /// Adds renewals of one month each, paid from the balance.
    func renew(_ ids: String...) throws {
        order.change { state in
            for id in ids {
                var renewal = state.orders[state.orders.count - 1]
                (renewal.orderID, renewal.kind) = (id, .renewal)
                renewal.termStart = renewal.termEnd
                renewal.termEnd += 31 * .millisecondsPerDay
                state.orders.append(renewal)
            }
        }
    }

    func step(_ name: String, undo: Bool = false) -> CommonV1.SagaStep {
        .init(sagaID: "saga-0000000000000001", definition: "unsubscribe", step: name, undo: undo)
    }

    func open(
        token: String, undo: Bool = false, epoch: UInt64 = 1, refund: String = "ref-1", saga: String? = nil,
        renewalOnly: Bool = false, at instant: String = "2026-04-22 15:20"
    ) async throws -> Response<RefundV1.RefundReply> {
        var step = step("OpenRefund", undo: undo)
        if let saga { step.sagaID = saga }
        return try await service.openRefund(
            .init(step: step, refundID: refund, group: group, token: token, renewalOnly: renewalOnly),
            call(RefundV1.RefundSteps.openRefund, epoch: epoch, at: instant))
    }

    func pay(undo: Bool = false, epoch: UInt64 = 1) async throws -> Response<RefundV1.RefundReply> {
        try await service.payRefund(
            .init(step: step("PayRefund", undo: undo), refundID: "ref-1"),
            call(RefundV1.RefundSteps.payRefund, epoch: epoch))
    }

    func close() async throws -> Response<RefundV1.RefundReply> {
        try await service.closeRefund(
            .init(step: step("CloseRefund"), refundID: "ref-1"), call(RefundV1.RefundSteps.closeRefund))
    }

    /// Order gave back all that was paid for a group that never came up.
    func note(
        _ order: String = "ord-1", refund: String = "ref-1", toBalance: Int64, online: Int64 = 0, epoch: UInt64 = 1
    ) async throws -> Response<RefundV1.RefundReply> {
        var step = step("note-refund")
        step.definition = "creation-failed"
        return try await service.noteRefund(
            .init(
                step: step, refundID: refund, groupID: "ag-1", orderID: order,
                at: RefundingTests.at("2026-04-10 15:30").milliseconds, toBalanceMicros: toBalance,
                onlineMicros: online), call(RefundV1.RefundSteps.noteRefund, epoch: epoch, at: "2026-04-10 15:30"))
    }

    func status() async throws -> RefundV1.RefundStatus? {
        try await service.getRefund(.init(refundID: "ref-1"), call(RefundV1.Refunds.getRefund)).refund?.status
    }
}

/// The reason that a refusal carries on the wire.
func reason(_ body: () async throws -> some Any) async -> String? {
    do {
        _ = try await body()
        return nil
    } catch {
        return (error as? any BillingError)?.reason ?? "\(error)"
    }
}
