import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Ordering

/// An attempt to renew a group by itself, as the metering service would have it made.
private struct Attempt: Sendable {
    var saga = "saga-renew"
    var step = "renew"
    var isUndo = false
    var group = "ag-7"
    var quote: PricingV1.QuoteReply? = OrderingTests.quote()
    var basis: OrderV1.RenewalBasis? = OrderV1.RenewalBasis(
        paidThrough: at("2026-04-11").milliseconds, nominalStart: at("2026-03-10 15:20").milliseconds,
        nominalMonths: 1)
    /// 08:00 of T-3.
    var madeAt = at("2026-04-08 08:00")

    func callAsFunction(_ shop: Shop, _ account: String) async throws -> Response<OrderV1.OrderReply> {
        try await shop.service.autoRenew(
            OrderV1.AutoRenewRequest(
                step: CommonV1.SagaStep(sagaID: saga, definition: "auto-renew", step: step, undo: isUndo),
                groupID: group, name: "phones", network: "default", quote: quote, basis: basis),
            shop.call(OrderV1.OrderSteps.autoRenew.descriptor, account, at: madeAt))
    }
}

@Suite("Auto-renewal") struct AutoRenewTests {
    private func orders(_ shop: Shop, _ account: String) async throws -> [OrderV1.Order] {
        try await shop.service.listOrders(
            OrderV1.ListOrdersRequest(), shop.call(OrderV1.Orders.listOrders.descriptor, account, at: nil)
        ).orders
    }

    @Test("The order is placed and paid in one: a coupon first, then the balance, and the term goes on (domain 5.5)")
    func renewing() async throws {
        let shop = try Shop()
        let account = try await shop.account("10")
        let coupon = try await shop.grant(account, "4")
        let attempt = Attempt()
        let reply = try await attempt(shop, account)
        let order = try #require(reply.order)
        #expect(reply.effectiveAt == attempt.madeAt && order.placedAt == attempt.madeAt.milliseconds)
        #expect(order.kind == .renewal && order.automatic && order.status == .paid && order.groupID == "ag-7")
        #expect(order.paymentMethod == .balance && order.paidAt == attempt.madeAt.milliseconds)
        #expect(order.couponID == coupon && order.couponMicros == 4_000_000 && order.balanceMicros == 5_910_000)
        #expect(order.termStart == at("2026-04-11").milliseconds && order.termEnd == at("2026-05-11").milliseconds)
        #expect(try await orders(shop, account) == [order])
        #expect(try await shop.show(account).unpaidOrders == 0)
        #expect(try await shop.lastEntries(account) == ["BALANCE -5.910000", "REVENUE 9.910000", "COUPON -4.000000"])
        // The line is of the instant of payment, what it bills of the term.
        let line = try #require(try await shop.lines(account).first)
        #expect(line.billingPeriod == "2026-04-08" && line.usageStart == order.termStart)
        #expect(line.usageEnd == order.termEnd && line.payableMicros == 5_910_000 && line.orderID == order.orderID)
        #expect(try await shop.breaches() == [:])
    }

