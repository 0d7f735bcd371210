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
