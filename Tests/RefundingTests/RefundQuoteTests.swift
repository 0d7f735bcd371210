import BillingCore
import Testing

@testable import Refunding

@Suite("Refund quotes") struct RefundQuoteTests {
    @Test(
        "Example 9: 3 x std.small ML, 41.60 paid, term of 31 days; a part of a day counts whole",
        arguments: [
            ("2026-04-22 15:20:00", 12, "16.10", "25.50"), ("2026-04-22 15:20:01", 13, "17.45", "24.15"),
            ("2026-04-10 15:20:00", 1, "1.34", "40.26"), ("2026-05-10 23:59:59.999", 31, "41.60", nil),
        ] as [(String, UInt32, String, String?)])
    func example9(instant: String, days: UInt32, consumed: String, refund: String?) throws {
        let order = try paid(balance: "41.60")
        let use = order.term.use(at: try at(instant), factorMillionths: 1_000_000)
        #expect(use == TermUse(usedDays: days, termDays: 31, factorMillionths: 1_000_000))
        #expect(order.term.consumed(by: use).shortDescription == consumed)
        let subscription = try Subscription(order, at: instant)
        if let refund {
            let quote = try subscription.refund()
            #expect(quote.amount.shortDescription == refund)
            #expect(quote.parts == RefundParts(toBalance: quote.amount, online: .zero))
        } else {
            #expect(throws: RefundError.zero(group: "ag-1")) { try subscription.refund() }
        }
    }

    @Test("Example 10: the cash part comes back less what is consumed, and the coupon is lost")
    func example10() throws {
        let order = try paid(balance: "23.07", coupon: "10.00", listNanos: 33_069_700_000)
        let quote = try Subscription(order, at: "2026-04-20 12:00").refund()
        #expect(quote.orders[0].consumed.shortDescription == "10.67")
        #expect(quote.amount.shortDescription == "12.40")
        #expect(
            quote.losses.contains(
                "The 10.00 USD that a coupon paid for order ord-1 are lost: coupons are not refunded."))
    }

    @Test("Example 11: the running order less what is consumed, the pending renewal in full")
    func example11() throws {
        let quote = try Subscription(
            paid(
                "ord-2", .renewal, balance: "148.59", listNanos: 148_585_500_000, months: 3, at: "2026-04-25",
                from: "2026-05-11", to: "2026-08-11"),
            paid(balance: "49.53", listNanos: 49_528_500_000), at: "2026-05-01 00:00"
        ).refund()
        #expect(quote.orders.map(\.id) == ["ord-1", "ord-2"])
        #expect(quote.orders.map(\.refund.shortDescription) == ["15.98", "148.59"])
        #expect(quote.amount.shortDescription == "164.57")
        #expect(quote.orders.map(\.inFull) == [nil, .pendingRenewal])
        #expect(
            quote.losses.contains(
                "The renewal of 3 months from 2026-05-11 00:00:00 to 2026-08-11 00:00:00 is cancelled (order ord-2)."))
    }

    @Test("The example of domain 7.2: 1 x basic.small ML, 11 of 31 days used, consumed 3.51")
    func consumed() throws {
        let term = try paid(listNanos: 9_905_700_000).term
        let use = TermUse(usedDays: 11, termDays: 31, factorMillionths: 1_000_000)
        #expect(term.consumed(by: use).shortDescription == "3.51")
        // 9.9057 x 11 / 31 x 0.8 = 2.8119...
        let discounted = TermUse(usedDays: 11, termDays: 31, factorMillionths: 800_000)
        #expect(term.consumed(by: discounted).shortDescription == "2.81")
    }

    @Test("A term that begins at the instant runs; one that ends at it is over; what was given back does not count")
    func effective() throws {
        let subscription = try Subscription(
            paid("ord-0", .new, balance: "10", to: "2026-05-11"),
            paid("ord-1", .renewal, balance: "10", from: "2026-05-11", to: "2026-06-11"),
            paid("ord-2", .renewal, balance: "10", from: "2026-06-11", to: "2026-07-11"),
            paid("ord-3", .renewal, balance: "10", from: "2026-07-11", to: "2026-08-11", isRefunded: true),
            at: "2026-05-11 00:00")
        #expect(subscription.running.map(\.id) == ["ord-1"])
        #expect(subscription.pending.map(\.id) == ["ord-2"])
    }

    @Test("An order that is used up gives back nothing, and does not lessen what another gives back")
    func usedUp() throws {
        let quote = try Subscription(
            paid(balance: "10", coupon: "31.60"),
            paid("ord-2", .renewal, online: "20", from: "2026-05-11", to: "2026-06-11"), at: "2026-05-10"
        ).refund()
        #expect(quote.orders.map(\.refund.shortDescription) == ["0.00", "20.00"])
        #expect(quote.parts == RefundParts(toBalance: .zero, online: try Money("20")))
    }

    @Test("A refund of 0.00 is refused", arguments: [("9.91", "31.69"), ("0", "41.60")])
    func zero(balance: String, coupon: String) throws {
        let subscription = try Subscription(paid(balance: balance, coupon: coupon), at: "2026-05-09")
        #expect(throws: RefundError.zero(group: "ag-1")) { try subscription.refund() }
        let none = try Subscription(at: "2026-05-09")
        #expect(throws: RefundError.zero(group: "ag-1")) { try none.refund() }
    }

    @Test("Only the last pending renewal can be cancelled by itself, for all that was paid in cash")
    func renewal() throws {
        let subscription = try Subscription(
            paid(balance: "41.60"),
            paid("ord-3", .renewal, balance: "30", online: "10", coupon: "1.60", from: "2026-06-11", to: "2026-07-11"),
            paid("ord-2", .renewal, balance: "41.60", from: "2026-05-11", to: "2026-06-11"), at: "2026-04-22")
        let quote = try subscription.renewalRefund()
        #expect(quote.orders.map(\.id) == ["ord-3"])
        #expect(quote.parts == RefundParts(toBalance: try Money("30"), online: try Money("10")))
        #expect(quote.isRenewalOnly)
        #expect(
            quote.losses == [
                "The renewal of 1 month from 2026-06-11 00:00:00 to 2026-07-11 00:00:00 is cancelled (order ord-3).",
                "The 1.60 USD that a coupon paid for order ord-3 are lost: coupons are not refunded.",
            ])
    }

    @Test("Without a pending renewal, or with one that a coupon paid, there is nothing to cancel")
    func noRenewal() throws {
        let none = try Subscription(paid(balance: "41.60"), at: "2026-04-22")
        #expect(throws: RefundError.noPendingRenewal(group: "ag-1")) { try none.renewalRefund() }
        let free = try Subscription(
            paid(balance: "41.60"),
            paid("ord-2", .renewal, coupon: "41.60", from: "2026-05-11", to: "2026-06-11"), at: "2026-04-22")
        #expect(throws: RefundError.zeroRenewal(order: "ord-2")) { try free.renewalRefund() }
    }

    @Test("What is lost is told in sentences")
    func losses() throws {
        #expect(
            try Subscription(paid(balance: "41.60"), at: "2026-04-22 15:20").refund().losses == [
                "The remaining 19 days of the term to 2026-05-11 00:00:00 are given up.",
                "16.10 USD of the 41.60 USD paid for order ord-1 do not come back: 12 of 31 days are used.",
                "All data of the 3 cloud phones of group ag-1 is deleted and cannot be recovered.",
            ])
    }
}

