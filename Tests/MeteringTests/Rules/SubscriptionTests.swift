import BillingCore
import Testing

@testable import Metering

private func term(_ start: String, months: Int, order: String = "ord-one") -> Term {
    let from = instant(start)
    return Term(
        order: id(order), period: Period(from, BillingCalendar.termEnd(start: from, months: months)), months: months)
}

/// The subscription after a renewal that was paid at an instant, as the calendar says.
private func renewed(_ subscription: Subscription, months: Int, paidAt: Timestamp, order: String) -> Subscription {
    var result = subscription
    let renewal = subscription.chain.renewal(
        months: months, paidAt: paidAt, paidThrough: subscription.paidThrough)
    result.append(Term(order: id(order), period: renewal.term, months: months))
    return result
}

@Suite("Subscriptions") struct SubscriptionTests {
    private let day = Int64.millisecondsPerDay

    @Test("Renewals queue, become current one after another, and keep the nominal day")
    func queue() throws {
        var subscription = Subscription(term("2026-01-31 10:00", months: 1))
        for index in 0..<2 {
            let paidAt = subscription.paidThrough.adding(milliseconds: -1)
            subscription = renewed(subscription, months: 1, paidAt: paidAt, order: "ord-next-\(index)")
        }
        #expect(subscription.paidThrough == instant("2026-05-01"))
        #expect(subscription.chain == TermChain(start: instant("2026-01-31 10:00"), months: 3))
        let second = subscription.advance()
        #expect(second?.period == Period(instant("2026-03-01"), instant("2026-04-01")))
        let third = subscription.advance()
        #expect(third?.period == Period(instant("2026-04-01"), instant("2026-05-01")))
        let fourth = subscription.advance()
        #expect(fourth == nil)
        #expect(subscription.paidThrough == instant("2026-05-01"))
    }

    @Test("Renewals are dropped from the last one on, and then the terms end where they did before")
    func dropping() {
        let first = Subscription(term("2026-01-31 10:00", months: 1))
        var subscription = renewed(first, months: 3, paidAt: instant("2026-02-02"), order: "ord-two")
        subscription = renewed(subscription, months: 1, paidAt: instant("2026-02-03"), order: "ord-three")
        let drop = { (order: OrderID) in subscription.dropLast(order) }
        let outcomes = [drop(id("ord-two")), drop(id("ord-three")), drop(id("ord-two")), drop(id("ord-one"))]
        #expect(outcomes == [false, true, true, false], "the current term is no renewal")
        #expect(subscription == first)
    }

    @Test(
        "A term follows the last paid one by its nominal day, or starts anew at its end or later",
        arguments: [
            ("2026-03-01", "2026-04-01", true, false), ("2026-03-01", "2026-04-02", false, true),
            ("2026-03-03 12:00", "2026-04-04", false, true), ("2026-02-28", "2026-03-29", false, false),
            ("2026-03-01", "2026-03-31", false, false),
        ] as [(String, String, Bool, Bool)])
    func connections(_ start: String, end: String, follows: Bool, restarts: Bool) {
        let subscription = Subscription(term("2026-01-31 10:00", months: 1))
        let next = Term(order: id("ord-next"), period: Period(instant(start), instant(end)), months: 1)
        #expect(subscription.isFollowed(by: next) == follows)
        #expect(subscription.isRestarted(by: next) == restarts)
    }

    @Test("Example 13: attempts at 08:00 on five days, then the release")
    func exampleThirteen() {
        let subscription = Subscription(term("2026-04-10 15:20", months: 1))
        #expect(subscription.paidThrough == instant("2026-05-11"))
        #expect(
            AutoRenewal.attempts(paidThrough: subscription.paidThrough)
                == ["2026-05-08 08:00", "2026-05-10 08:00", "2026-05-11 08:00", "2026-05-17 08:00", "2026-05-25 08:00"]
                .map(instant))
        #expect(subscription.releaseAt == instant("2026-05-26 00:00"))
        #expect(subscription.attemptAt == nil, "it is off")
    }

    @Test(
        "Only attempts after it was switched on are made, and none twice",
        arguments: [
            ("2026-04-10 15:20", "2026-05-08 08:00"), ("2026-05-08 07:59:59.999", "2026-05-08 08:00"),
            ("2026-05-08 08:00", "2026-05-10 08:00"), ("2026-05-12", "2026-05-17 08:00"),
            ("2026-05-25 08:00", nil),
        ] as [(String, String?)])
    func switchedOn(_ at: String, next: String?) {
        var subscription = Subscription(
            term("2026-04-10 15:20", months: 1), autoRenewal: AutoRenewal(months: nil, after: instant(at)))
        #expect(subscription.attemptAt == next.map(instant))
        guard let attempt = subscription.attemptAt else { return }
        subscription.noteAttempt(attempt.adding(milliseconds: day))
        #expect(subscription.attemptAt == attempt, "another instant is no attempt")
        subscription.noteAttempt(attempt)
        #expect(subscription.attemptAt != attempt)
        let following = subscription
        subscription.noteAttempt(attempt)
        #expect(subscription == following, "a repeat changes nothing")
    }

    @Test("A renewal ends the attempts of its cycle; the next cycle is that of the new end, and a drop revives nothing")
    func cycles() {
        let renewal = AutoRenewal(months: nil, after: instant("2026-04-10 15:20"))
        let first = Subscription(term("2026-04-10 15:20", months: 1), autoRenewal: renewal)
        var subscription = renewed(first, months: 1, paidAt: instant("2026-05-01"), order: "ord-two")
        #expect(subscription.paidThrough == instant("2026-06-11"))
        #expect(subscription.attemptAt == instant("2026-06-08 08:00"))
        let isDropped = subscription.dropLast(id("ord-two"))
        #expect(isDropped)
        #expect(subscription.attemptAt == nil)
    }

    @Test("A renewal after the end starts a new cycle")
    func restarted() {
        let renewal = AutoRenewal(months: 3, after: instant("2026-04-10 15:20"))
        var subscription = Subscription(term("2026-04-10 15:20", months: 1), autoRenewal: renewal)
        subscription.restart(term("2026-05-25 08:00", months: 3, order: "ord-two"))
        #expect(subscription.chain == TermChain(start: instant("2026-05-25 08:00"), months: 3))
        #expect(subscription.paidThrough == instant("2026-08-26"))
        #expect(subscription.attemptAt == instant("2026-08-23 08:00"))
    }

    @Test("It buys as many months as were bought last, unless set")
    func months() {
        var subscription = Subscription(term("2026-04-10 15:20", months: 6))
        #expect(subscription.renewalMonths == 6)
        subscription = renewed(subscription, months: 2, paidAt: instant("2026-05-01"), order: "ord-two")
        #expect(subscription.renewalMonths == 2)
        subscription.autoRenewal = AutoRenewal(months: 12, after: instant("2026-05-01"))
        #expect(subscription.renewalMonths == 12)
    }

    @Test(
        "Only durations that are sold can be set",
        arguments: [(0, nil), (1, 1), (2, 2), (3, 3), (6, 6), (12, 12)] as [(UInt32, Int?)])
    func durations(_ months: UInt32, expected: Int?) throws {
        #expect(try AutoRenewal.checked(months: months) == expected)
    }

    @Test("Other durations are refused", arguments: [4, 5, 7, 13, .max] as [UInt32])
    func refusedDurations(_ months: UInt32) {
        let error = #expect(throws: GroupError.renewalMonths(months)) { try AutoRenewal.checked(months: months) }
        #expect(error?.reason == "group.renewal_months")
        #expect(error?.value == String(months))
    }
}