    @Test("A repeat of the step renews nothing again, and answers what it answered")
    func twice() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        var attempt = Attempt()
        let first = try await attempt(shop, account)
        attempt.madeAt = attempt.madeAt.adding(hours: 5)
        let second = try await attempt(shop, account)
        #expect(!first.isReplay && second.isReplay && second.message == first.message)
        #expect(second.effectiveAt == first.effectiveAt)
        attempt.group = "ag-8"
        #expect(await reason { try await attempt(shop, account) } == "call.key_reused")
        attempt.isUndo = true
        #expect(await reason { try await attempt(shop, account) } == "saga.already_done")
        #expect(try await orders(shop, account).count == 1)
        #expect(try await shop.show(account).balanceMicros == 90_090_000)
        #expect(try await shop.breaches() == [:])
    }

    /// What an attempt is made of or found with, and what it is refused with.
    struct Refusal: Sendable, CustomTestStringConvertible {
        let reason: String
        let testDescription: String
        fileprivate let change: @Sendable (inout Attempt, Shop, String) async throws -> Void

        fileprivate init(
            _ reason: String, _ description: String,
            _ change: @escaping @Sendable (inout Attempt, Shop, String) async throws -> Void
        ) {
            (self.reason, testDescription, self.change) = (reason, description, change)
        }
    }

    @Test(
        "An attempt that is refused leaves nothing behind, and the refusal is the answer of its step for ever",
        arguments: [
            Refusal("order.insufficient_balance", "a coupon and a balance that are 0.01 short") { _, shop, account in
                _ = try await shop.topUp(account, "4.90")
                _ = try await shop.grant(account, "5")
            },
            Refusal("account.overdue", "bills outstanding") { attempt, shop, account in
                _ = try await shop.post(.hour(account, endingAt: opening.adding(hours: 1)))
            },
            Refusal("order.unpaid_orders", "an unpaid order of the group") { attempt, shop, account in
                _ = try await shop.topUp(account, "100")
                _ = try await shop.place(
                    account, kind: .renewal, group: attempt.group, at: attempt.madeAt.adding(hours: -23))
            },
            Refusal("order.unpaid_orders", "an order of the group whose deadline is this instant (domain 10)") {
                attempt, shop, account in
                _ = try await shop.topUp(account, "100")
                _ = try await shop.place(
                    account, kind: .renewal, group: attempt.group, at: attempt.madeAt.adding(hours: -24))
            },
            Refusal("order.quote_malformed", "no quote") { attempt, shop, account in
                _ = try await shop.topUp(account, "100")
                attempt.quote = nil
            },
            Refusal("order.quote_malformed", "no basis") { attempt, shop, account in
                _ = try await shop.topUp(account, "100")
                attempt.basis = nil
            },
            Refusal("order.quote_malformed", "a basis of no months") { attempt, _, _ in
                attempt.basis?.nominalMonths = 0
            },
            Refusal("order.quote_malformed", "a basis that ends at no instant") { attempt, _, _ in
                attempt.basis?.paidThrough = .max
            },
            Refusal("id.malformed", "no group") { attempt, _, _ in attempt.group = "" },
        ])
    func refused(_ refusal: Refusal) async throws {
        let shop = try Shop()
        let account = try await shop.account()
        var attempt = Attempt()
        try await refusal.change(&attempt, shop, account)
        let (before, coupons) = (try await shop.show(account), try await shop.left(account))
        let placed = try await orders(shop, account)
        #expect(await reason { try await attempt(shop, account) } == refusal.reason)
        #expect(try await orders(shop, account) == placed)
        #expect(try await shop.left(account) == coupons)
        #expect(try await shop.show(account) == before)
        #expect(try await shop.lines(account, [.subscriptionOrder]).isEmpty)
        _ = try await shop.topUp(account, "1000", at: attempt.madeAt)
        #expect(await reason { try await attempt(shop, account) } == refusal.reason)
        #expect(try await shop.breaches() == [:])
    }

    @Test("A step needs its saga and its name, and one that was undone before it came is never done")
    func step() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        #expect(await reason { try await Attempt(saga: "")(shop, account) } == "saga.step_missing")
        #expect(await reason { try await Attempt(step: "")(shop, account) } == "saga.step_missing")
        #expect(await reason { try await Attempt(isUndo: true)(shop, account) } == "")
        #expect(await reason { try await Attempt()(shop, account) } == "saga.undone")
        #expect(try await orders(shop, account).isEmpty)
        #expect(await reason { try await Attempt()(shop, "acct-0000000000000000") } == "account.not_found")
    }

    @Test("An unpaid order of another group is none of its business, and stays as it is (domain 5.5)")
    func otherGroup() async throws {
        let shop = try Shop()
        let account = try await shop.account("19.82")
        let attempt = Attempt()
        let other = try await shop.place(
            account, kind: .switch, group: "ag-8", at: attempt.madeAt.adding(hours: -23))
        #expect(try await attempt(shop, account).order?.status == .paid)
        #expect(try await shop.order(account, other.orderID) == other)
        #expect(try await shop.show(account).unpaidOrders == 1)
        // There still is one unpaid order at most, and that one can be paid.
        #expect(await reason { try await shop.place(account, at: attempt.madeAt) } == "order.unpaid_orders")
        #expect(await reason { try await shop.pay(account, other.orderID, at: attempt.madeAt) } == "")
        #expect(try await shop.breaches() == [:])
    }

    @Test("An order whose deadline is over stands in nobody's way, though nobody cancelled it yet")
    func timedOut() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        let attempt = Attempt()
        let old = try await shop.place(
            account, kind: .renewal, group: attempt.group,
            at: attempt.madeAt.adding(milliseconds: -24 * .millisecondsPerHour - 1))
        #expect(try await attempt(shop, account).order?.status == .paid)
        #expect(try await shop.order(account, old.orderID).cancellationCause == .timedOut)
    }

    @Test("An attempt that is made late is not refused for the time that took; it is paid at the account's instant")
    func late() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        let attempt = Attempt()
        _ = try await shop.topUp(account, "1", at: attempt.madeAt.adding(hours: 2))
        let order = try #require(try await attempt(shop, account).order)
        #expect(order.paidAt == attempt.madeAt.adding(hours: 2).milliseconds)
        #expect(order.termStart == at("2026-04-11").milliseconds)
    }
}

@Suite("Where a renewal begins") struct RenewalBasisTests {
    @Test(
        "Before expiry months are added to the nominal day of the first term; after it a new one begins (domain 5.3)",
        arguments: [
            ("2026-01-31 10:00", 1, "2026-02-20", 1, "2026-03-01", "2026-04-01"),
            ("2026-01-31 10:00", 2, "2026-02-20", 1, "2026-04-01", "2026-05-01"),
            ("2024-01-31 10:00", 1, "2024-02-20", 12, "2024-03-01", "2025-03-01"),
            ("2026-03-10 15:20", 1, "2026-04-10 23:59:59.999", 3, "2026-04-11", "2026-07-11"),
            ("2026-03-10 15:20", 1, "2026-04-11", 3, "2026-04-11", "2026-07-12"),
            ("2026-03-10 15:20", 1, "2026-04-25 08:00", 1, "2026-04-25 08:00", "2026-05-26"),
            ("2025-12-15 00:00", 1, "2026-01-01", 6, "2026-01-16", "2026-07-16"),
        ])
    func terms(
        _ start: String, _ months: Int, _ paidAt: String, _ more: Int, _ expectedStart: String, _ expectedEnd: String
    ) {
        let chain = TermChain(start: at(start), months: months)
        let basis = RenewalBasis(paidThrough: chain.end, chain: chain)
        #expect(basis.term(months: more, paidAt: at(paidAt)) == Period(at(expectedStart), at(expectedEnd)))
    }
}