@Suite("The unconditional refund of domain 7.4") struct UnconditionalRefundTests {
    private let end = "2026-04-15 15:20"

    @Test(
        "All cash comes back strictly before payment + days x 24 h",
        arguments: [
            ("2026-04-15 15:19:59.999", 5, true), ("2026-04-15 15:20", 5, false), ("2026-04-10 15:20", 0, false),
            ("2026-04-10 15:20", 1, true),
        ] as [(String, UInt32, Bool)])
    func days(instant: String, days: UInt32, isInFull: Bool) throws {
        let quote = try Subscription(paid(balance: "31.60", coupon: "10"), at: instant).refund(unconditionalDays: days)
        #expect(quote.isUnconditional == isInFull)
        #expect((quote.amount.shortDescription == "31.60") == isInFull)
        #expect((quote.orders[0].consumed == .zero) == isInFull)
    }

    @Test("Once per account and calendar year")
    func once() throws {
        let subscription = try Subscription(paid(balance: "41.60"), at: "2026-04-11")
        #expect(try subscription.refund(unconditionalDays: 5).isUnconditional)
        #expect(try !subscription.refund(unconditionalDays: 5, hadUnconditional: true).isUnconditional)
        #expect(subscription.year == 2026)
        // Years of the billing time zone.
        let newYear = try Subscription(
            paid(balance: "41.60", at: "2025-12-31", from: "2025-12-31", to: "2026-02-01"),
            at: "2025-12-31T16:00:00Z", paidThrough: "2026-02-01")
        #expect(newYear.year == 2026)
    }

