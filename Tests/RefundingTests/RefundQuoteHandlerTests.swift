import BillingAPI
import BillingCore
import RPC
import Synchronization
import Testing

@testable import Refunding

@Suite("Refund quotes as answered") struct RefundQuoteHandlerTests {
    private let scene: Scene

    init() throws { scene = try Scene() }

    @Test("Example 9: the quote tells amount, orders, ways, token, losses and what consumed follows from")
    func quote() async throws {
        let quote = try await scene.quote()
        #expect(quote.amountMicros == 25_500_000)
        #expect(quote.toBalanceMicros == 25_500_000)
        #expect(quote.onlineMicros == 0)
        #expect(quote.at == (try at("2026-04-22 15:20").milliseconds))
        #expect(
            quote.orders == [
                .init(
                    orderID: "ord-1", cashPaidMicros: 41_600_000, consumedMicros: 16_100_000, refundMicros: 25_500_000,
                    usedDays: 12, termDays: 31, toBalanceMicros: 25_500_000, factorMillionths: 1_000_000,
                    listNanos: 41_603_700_000, termStart: scene.group.termStart, termEnd: scene.group.termEnd,
                    months: 1, priceListVersion: 1)
            ])
        #expect(quote.losses.count == 3)
        let asked = scene.pricing.asked.withLock { $0 }
        #expect(asked.map(\.at) == [quote.at])
        #expect(asked[0].terms[0].listNanos == 41_603_700_000)
        #expect(asked[0].terms[0].priceListVersion == 1)
    }

    @Test("Only paid orders whose term runs and that were not given back count; all pages are read")
    func effectiveOrders() async throws {
        scene.order.change { state in
            var past = state.orders[0]
            (past.orderID, past.termEnd) = ("ord-0", past.termStart)
            var refunded = state.orders[0]
            (refunded.orderID, refunded.refundedAt) = ("ord-2", 1)
            var lapsed = state.orders[0]
            (lapsed.orderID, lapsed.status, lapsed.deadlineAt) = ("ord-3", .unpaid, lapsed.termStart)
            state.orders = [past] + state.orders + [refunded, lapsed]
        }
        #expect(try await scene.quote().orders.map(\.orderID) == ["ord-1"])
    }

    @Test("Money that was paid online goes back online, also of an order that does not tell parts")
    func online() async throws {
        scene.order.change { ($0.orders[0].paymentMethod, $0.orders[0].balanceMicros) = (.online, 0) }
        let quote = try await scene.quote()
        #expect((quote.toBalanceMicros, quote.onlineMicros) == (0, 25_500_000))
        scene.order.change { $0.orders[0].onlineMicros = 41_600_000 }
        #expect(try await scene.quote().orders == quote.orders)
    }

    @Test("A mixed payment comes back pro rata, and its coupon does not")
    func mixed() async throws {
        scene.order.change { state in
            (state.orders[0].balanceMicros, state.orders[0].onlineMicros) = (10_000_000, 20_000_000)
            (state.orders[0].couponMicros, state.orders[0].paymentID) = (11_600_000, "pay-1")
        }
        let quote = try await scene.quote()
        #expect(quote.orders[0].cashPaidMicros == 30_000_000)
        #expect(quote.orders[0].couponLostMicros == 11_600_000)
        #expect(quote.orders[0].paymentID == "pay-1")
        #expect((quote.toBalanceMicros, quote.onlineMicros) == (4_630_000, 9_270_000))
    }

    @Test("Parts that are not the price, and an order without a kind, are answers that cannot be used")
    func unusable() async throws {
        scene.order.change { $0.orders[0].onlineMicros = 1 }
        #expect(await reason { try await scene.quote() } == "refund.unusable_answer")
        scene.order.change { ($0.orders[0].onlineMicros, $0.orders[0].kind) = (0, .unspecified) }
        #expect(await reason { try await scene.quote() } == "refund.unusable_answer")
        scene.order.change { state in
            state.orders[0].kind = .new
            (state.orders[0].balanceMicros, state.orders[0].paymentMethod) = (0, .unspecified)
        }
        #expect(await reason { try await scene.quote() } == "refund.unusable_answer")
    }

    @Test("A group of another account is answered as absent")
    func foreign() async throws {
        #expect(await reason { try await scene.quote(account: "acct-2") } == "group.not_found")
    }

    @Test("Refusals have their names")
    func refusals() async throws {
        var scene = scene
        scene.group.billingMethod = .payAsYouGo
        #expect(await reason { try await scene.quote() } == "refund.pay_as_you_go")
        scene.group.billingMethod = .subscription
        scene.group.status = .expired
        #expect(await reason { try await scene.quote() } == "refund.expired")
        scene.group.status = .released
        #expect(await reason { try await scene.quote() } == "refund.not_active")
        scene.group.status = .active
        #expect(await reason { try await scene.quote(at: "2026-04-10 15:19:54") } == "call.time_went_back")
        scene.pricing.consumed.withLock { $0.consumedMicros = 41_600_000 }
        #expect(await reason { try await scene.quote() } == "refund.zero")
        scene.order.change { state in
            var unpaid = state.orders[0]
            (unpaid.orderID, unpaid.status, unpaid.deadlineAt) = ("ord-9", .unpaid, unpaid.termEnd)
            state.orders.append(unpaid)
        }
        #expect(await reason { try await scene.quote() } == "refund.unpaid_order")
        let service = scene.service
        let call = try scene.call(RefundV1.Refunds.quoteRefund)
        #expect(await reason { try await service.quoteRefund(.init(), call) } == "refund.group_missing")
    }
}
