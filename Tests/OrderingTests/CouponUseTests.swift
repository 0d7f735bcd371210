import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Ordering

@Suite("Coupons on orders and bills") struct CouponUseTests {
    @Test("The best one pays unless the payer names another or wants none; the rest stays usable (domain 3.2)")
    func choice() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        let small = try await shop.grant(account, "4")
        let large = try await shop.grant(account, "12")
        func buy(_ saga: String, _ coupon: String = "", without: Bool = false) async throws -> [String] {
            let order = try await shop.place(account).orderID
            let paid = try await shop.pay(account, order, coupon: coupon, without: without, saga: saga)
            return [paid.couponID, Money(micros: paid.couponMicros).shortDescription]
        }
        #expect(try await buy("saga-1") == [large, "9.91"])
        #expect(try await shop.left(account) == [small: "4.00", large: "2.09"])
        // The larger remainder is now that of the other; the payer may name the one with less.
        #expect(try await buy("saga-2", large) == [large, "2.09"])
        #expect(try await buy("saga-3", without: true) == ["", "0.00"])
        // One for each order, though two would do.
        _ = try await shop.grant(account, "3")
        #expect(try await buy("saga-4") == [small, "4.00"])
        #expect(try await shop.show(account).balanceMicros == 100_000_000 - 7_820_000 - 9_910_000 - 5_910_000)
        #expect(try await shop.lastEntries(account) == ["BALANCE -5.910000", "REVENUE 9.910000", "COUPON -4.000000"])
        #expect(try await shop.breaches() == [:])
    }

    /// A coupon of 10 as it is granted, and what an order of 9.91 that names it is refused with.
    struct Named: Sendable {
        let refusal: String
        let change: @Sendable (inout OrderV1.GrantCouponRequest) -> Void

        init(_ refusal: String, _ change: @escaping @Sendable (inout OrderV1.GrantCouponRequest) -> Void) {
            (self.refusal, self.change) = (refusal, change)
        }
    }

    @Test(
        "A named coupon that cannot pay is refused, and the order stays unpaid though a better one is there",
        arguments: [
            Named("coupon.not_yet_effective") { $0.effectiveAt = opening.milliseconds + 1 },
            Named("coupon.expired") { $0.expiresAt = opening.milliseconds + 3_600_000 },
            Named("coupon.below_minimum") { $0.minimumOrderMicros = 9_910_001 },
            Named("coupon.not_applicable") { $0.products = ["oss", "eip"] },
            Named("coupon.not_applicable") { $0.billingMethods = [.payAsYouGo] },
            Named("") { $0.minimumOrderMicros = 9_910_000 },
        ])
    func named(_ row: Named) async throws {
        let expected = row.refusal
        let shop = try Shop()
        let account = try await shop.account("100")
        let (good, named) = (try await shop.grant(account, "20"), try await shop.grant(account, "10", row.change))
        let order = try await shop.place(account).orderID
        let instant = expected == "coupon.expired" ? opening.adding(hours: 1) : opening
        let refusal = await reason { try await shop.pay(account, order, coupon: named, saga: "saga-1", at: instant) }
        #expect(refusal == expected)
        guard !expected.isEmpty else { return }
        #expect(await reason { try await shop.registerMixed(account, order, coupon: named, at: instant) } == expected)
        #expect(try await shop.order(account, order).status == .unpaid)
        #expect(try await shop.left(account) == [good: "20.00", named: "10.00"])
        #expect(try await shop.pay(account, order, coupon: "", saga: "saga-2", at: instant).couponID == good)
    }

    @Test("A coupon that is used up, unknown or of another account is refused by name")
    func foreign() async throws {
        let shop = try Shop()
        let (account, other) = (try await shop.account("100"), try await shop.account("100"))
        let used = try await shop.grant(account, "9.91")
        _ = try await shop.pay(account, try await shop.place(account).orderID, coupon: used)
        let foreign = try await shop.grant(other, "20")
        let order = try await shop.place(account).orderID
        for (coupon, expected) in [
            (used, "coupon.used_up"), (foreign, "coupon.not_found"), ("cpn-0000000000000000", "coupon.not_found"),
        ] {
            #expect(
                await reason { try await shop.pay(account, order, coupon: coupon, saga: "saga-\(coupon)") } == expected)
        }
        #expect(try await shop.left(other) == [foreign: "20.00"])
    }

    @Test("A settlement uses as many coupons as it needs, those without a minimum, and one that expires at the cut not")
    func settlement() async throws {
        let shop = try Shop()
        let account = try await shop.account("1")
        let cut = opening.adding(hours: 1)
        let ids = [
            try await shop.grant(account, "0.20"), try await shop.grant(account, "0.25"),
            try await shop.grant(account, "5") { $0.minimumOrderMicros = 1 },
            try await shop.grant(account, "5") { $0.expiresAt = cut.milliseconds },
            try await shop.grant(account, "0.10"),
        ]
        #expect(try await shop.show(account).availableCreditMicros == 6_550_000)
        _ = try await shop.post(.hour(account, endingAt: cut, "0.4724"))
        let left = try await shop.left(account)
        #expect(ids.map { left[$0] ?? "" } == ["0.00", "0.00", "5.00", "5.00", "0.0776"])
        #expect(try await shop.lastEntries(account) == ["REVENUE 0.472400", "COUPON -0.472400"])
        let line = try #require(try await shop.lines(account).first)
        #expect(line.couponMicros == 472_400 && line.payableMicros == 0 && line.status == .paid)
        #expect(
            try await shop.paidBy(account, line: line.lineID).sorted() == [
                "coupon 0.0224", "coupon 0.20", "coupon 0.25",
            ])
        #expect(try await shop.breaches() == [:])
    }

    @Test("A coupon comes back when our side failed, and only then (domain 3.2, 7.4)", arguments: [false, true])
    func restored(_ isOurFault: Bool) async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        let coupon = try await shop.grant(account, "4") { $0.expiresAt = opening.adding(hours: 2).milliseconds }
        let order = try await shop.place(account)
        _ = try await shop.pay(account, order.orderID, coupon: coupon)
        let later = opening.adding(hours: 3)
        if isOurFault {
            #expect(try await shop.refundInFull(account, order.orderID, at: later).amountMicros == 5_910_000)
            #expect(
                await reason { try await shop.refundInFull(account, order.orderID, id: "ref-2", saga: "saga-2") }
                    == "refund.too_large")
        } else {
            _ = try await shop.refund(account, group: order.groupID, [(order.orderID, "5.91")], at: later)
        }
        #expect(try await shop.show(account).balanceMicros == 100_000_000)
        #expect(try await shop.left(account) == [coupon: isOurFault ? "4.00" : "0.00"])
        // What is restored keeps its validity: it is over here.
        let second = try await shop.place(account, at: later).orderID
        #expect(
            await reason { try await shop.pay(account, second, coupon: coupon, saga: "saga-3", at: later) }
                == "coupon.expired")
        #expect(try await shop.breaches() == [:])
    }

    @Test("An order that a coupon paid alone gives the coupon back once, and no money")
    func restoredAlone() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let coupon = try await shop.grant(account, "9.91")
        let order = try await shop.place(account).orderID
        _ = try await shop.pay(account, order, coupon: "")
        #expect(try await shop.refundInFull(account, order).amountMicros == 0)
        #expect(
            await reason { try await shop.refundInFull(account, order, id: "ref-2", saga: "saga-2") }
                == "refund.too_large")
        #expect(try await shop.left(account) == [coupon: "9.91"])
        #expect(try await shop.show(account).balanceMicros == 0)
        #expect(try await shop.breaches() == [:])
    }

    @Test(
        "A grant that means nothing is refused by the name of the field",
        arguments: [
            Garbling("minimum_order_micros") { $0.minimumOrderMicros = -1 },
            Garbling("minimum_order_micros") { $0.minimumOrderMicros = .max },
            Garbling("expires_at") { $0.expiresAt = 0 }, Garbling("expires_at") { $0.expiresAt = .max },
            Garbling("expires_at") { $0.expiresAt = opening.milliseconds },
            Garbling("expires_at") { $0.effectiveAt = $0.expiresAt },
            Garbling("effective_at") { $0.effectiveAt = -1 }, Garbling("effective_at") { $0.effectiveAt = .max },
            Garbling("name") { $0.name = String(repeating: "n", count: 101) }, Garbling("name") { $0.name = "a\nb" },
            Garbling("products") { $0.products = ["oss", "fax"] }, Garbling("products") { $0.products = [""] },
            Garbling("billing_methods") { $0.billingMethods = [.subscription, .unspecified] },
        ] as [Garbling<OrderV1.GrantCouponRequest>])
    func malformed(_ garbling: Garbling<OrderV1.GrantCouponRequest>) async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let error = await #expect(throws: CouponError.self) {
            try await shop.granted(account, "5") { garbling.apply(&$0) }
        }
        #expect(error?.reason == "coupon.malformed" && error?.field == garbling.field)
        #expect(try await shop.left(account) == [:])
    }
}
