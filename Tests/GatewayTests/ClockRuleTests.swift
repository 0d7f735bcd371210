import BillingCore
import Testing

@testable import Gateway

@Suite("Due work in order, and the wall clock") struct ClockRuleTests {
    static func at(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }

    @Test(
        "The clock stops at the earliest instant that is not after its target",
        arguments: [
            (DueInstants(), nil),
            (DueInstants([.cut: at(2000)]), nil),
            (DueInstants([.cut: at(1000)]), DueStop(at: at(1000), work: [.cut])),
            (
                DueInstants([.expireTerms: at(700), .cut: at(800), .expireOrders: at(900)]),
                DueStop(at: at(700), work: [.expireTerms])
            ),
            (
                DueInstants([.expireTerms: at(700), .cut: at(700), .expireOrders: at(700)]),
                DueStop(at: at(700), work: [.expireTerms, .cut, .expireOrders])
            ),
            (
                DueInstants([.expireTerms: at(900), .cut: at(700), .expireOrders: at(700)]),
                DueStop(at: at(700), work: [.cut, .expireOrders])
            ),
        ] as [(DueInstants, DueStop?)])
    func stops(_ due: DueInstants, _ stop: DueStop?) {
        #expect(due.nextStop(notAfter: Self.at(1000)) == stop)
    }

    @Test("Two kinds of work at one instant are done in the order of domain 10")
    func pairs() {
        let order: [DueStop.Work] = [
            .expireTerms, .startCoupons, .cut, .closeMonths, .release, .autoRenew, .expireOrders, .recordNotices,
        ]
        #expect(DueStop.Work.allCases == order)
        for (index, first) in order.enumerated() {
            for second in order.dropFirst(index + 1) {
                let due = DueInstants([second: Self.at(700), first: Self.at(700)])
                #expect(due.nextStop(notAfter: Self.at(1000)) == DueStop(at: Self.at(700), work: [first, second]))
            }
        }
    }

    @Test("Stamps follow the wall clock, stand when it goes back a little, and stop at a drift of two seconds")
    func drift() throws {
        var rule = WallClockRule(wall: Self.at(100_000), monotonicMilliseconds: 0)
        #expect(try rule.stamp(wall: Self.at(100_500), monotonicMilliseconds: 500) == Self.at(100_500))
        #expect(try rule.stamp(wall: Self.at(100_400), monotonicMilliseconds: 600) == Self.at(100_500))
        #expect(try rule.stamp(wall: Self.at(102_999), monotonicMilliseconds: 1000) == Self.at(102_999))
        let drift = #expect(throws: ClockError.drift(milliseconds: 2000)) {
            try rule.stamp(wall: Self.at(103_000), monotonicMilliseconds: 1000)
        }
        #expect(drift?.reason == "clock.drift")
        #expect(throws: ClockError.drift(milliseconds: -2000)) {
            try rule.stamp(wall: Self.at(100_000), monotonicMilliseconds: 2000)
        }
        #expect(try rule.stamp(wall: Self.at(103_100), monotonicMilliseconds: 3000) == Self.at(103_100))
    }
}

@Suite("Coverage of groups by bills") struct CoverageComparisonTests {
    static func usage(_ start: Int64, _ end: Int64, group: String = "ag-1") -> CoveredSpan {
        CoveredSpan(
            group: group, method: .payAsYouGo,
            period: Period(Timestamp(milliseconds: start), Timestamp(milliseconds: end)))
    }

    static func term(_ start: Int64, _ end: Int64, order: String = "ord-1") -> CoveredSpan {
        CoveredSpan(
            group: "ag-1", method: .subscription(orderID: order),
            period: Period(Timestamp(milliseconds: start), Timestamp(milliseconds: end)))
    }

    @Test(
        "What was used and what was billed agree, or the group is named",
        arguments: [
            ([], [], [0, 0, 0]),
            ([usage(0, 10)], [usage(0, 10)], [0, 0, 0]),
            ([usage(0, 10)], [usage(0, 4), usage(4, 10)], [0, 0, 0]),
            ([usage(5, 5)], [], [0, 0, 0]),
            ([usage(0, 10)], [usage(0, 9)], [1, 0, 0]),
            ([usage(0, 10)], [usage(0, 5), usage(4, 10)], [1, 0, 0]),
            ([], [usage(0, 10)], [1, 0, 0]),
            // Overdue from 10 to 20: two segments with a gap between them.
            ([usage(0, 10), usage(20, 30)], [usage(0, 10), usage(20, 30)], [0, 0, 0]),
            ([usage(0, 10), usage(20, 30)], [usage(0, 30)], [1, 0, 0]),
            ([usage(0, 10), usage(20, 30)], [usage(0, 10), usage(15, 30)], [1, 0, 0]),
            // A value-added resource beside the group.
            ([usage(0, 10), usage(0, 9, group: "nat-1")], [usage(0, 9, group: "nat-1"), usage(0, 10)], [0, 0, 0]),
            ([usage(0, 10), usage(0, 9, group: "nat-1")], [usage(0, 10)], [1, 0, 0]),
            ([usage(0, 10), term(10, 30)], [usage(0, 10), term(10, 40)], [0, 0, 0]),
            ([usage(0, 10), term(9, 30)], [usage(0, 10), term(9, 40)], [0, 1, 0]),
            ([term(10, 30)], [term(11, 30)], [0, 1, 0]),
            ([term(10, 30)], [term(10, 20)], [0, 1, 0]),
            ([term(10, 30)], [], [0, 0, 1]),
            ([], [term(10, 30)], [0, 0, 1]),
            // A pending renewal is a term like any other.
            ([term(10, 30), term(30, 50, order: "ord-2")], [term(10, 30), term(30, 50, order: "ord-2")], [0, 0, 0]),
            ([term(10, 30)], [term(10, 30), term(30, 50, order: "ord-2")], [0, 0, 1]),
            ([term(10, 30)], [term(10, 30), term(10, 30)], [0, 0, 1]),
            ([term(10, 30), term(10, 30)], [term(10, 30)], [0, 1, 1]),
            // Its money was given back.
            ([term(10, 30)], [term(10, 30), term(30, 50, order: "ord-back")], [0, 0, 0]),
        ] as [([CoveredSpan], [CoveredSpan], [Int])])
    func compare(_ segments: [CoveredSpan], _ billed: [CoveredSpan], _ breaches: [Int]) {
        let comparison = CoverageComparison(segments: segments, billed: billed, givenBack: ["ord-back"])
        #expect(
            [comparison.payAsYouGoBreaches, comparison.subscriptionBreaches, comparison.entitlementBreaches].map(
                \.count)
                == breaches)
        #expect(comparison.agrees == (breaches == [0, 0, 0]))
    }
}
