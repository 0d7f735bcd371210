import BillingCore
import Testing

@testable import Refunding

@Suite("Who can unsubscribe") struct UnsubscriptionTests {
    @Test("An active subscribed group can, until its last paid term is over")
    func active() throws {
        try subscribed().requireUnsubscribable(at: at("2026-05-10 23:59:59.999"), unpaidOrders: [])
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
            try subscribed(state, isSubscribed: isSubscribed).requireUnsubscribable(
                at: at(instant), unpaidOrders: unpaid)
        }
        #expect(error?.reason == reason)
        #expect(error?.status == .failedPrecondition)
        #expect(error?.message.contains(told) == true)
        #expect(error?.value.isEmpty == false)
    }
}

@Suite("Life of a refund") struct RefundLifeTests {
    private func refund(
        _ state: Refund.State, id: String = "ref-1", parts: (String, String) = ("25.50", "0"),
        _ order: RefundedOrder? = nil, isRenewalOnly: Bool = false, confirmed: Bool = false
    ) throws -> Refund {
        Refund(
            id: try RefundID(id), account: try AccountID("acct-1"), groupID: "ag-1", at: try at("2026-04-22 15:20"),
            parts: RefundParts(toBalance: try Money(parts.0), online: try Money(parts.1)),
            orders: [try order ?? self.order()], isRenewalOnly: isRenewalOnly, state: state,
            isOnlineConfirmed: confirmed)
    }

    private func order(
        _ id: String = "ord-1", consumed: String = "16.10", refund: String = "25.50", usedDays: UInt32 = 12,
        inFull: FullRefundCause? = nil
    ) throws -> RefundedOrder {
        let order = try paid(id, balance: "41.60")
        return RefundedOrder(
            id: id, paid: order.paid, paymentID: "", term: order.term,
            use: TermUse(usedDays: usedDays, termDays: 31, factorMillionths: 1_000_000), inFull: inFull,
            consumed: try Money(consumed), refund: try Money(refund),
            parts: RefundParts(toBalance: try Money(refund), online: .zero))
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
        var closed = try refund(.closed, parts: ("24.50", "1"))
        try closed.confirmOnline()
        #expect(closed.isOnlineConfirmed)
        #expect(throws: RefundError.confirmed("ref-1")) { try closed.confirmOnline() }
        var balance = try refund(.posted)
        #expect(throws: RefundError.notOnline("ref-1")) { try balance.confirmOnline() }
        var open = try refund(.open, parts: ("24.50", "1"))
        #expect(throws: RefundError.notPosted("ref-1", is: .open)) { try open.confirmOnline() }
    }

    @Test("M6 holds of sound refunds, and of the renewals of a group beside that of the group")
    func sound() throws {
        let renewal = RefundedOrder(
            try paid("ord-2", .renewal, balance: "9", from: "2026-05-11", to: "2026-06-11"),
            use: TermUse(usedDays: 0, termDays: 31, factorMillionths: 1_000_000), inFull: .pendingRenewal)
        var invariant = RefundInvariant()
        invariant.check([
            try refund(.closed), try refund(.dropped, id: "ref-2"),
            try refund(.closed, id: "ref-3", parts: ("9", "0"), renewal, isRenewalOnly: true),
        ])
        #expect(invariant.checked == 3)
        #expect(invariant.breaches.isEmpty)
    }

    private func breaches(_ refunds: Refund...) -> [String] {
        var invariant = RefundInvariant()
        invariant.check(refunds)
        return invariant.breaches
    }

    @Test("M6 names a group, an order or an unconditional refund that is given twice")
    func twice() throws {
        let both = breaches(try refund(.closed), try refund(.open, id: "ref-2"))
        #expect(both.count == 2)
        #expect(both.contains("Group ag-1 has two refunds, ref-1 and ref-2."))
        #expect(both.contains("Order ord-1 is given back twice, by ref-1 and ref-2."))
        func unconditional(_ id: String, _ orderID: String) throws -> Refund {
            try refund(
                .closed, id: id, parts: ("41.60", "0"),
                order(orderID, consumed: "0", refund: "41.60", inFull: .unconditional), isRenewalOnly: true)
        }
        #expect(
            breaches(try unconditional("ref-1", "ord-1"), try unconditional("ref-2", "ord-2"))
                == ["Both ref-1 and ref-2 are the unconditional refund of 2026."])
    }

    @Test("M6 names amounts that do not add up or do not follow from their inputs")
    func amounts() throws {
        #expect(breaches(try refund(.closed, parts: ("25.50", "1"))).count == 1)
        #expect(breaches(try refund(.open, confirmed: true)).count == 1)
        let tooMuch = breaches(
            try refund(.closed, parts: ("42", "0"), order(consumed: "0", refund: "42", usedDays: 1)))
        #expect(tooMuch.count == 2)
        let follows = ["Refund ref-1 does not follow from what it says of order ord-1."]
        for wrong in [
            try order(consumed: "17.45", refund: "24.15"), try order(usedDays: 13),
            try order(consumed: "0", refund: "41.60", inFull: .pendingRenewal),
            try order(consumed: "16.10", refund: "25.50", inFull: .unconditional),
        ] {
            let refund = try refund(.closed, parts: (wrong.refund.description, "0"), wrong)
            #expect(breaches(refund) == follows)
        }
    }
}
