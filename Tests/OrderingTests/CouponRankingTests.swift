import BillingCore
import RPC
import Testing

@testable import Ordering

/// A coupon of 100 that is granted at the opening for 30 days, unless told otherwise.
func coupon(
    _ id: String = "cpn-1", left: String = "100", minimum: String = "0", from start: Timestamp = opening,
    to end: Timestamp = opening.adding(hours: 720), for products: Set<Product> = [], methods: Set<BillingMethod> = [],
    grantedAt: Timestamp = opening
) throws -> Coupon {
    Coupon(
        id: try CouponID(id), account: try AccountID("acct-1"), name: "", amount: try Money("100"),
        remaining: try Money(left), minimumOrder: try Money(minimum), validity: Period(start, end), products: products,
        methods: methods, grantedAt: grantedAt)
}

@Suite("Ranking of coupons") struct CouponRankingTests {
    /// What is left, hours of validity, hours from the opening to its grant.
    typealias Row = (id: String, left: String, hours: Int64, granted: Int64)

    @Test(
        "The largest remainder first, then the earliest expiry, then the earliest grant, then the id (domain 3.2)",
        arguments: [
            ([("cpn-a", "5", 10, 0), ("cpn-b", "6", 90, 9)], ["cpn-b", "cpn-a"]),
            ([("cpn-a", "5", 11, 0), ("cpn-b", "5", 10, 9)], ["cpn-b", "cpn-a"]),
            ([("cpn-a", "5", 10, 2), ("cpn-b", "5", 10, 1)], ["cpn-b", "cpn-a"]),
            ([("cpn-b", "5", 10, 1), ("cpn-a", "5", 10, 1)], ["cpn-a", "cpn-b"]),
            ([("cpn-a", "5.000001", 90, 9), ("cpn-b", "5", 1, 0)], ["cpn-a", "cpn-b"]),
            (
                [("cpn-a", "1", 1, 0), ("cpn-b", "2", 9, 0), ("cpn-c", "2", 8, 5), ("cpn-d", "2", 8, 4)],
                ["cpn-d", "cpn-c", "cpn-b", "cpn-a"]
            ),
            ([], []),
        ] as [([Row], [String])])
    func rank(_ rows: [Row], _ expected: [String]) throws {
        let coupons = try rows.map {
            try coupon(
                $0.id, left: $0.left, to: opening.adding(hours: $0.hours), grantedAt: opening.adding(hours: $0.granted))
        }
        #expect(Coupon.ranked(coupons).map(\.id.text) == expected)
        #expect(Coupon.ranked(coupons.reversed()).map(\.id.text) == expected)
    }

    private static let lastMoment = opening.adding(milliseconds: 720 * .millisecondsPerHour - 1)

    @Test(
        "An order of 9.91 can be paid with a coupon only while it is valid, has money and is meant for it",
        arguments: [
            (try coupon(), opening, ""), (try coupon(), opening.adding(milliseconds: -1), "coupon.not_yet_effective"),
            (try coupon(), lastMoment, ""), (try coupon(), opening.adding(hours: 720), "coupon.expired"),
            (try coupon(left: "0"), opening, "coupon.used_up"), (try coupon(left: "0.000001"), opening, ""),
            (try coupon(minimum: "9.91"), opening, ""),
            (try coupon(minimum: "9.910001"), opening, "coupon.below_minimum"),
            (try coupon(for: [.cloudPhone, .oss]), opening, ""),
            (try coupon(for: [.natGateway, .eip, .sharedBandwidth, .oss]), opening, "coupon.not_applicable"),
            (try coupon(methods: [.subscription]), opening, ""),
            (try coupon(methods: [.subscription, .payAsYouGo]), opening, ""),
            (try coupon(methods: [.payAsYouGo]), opening, "coupon.not_applicable"),
        ] as [(Coupon, Timestamp, String)])
    func usable(_ coupon: Coupon, _ instant: Timestamp, _ expected: String) async throws {
        let total = try Money("9.91")
        #expect(await reason { try coupon.requireUsable(forOrderOf: total, at: instant) } == expected)
        // The best of one is that one, exactly when it could be named.
        #expect(Coupon.best(of: [coupon], forOrderOf: total, at: instant)?.id == (expected.isEmpty ? coupon.id : nil))
    }

