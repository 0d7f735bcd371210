import BillingCore
import Testing

@testable import Refunding

struct UnreadableInstant: Error {
    let text: String
}

/// An instant of the billing time zone, "2026-04-10 15:20".
func at(_ text: String) throws -> Timestamp {
    guard let instant = Timestamp(text) else { throw UnreadableInstant(text: text) }
    return instant
}

private func group(
    _ state: SubscribedGroup.State = .active, isSubscribed: Bool = true
) throws -> SubscribedGroup {
    SubscribedGroup(
        id: "ag-1", instances: 3, isSubscribed: isSubscribed, state: state, termEnd: try at("2026-05-11 00:00"))
}

private func order(
    _ id: String = "ord-1", paid: String, consumed: String, days: UInt32 = 12, way: PaymentWay = .balance
) throws -> RefundedOrder {
    RefundedOrder(
        id: id, cashPaid: try Money(paid), way: way, consumed: try Money(consumed), usedDays: days, termDays: 31,
        termEnd: try at("2026-05-11 00:00"))
}

@Suite("Refund quotes") struct RefundQuoteTests {
    @Test(
        "Examples 9, 10 and the first part of 11: what was paid less what is consumed",
        arguments: [
            ("41.60", "16.10", "25.50"), ("41.60", "17.45", "24.15"), ("23.07", "10.67", "12.40"),
            ("49.53", "33.55", "15.98"),
        ])
    func examples(paid: String, consumed: String, refund: String) throws {
        let quote = try RefundQuote(
            group(), at: at("2026-04-22 15:20"), orders: [order(paid: paid, consumed: consumed)])
        #expect(quote.amount.shortDescription == refund)
        #expect(quote.toBalance == quote.amount)
        #expect(quote.online == .zero)
    }

    @Test("Each order gives back at least nothing, and the way it was paid")
    func several() throws {
        let quote = try RefundQuote(
            group(), at: at("2026-04-22 15:20"),
            orders: [
                order("ord-1", paid: "10", consumed: "30"), order("ord-2", paid: "20", consumed: "5", way: .online),
                order("ord-3", paid: "7", consumed: "0"),
            ])
        #expect(quote.orders.map(\.refund.shortDescription) == ["0.00", "15.00", "7.00"])
        #expect(quote.toBalance.shortDescription == "7.00")
        #expect(quote.online.shortDescription == "15.00")
    }

    @Test("A refund of 0.00 is refused", arguments: [("9.91", "9.91"), ("9.91", "12.00"), ("0", "0")])
    func zero(paid: String, consumed: String) throws {
        #expect(throws: RefundError.zero(group: "ag-1")) {
            try RefundQuote(group(), at: at("2026-04-22"), orders: [order(paid: paid, consumed: consumed)])
        }
        #expect(throws: RefundError.zero(group: "ag-1")) { try RefundQuote(group(), at: at("2026-04-22"), orders: []) }
    }

    @Test("What is lost is told in sentences")
    func losses() throws {
        let quote = try RefundQuote(
            group(), at: at("2026-04-22 15:20"), orders: [order(paid: "41.60", consumed: "16.10")])
        #expect(
            quote.losses == [
                "The remaining 19 days of the term to 2026-05-11 00:00:00 are given up.",
                "16.10 USD of the 41.60 USD paid for order ord-1 do not come back: 12 of 31 days are used.",
                "All data of the 3 cloud phones of group ag-1 is deleted and cannot be recovered.",
            ])
    }

    @Test("A token confirms exactly the group, the orders and the amounts")
    func token() throws {
        func quote(_ id: String, _ consumed: String) throws -> RefundQuote {
            try RefundQuote(group(), at: at("2026-04-22"), orders: [order(id, paid: "41.60", consumed: consumed)])
        }
        let told = try quote("ord-1", "16.10")
        #expect(told.token.text.hasPrefix("r1-25500000-"))
        try told.requireConfirmed(by: told.token.text)
        let changed = #expect(throws: RefundError.self) {
            try quote("ord-1", "17.45").requireConfirmed(by: told.token.text)
        }
        #expect(changed == .quoteChanged(quoted: Money(micros: 25_500_000), now: Money(micros: 24_150_000)))
        #expect(changed?.reason == "refund.quote_changed")
        #expect(changed?.message.contains("25.50") == true)
        #expect(changed?.message.contains("24.15") == true)
        let other = #expect(throws: RefundError.self) {
            try quote("ord-2", "16.10").requireConfirmed(by: told.token.text)
        }
        #expect(other?.reason == "refund.quote_changed")
    }

    @Test(
        "Anything else is no token",
        arguments: [
            "", "r1", "25.50", "r2-25500000-0123456789abcdef", "r1-0-0123456789abcdef", "r1-25500000-xyz",
            "r1--25500000-0123456789abcdef", "r1-25500000-+123456789abcde", "r1-25500000-0123456789ABCDEF",
        ])
    func noToken(text: String) {
        #expect(throws: RefundError.tokenMalformed(text)) { try RefundToken(text) }
    }
}

