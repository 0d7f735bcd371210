import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Ordering

@Suite("Coupons that start or come back") struct CouponStartTests {
    private static let cut = opening.adding(hours: 1)
    private static let start = opening.adding(hours: 30)

    /// A coupon as it is granted at `opening`, and whether it starts to pay pay-as-you-go bills later.
    struct Granted: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let starts: Bool
        let change: @Sendable (inout OrderV1.GrantCouponRequest) -> Void

        init(
            _ description: String, starts: Bool,
            _ change: @escaping @Sendable (inout OrderV1.GrantCouponRequest) -> Void
        ) {
            (testDescription, self.starts, self.change) = (description, starts, change)
        }
    }

    @Test(
        "One that becomes effective after its grant starts, if it pays pay-as-you-go bills at all",
        arguments: [
            Granted("later", starts: true) { $0.effectiveAt = start.milliseconds },
            Granted("a millisecond later", starts: true) { $0.effectiveAt = opening.milliseconds + 1 },
            Granted("at once", starts: false) { $0.effectiveAt = opening.milliseconds },
            Granted("since before", starts: false) { $0.effectiveAt = opening.milliseconds - 1 },
            Granted("at the instant of the call", starts: false) { _ in },
            Granted("later, for orders", starts: false) {
                ($0.effectiveAt, $0.billingMethods) = (start.milliseconds, [.subscription])
            },
            Granted("later, with a minimum", starts: false) {
                ($0.effectiveAt, $0.minimumOrderMicros) = (start.milliseconds, 1)
            },
            Granted("later, for one product", starts: true) {
                ($0.effectiveAt, $0.products) = (start.milliseconds, ["oss"])
            },
        ])
    func starts(_ granted: Granted) async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let reply = try await shop.granted(account, "5", granted.change)
        let coupon = try #require(reply.coupon)
        let due = try await shop.nextDue(after: opening).couponStartAt
        #expect(due == (granted.starts ? coupon.effectiveAt : 0))
        #expect(try await shop.starting(through: Self.start) == (granted.starts ? [coupon.couponID] : []))
        if granted.starts {
            let before = Timestamp(milliseconds: coupon.effectiveAt - 1)
            #expect(try await shop.starting(through: before).isEmpty)
            #expect(try await shop.nextDue(after: before).couponStartAt == coupon.effectiveAt)
            #expect(try await shop.nextDue(after: before.adding(milliseconds: 1)).couponStartAt == 0)
        }
    }

    /// An account that owes 0.4724 for phones and 0.034 for a gateway since `cut`.
    private func overdue(_ shop: Shop) async throws -> String {
        let account = try await shop.account()
        var usage = Usage(cutAt: Self.cut)
        try usage.add(account, "ag-1", from: opening, to: Self.cut, "0.4724")
        try usage.add(account, .natGateway, "nat-1", from: opening, to: Self.cut, "0.034")
        _ = try await shop.post(usage)
        #expect(try await shop.show(account).overdue)
        return account
    }

    @Test(
        "At its start it pays what a grant at that instant would, and may end the account's being overdue",
        arguments: [
            ("5", [], 506_400), ("0.5064", [], 506_400), ("0.506399", [], 506_399), ("5", ["cloud-phone"], 472_400),
            ("5", ["oss"], 0),
        ] as [(String, [String], Int64)])
    func pays(_ amount: String, _ products: [String], _ settled: Int64) async throws {
        let shop = try Shop()
        let account = try await overdue(shop)
        let coupon = try await shop.grant(account, amount, at: Self.cut) {
            ($0.effectiveAt, $0.products) = (Self.start.milliseconds, products)
        }
        #expect(try await shop.show(account).outstandingMicros == 506_400)
        #expect(
            await reason { try await shop.start(account, coupon, at: Self.start.adding(milliseconds: -1)) }
                == "coupon.not_yet_effective")
        let reply = try await shop.start(account, coupon, saga: "saga-2", at: Self.start)
        #expect(reply.settledMicros == settled && reply.recovered == (settled == 506_400))
        let shown = try await shop.show(account)
        #expect(shown.overdue == !reply.recovered && shown.outstandingMicros == 506_400 - settled)
        #expect(try await shop.left(account) == [coupon: (try Money(amount) - Money(micros: settled)).shortDescription])
        #expect(
            try await shop.notices(account).last == (reply.recovered ? "+30:00 recovered 0.00" : "+1:00 overdue 0.5064")
        )
        // Once: nothing more is due, and a repeat of the step answers what it answered.
        #expect(try await shop.nextDue(after: opening).couponStartAt == 0)
        #expect(try await shop.starting(through: Self.start).isEmpty)
        #expect(try await shop.start(account, coupon, saga: "saga-2", at: Self.start).isReplay)
        if settled > 0 {
            #expect(try await shop.statement(account).last?.cause == .couponGrant)
            #expect(try await shop.statement(account).last?.at == Self.start.milliseconds)
        }
        #expect(try await shop.breaches() == [:])
    }

    @Test("Of those that start at one instant the best pays first (domain 3.2)")
    func ranked() async throws {
        let shop = try Shop()
        let account = try await overdue(shop)
        func grant(_ amount: String, expiring hours: Int64 = 900) async throws -> String {
            try await shop.grant(account, amount, at: Self.cut) {
                ($0.effectiveAt, $0.expiresAt) = (Self.start.milliseconds, Self.cut.adding(hours: hours).milliseconds)
            }
        }
        let late = try await grant("0.30")
        let (early, large) = (try await grant("0.30", expiring: 800), try await grant("0.40"))
        let order = try await shop.starting(through: Self.start)
        #expect(order == [large, early, late])
        for coupon in order { _ = try await shop.start(account, coupon, saga: "saga-\(coupon)", at: Self.start) }
        #expect(try await shop.left(account) == [large: "0.00", early: "0.1936", late: "0.30"])
        #expect(try await shop.breaches() == [:])
    }

    @Test("One that starts while nothing is outstanding pays nothing, and then the bills that come")
    func nothingOutstanding() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let coupon = try await shop.grant(account, "1") { $0.effectiveAt = Self.cut.milliseconds }
        let reply = try await shop.start(account, coupon, at: Self.cut)
        #expect(reply.settledMicros == 0 && !reply.recovered)
        _ = try await shop.post(.hour(account, endingAt: Self.cut))
        #expect(try await shop.left(account) == [coupon: "0.5276"])
        #expect(try await shop.breaches() == [:])
    }

    @Test("A start that comes late takes effect at the account's own instant, and not after the coupon has expired")
    func late() async throws {
        let shop = try Shop()
        let account = try await overdue(shop)
        let expiry = Self.start.adding(hours: 1)
        let coupon = try await shop.grant(account, "5", at: Self.cut) {
            ($0.effectiveAt, $0.expiresAt) = (Self.start.milliseconds, expiry.milliseconds)
        }
        let later = Self.start.adding(milliseconds: 500)
        _ = try await shop.topUp(account, "0.0001", at: later)
        let reply = try await shop.start(account, coupon, at: Self.start)
        #expect(reply.recovered && reply.effectiveAt == later)

        let other = try await overdue(shop)
        let expired = try await shop.grant(other, "5", at: Self.cut) {
            ($0.effectiveAt, $0.expiresAt) = (Self.start.milliseconds, expiry.milliseconds)
        }
        _ = try await shop.topUp(other, "0.0001", at: expiry)
        #expect(try await shop.start(other, expired, at: Self.start).settledMicros == 0)
        #expect(try await shop.starting(through: expiry).isEmpty)
        #expect(try await shop.breaches() == [:])
    }

    @Test("A step about a coupon that is not the account's is refused")
    func foreign() async throws {
        let shop = try Shop()
        let (account, other) = (try await shop.account(), try await shop.account())
        let coupon = try await shop.grant(account, "1") { $0.effectiveAt = Self.cut.milliseconds }
        #expect(await reason { try await shop.start(other, coupon, at: Self.cut) } == "coupon.not_found")
        #expect(await reason { try await shop.start(account, coupon, saga: "", at: Self.cut) } == "saga.step_missing")
    }

    @Test(
        "One that is restored since a creation failed pays what is outstanding then, after the money that comes back",
        arguments: [
            // Of 9.91 a coupon pays 9.50 or 9.41 and money the rest; 0.5064 is owed.
            ("9.50", 900, "9.4036", 0, true), ("9.41", 900, "9.4036", 0, true), ("9.50", 25, "9.50", 96_400, false),
        ] as [(String, Int64, String, Int64, Bool)])
    func restored(
        _ amount: String, _ hours: Int64, _ left: String, _ owed: Int64, _ recovers: Bool
    ) async throws {
        let shop = try Shop()
        let cash = try Money("9.91") - Money(amount)
        let account = try await shop.account(cash.description)
        let coupon = try await shop.grant(account, amount) { $0.expiresAt = opening.adding(hours: hours).milliseconds }
        let order = try await shop.place(account)
        _ = try await shop.pay(account, order.orderID)
        var usage = Usage(cutAt: Self.cut)
        try usage.add(account, "ag-1", from: opening, to: Self.cut, "0.4724")
        try usage.add(account, .natGateway, "nat-1", from: opening, to: Self.cut, "0.034")
        _ = try await shop.post(usage)
        let reply = try await shop.refundInFull(account, order.orderID, at: Self.start)
        #expect(reply.amountMicros == cash.micros && reply.recovered == recovers)
        let shown = try await shop.show(account)
        #expect(shown.outstandingMicros == owed && shown.overdue == !recovers)
        #expect(shown.balanceMicros == 0)
        #expect(try await shop.left(account) == [coupon: left])
        #expect(try await shop.notices(account).last == (recovers ? "+30:00 recovered 0.00" : "+1:00 overdue 0.5064"))
        #expect(try await shop.breaches() == [:])
    }
}