    @Test(
        "Pay-as-you-go bills use a coupon while it is valid, unless it has a minimum or is for orders",
        arguments: [
            (try coupon(), opening, true), (try coupon(), opening.adding(milliseconds: -1), false),
            (try coupon(), lastMoment, true), (try coupon(), opening.adding(hours: 720), false),
            (try coupon(left: "0"), opening, false), (try coupon(minimum: "0.000001"), opening, false),
            (try coupon(methods: [.payAsYouGo]), opening, true), (try coupon(methods: [.subscription]), opening, false),
            (try coupon(for: [.oss]), opening, true),
        ] as [(Coupon, Timestamp, Bool)])
    func usage(_ coupon: Coupon, _ instant: Timestamp, _ expected: Bool) {
        #expect(coupon.paysUsage(at: instant) == expected)
    }

    @Test("The best one is the first in rank of those that can pay, whatever better one cannot")
    func best() throws {
        let total = try Money("9.91")
        let coupons = [
            try coupon("cpn-minimum", left: "90", minimum: "10"), try coupon("cpn-oss", left: "80", for: [.oss]),
            try coupon("cpn-usage", left: "70", methods: [.payAsYouGo]),
            try coupon("cpn-early", left: "60", from: opening.adding(milliseconds: 1)),
            try coupon("cpn-late", left: "50", from: opening.adding(hours: -1), to: opening),
            try coupon("cpn-small", left: "5"), try coupon("cpn-good", left: "6"),
        ]
        #expect(Coupon.best(of: coupons, forOrderOf: total, at: opening)?.id.text == "cpn-good")
        #expect(Coupon.best(of: coupons.dropLast(2), forOrderOf: total, at: opening) == nil)
        #expect(Coupon.best(of: coupons, forOrderOf: try Money("10"), at: opening)?.id.text == "cpn-minimum")
    }

    @Test("What is spent of a coupon is gone, and what is restored is there again")
    func parts() throws {
        var coupon = try coupon(left: "10")
        coupon.spend(try Money("9.999999"))
        #expect(coupon.remaining == Money(micros: 1))
        coupon.spend(Money(micros: 1))
        #expect(coupon.remaining == .zero && !coupon.paysUsage(at: opening))
        coupon.restore(try Money("10"))
        #expect(coupon.remaining == (try Money("10")))
    }

    @Test(
        "A refusal names the coupon and what is wrong with it",
        arguments: [
            (.notFound("cpn-1"), .notFound, "coupon_id", "cpn-1", ["cpn-1"]),
            (.notYetEffective("cpn-1", from: opening), .failedPrecondition, "coupon_id", "cpn-1", ["2026-03-10 09:00"]),
            (.expired("cpn-1", at: opening), .failedPrecondition, "coupon_id", "cpn-1", ["2026-03-10 09:00"]),
            (.usedUp("cpn-1"), .failedPrecondition, "coupon_id", "cpn-1", ["Nothing is left"]),
            (
                .belowMinimum("cpn-1", minimum: Money(micros: 10_000_000), total: Money(micros: 9_910_000)),
                .failedPrecondition, "coupon_id", "cpn-1", ["10.00 USD", "9.91 USD"]
            ),
            (.notApplicable("cpn-1"), .failedPrecondition, "coupon_id", "cpn-1", ["cpn-1", "subscriptions"]),
            (
                .changed("cpn-1", needed: Money(micros: 5_000_000), left: Money(micros: 120_000)), .failedPrecondition,
                "coupon_id", "cpn-1", ["5.00 USD", "0.12 USD", "anew"]
            ),
            (
                .malformed(field: "expires_at", value: "7", why: "is no instant"), .invalidArgument, "expires_at", "7",
                ["expires_at '7'", "is no instant"]
            ),
        ] as [(CouponError, Status, String, String, [String])])
    func refusals(_ error: CouponError, _ status: Status, _ field: String, _ value: String, _ parts: [String]) {
        #expect(error.status == status && error.field == field && error.value == value)
        for part in parts { #expect(error.message.contains(part), "\(error.message)") }
    }
}