    @Test("Not for what was switched, renewed or partly given back")
    func others() throws {
        let switched = try Subscription(paid("ord-1", .switch, balance: "41.60"), at: "2026-04-11")
        #expect(try !switched.refund(unconditionalDays: 5).isUnconditional)
        for isRefunded in [false, true] {
            let renewed = try Subscription(
                paid(balance: "41.60"),
                paid("ord-2", .renewal, balance: "9", from: "2026-05-11", to: "2026-06-11", isRefunded: isRefunded),
                at: "2026-04-11")
            #expect(try !renewed.refund(unconditionalDays: 5).isUnconditional)
        }
    }
}

@Suite("The way money goes back") struct RefundSplitTests {
    @Test(
        "Pro rata, floored to the cent, odd cents to the larger way, online if equal",
        arguments: [
            ("41.60", "0", "25.50", "25.50", "0"), ("0", "41.60", "25.50", "0", "25.50"),
            ("20.80", "20.80", "25.50", "12.75", "12.75"), ("20.80", "20.80", "25.51", "12.75", "12.76"),
            ("30", "10", "0.03", "0.03", "0"), ("10", "30", "0.03", "0", "0.03"),
            ("10", "20", "10.01", "3.33", "6.68"), ("20", "10", "10.01", "6.68", "3.33"),
            ("20.01", "21.59", "41.60", "20.01", "21.59"), ("0.01", "41.59", "0.01", "0", "0.01"),
            ("13.065", "10", "12.395", "7.025", "5.37"), ("0", "23.065", "12.395", "0", "12.395"),
            // All of it, as it was paid.
            ("0.385846", "99.614154", "100", "0.385846", "99.614154"),
        ])
    func split(balance: String, online: String, refund: String, toBalance: String, toOnline: String) throws {
        let paid = PaidParts(balance: try Money(balance), online: try Money(online), coupon: try Money("3"))
        let parts = paid.split(try Money(refund))
        #expect(parts == RefundParts(toBalance: try Money(toBalance), online: try Money(toOnline)))
        #expect(parts.amount == (try Money(refund)))
    }

    @Test("Each order is split by itself")
    func several() throws {
        let quote = try Subscription(
            paid(balance: "20.80", online: "20.80"),
            paid("ord-2", .renewal, online: "7", from: "2026-05-11", to: "2026-06-11"), at: "2026-04-22 15:20"
        ).refund()
        #expect(quote.orders.map(\.parts.toBalance.shortDescription) == ["12.75", "0.00"])
        #expect(quote.parts == RefundParts(toBalance: try Money("12.75"), online: try Money("19.75")))
    }

    @Test("The largest amounts are split exactly")
    func large() {
        let half = Money(micros: Money.largestInput.micros / 2)
        let paid = PaidParts(balance: half, online: half, coupon: .zero)
        #expect(paid.split(paid.cash) == RefundParts(toBalance: half, online: half))
    }
}

@Suite("Refund tokens") struct RefundTokenTests {
    private func quote(_ order: PaidOrder, at instant: String = "2026-04-22") throws -> RefundQuote {
        try Subscription(order, at: instant).refund()
    }

    @Test("A token confirms exactly the group, the orders, the amounts and their ways")
    func token() throws {
        let told = try quote(paid(balance: "41.60"))
        #expect(told.token.text.hasPrefix("r1-25500000-"))
        try told.requireConfirmed(by: told.token.text)
        let changed = #expect(throws: RefundError.self) {
            try quote(paid(balance: "41.60"), at: "2026-04-23").requireConfirmed(by: told.token.text)
        }
        #expect(changed == .quoteChanged(quoted: Money(micros: 25_500_000), now: Money(micros: 24_150_000)))
        #expect(changed?.reason == "refund.quote_changed")
        #expect(changed?.message.contains("25.50") == true)
        #expect(changed?.message.contains("24.15") == true)
        for other in [try paid("ord-2", balance: "41.60"), try paid(balance: "1.60", online: "40")] {
            let error = #expect(throws: RefundError.self) {
                try quote(other).requireConfirmed(by: told.token.text)
            }
            #expect(error?.reason == "refund.quote_changed")
        }
    }

    @Test("A token of a group confirms no renewal of the same amount, and the other way round")
    func kind() throws {
        let order = try paid("ord-2", .renewal, balance: "9", from: "2026-05-11", to: "2026-06-11")
        let subscription = try Subscription(order, at: "2026-04-22")
        let (whole, renewal) = (try subscription.refund(), try subscription.renewalRefund())
        #expect(whole.amount == renewal.amount)
        #expect(whole.token != renewal.token)
        #expect(throws: RefundError.quoteChanged(quoted: whole.amount, now: whole.amount)) {
            try renewal.requireConfirmed(by: whole.token.text)
        }
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