@Suite("Who can unsubscribe") struct UnsubscriptionTests {
    @Test("An active subscribed group can, until its term is over")
    func active() throws {
        try group().requireUnsubscribable(at: at("2026-05-10 23:59:59.999"), unpaidOrders: [])
    }

    @Test(
        "Everything else is refused by name and told what to do",
        arguments: [
            (.active, false, "2026-04-22", [], "refund.pay_as_you_go", "release it"),
            (.expired, true, "2026-05-12", [], "refund.expired", "expired at 2026-05-11"),
            (.active, true, "2026-05-11 00:00", [], "refund.expired", "expired at 2026-05-11"),
            (.creating, true, "2026-04-22", [], "refund.not_active", "is creating"),
            (.released, true, "2026-04-22", [], "refund.not_active", "is released"),
            (.overdue, true, "2026-04-22", [], "refund.not_active", "is overdue"),
            (.active, true, "2026-04-22", ["ord-7"], "refund.unpaid_order", "ord-7; pay or cancel it"),
        ] as [(SubscribedGroup.State, Bool, String, [String], String, String)])
    func refusals(
        state: SubscribedGroup.State, isSubscribed: Bool, instant: String, unpaid: [String], reason: String,
        told: String
    ) throws {
        let error = #expect(throws: RefundError.self) {
            try group(state, isSubscribed: isSubscribed).requireUnsubscribable(at: at(instant), unpaidOrders: unpaid)
        }
        #expect(error?.reason == reason)
        #expect(error?.status == .failedPrecondition)
        #expect(error?.message.contains(told) == true)
        #expect(error?.value.isEmpty == false)
    }
}

@Suite("Life of a refund") struct RefundLifeTests {
    private func refund(_ state: Refund.State, online: String = "0", confirmed: Bool = false) throws -> Refund {
        Refund(
            id: try RefundID("ref-1"), account: try AccountID("acct-1"), groupID: "ag-1", at: try at("2026-04-22"),
            toBalance: try Money("25.50"), online: try Money(online),
            orders: [
                RefundedAmount(
                    orderID: "ord-1", cashPaid: try Money("41.60"), consumed: try Money("16.10"),
                    refund: try Money("25.50"), usedDays: 12, termDays: 31)
            ], state: state, isOnlineConfirmed: confirmed)
    }

    @Test("Every state and event is an edge or a refusal", arguments: Refund.State.allCases, Refund.Event.allCases)
    func edges(state: Refund.State, event: Refund.Event) throws {
        let edges: [Refund.State: [Refund.Event: Refund.State]] = [
            .open: [.posted: .posted, .dropped: .dropped], .posted: [.closed: .closed],
        ]
        var refund = try refund(state)
        if let next = edges[state]?[event] {
            try refund.apply(event)
            #expect(refund.state == next)
        } else {
            #expect(throws: RefundError.outOfTurn(refund: "ref-1", is: state, event)) { try refund.apply(event) }
            #expect(refund.state == state)
        }
    }

    @Test("An online part is confirmed once, after it was posted")
    func confirmation() throws {
        var closed = try refund(.closed, online: "1")
        try closed.confirmOnline()
        #expect(closed.isOnlineConfirmed)
        #expect(throws: RefundError.confirmed("ref-1")) { try closed.confirmOnline() }
        var balance = try refund(.posted)
        #expect(throws: RefundError.notOnline("ref-1")) { try balance.confirmOnline() }
        var open = try refund(.open, online: "1")
        #expect(throws: RefundError.notPosted("ref-1", is: .open)) { try open.confirmOnline() }
    }

    @Test("M6 holds of sound refunds and names what breaks it")
    func invariant() throws {
        var sound = RefundInvariant()
        sound.check([try refund(.closed), try refund(.dropped)])
        #expect(sound.checked == 2)
        #expect(sound.breaches.isEmpty)

        var twice = RefundInvariant()
        twice.check([try refund(.closed), try refund(.open)])
        #expect(twice.breaches.count == 2)

        var wrongSum = RefundInvariant()
        wrongSum.check([try refund(.closed, online: "1")])
        #expect(wrongSum.breaches.count == 1)

        var early = RefundInvariant()
        early.check([try refund(.open, confirmed: true)])
        #expect(early.breaches.count == 1)

        let tooMuch = Refund(
            id: try RefundID("ref-1"), account: try AccountID("acct-1"), groupID: "ag-1", at: try at("2026-04-22"),
            toBalance: try Money("42"), online: .zero,
            orders: [
                RefundedAmount(
                    orderID: "ord-1", cashPaid: try Money("41.60"), consumed: .zero, refund: try Money("42"),
                    usedDays: 1, termDays: 31)
            ], state: .closed, isOnlineConfirmed: false)
        var bound = RefundInvariant()
        bound.check([tooMuch])
        #expect(bound.breaches.count == 2)
    }
}
