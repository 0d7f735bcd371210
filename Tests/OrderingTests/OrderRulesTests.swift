import BillingAPI
import BillingCore
import Testing

@testable import Ordering

private func order(
    _ state: Order.State = .unpaid, refunded: Money = .zero, id: String = "ord-1", group: String = "ag-1",
    isAutomatic: Bool = false
) throws -> Order {
    Order(
        id: try OrderID(id), account: try AccountID("acct-1"), kind: isAutomatic ? .renewal : .new,
        groupID: try GroupID(group), offer: try OrderOffer(quote()), name: "phones", network: "default",
        placedAt: opening, isAutomatic: isAutomatic, state: state, refunded: refunded)
}

private func payment(at instant: Timestamp) -> Order.Payment {
    Order.Payment(
        at: instant, method: .balance, paymentID: "",
        term: Period(instant, BillingCalendar.termEnd(start: instant, months: 1)),
        parts: PaymentParts(balance: Money(micros: 9_910_000)))
}

@Suite("Order state machine") struct OrderStateMachineTests {
    private static let paid = Order.State.paid(payment(at: opening))
    private static let cancelled = Order.State.cancelled(at: opening, .owner)
    private static let inTime = opening.adding(hours: 1)
    private static let lastMoment = opening.adding(milliseconds: 24 * .millisecondsPerHour - 1)
    private static let deadline = opening.adding(hours: 24)

    @Test(
        "Only an unpaid order can be paid or cancelled, and only the deadline itself cancels from the deadline on",
        arguments: [
            (.unpaid, .paymentReceived(payment(at: inTime)), .paid),
            (.unpaid, .paymentReceived(payment(at: lastMoment)), .paid),
            (.unpaid, .paymentReceived(payment(at: deadline)), nil),
            (.unpaid, .cancelled(at: inTime, .owner), .cancelled),
            (.unpaid, .cancelled(at: deadline, .owner), nil),
            (.unpaid, .cancelled(at: deadline, .timedOut), .cancelled),
            (.unpaid, .cancelled(at: deadline, .groupReleased), .cancelled),
            (paid, .paymentReceived(payment(at: inTime)), nil),
            (paid, .cancelled(at: inTime, .owner), nil),
            (paid, .cancelled(at: inTime, .timedOut), nil),
            (paid, .cancelled(at: inTime, .groupReleased), nil),
            (cancelled, .paymentReceived(payment(at: inTime)), nil),
            (cancelled, .cancelled(at: inTime, .owner), nil),
            (cancelled, .cancelled(at: inTime, .timedOut), nil),
            (cancelled, .cancelled(at: inTime, .groupReleased), nil),
        ] as [(Order.State, OrderEvent, Order.Status?)])
    func transitions(_ state: Order.State, _ event: OrderEvent, _ expected: Order.Status?) throws {
        var order = try order(state)
        guard let expected else {
            let error = #expect(throws: OrderError.self) { try order.apply(event) }
            #expect(error?.reason == "order.not_unpaid")
            #expect(order.state == state)
            return
        }
        try order.apply(event)
        #expect(order.state.status == expected)
    }

    @Test(
        "An auto-renewal waits for an unpaid order of its group alone, any other order for every one but itself",
        arguments: [
            (true, "ord-2", "ag-1", true), (true, "ord-2", "ag-2", false), (false, "ord-2", "ag-1", true),
            (false, "ord-2", "ag-2", true), (false, "ord-1", "ag-1", false),
        ])
    func blocked(_ isAutomatic: Bool, _ unpaid: String, _ group: String, _ isBlocked: Bool) throws {
        let other = try order(id: unpaid, group: group)
        #expect(try order(isAutomatic: isAutomatic).isBlocked(by: other) == isBlocked)
    }

    @Test("Refunds of an order never exceed what was paid for it")
    func refunds() throws {
        var order = try order(Self.paid)
        try order.refund(Money("9.90"), at: opening)
        #expect(order.refundable == (try Money("0.01")))
        #expect(throws: OrderError.self) { try order.refund(Money("0.02"), at: opening) }
        try order.refund(Money("0.01"), at: opening)
        #expect(throws: OrderError.self) { try order.refund(Money("0.01"), at: opening) }
    }

    @Test("An order that is not paid gives nothing back", arguments: [Order.State.unpaid, cancelled])
    func unpaidRefund(_ state: Order.State) throws {
        var order = try order(state)
        #expect(throws: OrderError.self) { try order.refund(Money(micros: 1), at: opening) }
    }
}

@Suite("Order offers") struct OrderOfferTests {
    @Test(
        "An order keeps the total of its quote (domain 11, examples 7 and 8)",
        arguments: [
            ("9.9057", 1, 1, "9.91"), ("13.8679", 1, 1, "13.87"), ("14.9347", 1, 1, "14.93"),
            ("21.3353", 1, 1, "21.34"), ("36.4224", 1, 1, "36.42"), ("9.9057", 10, 1, "99.06"),
            ("56.4546", 1, 12, "677.46"), ("13.8679", 3, 1, "41.60"), ("21.3353", 4, 3, "256.02"),
        ])
    func totals(_ monthly: String, _ instances: Int, _ months: Int, _ total: String) throws {
        let offer = try OrderOffer(quote(monthly: monthly, instances: instances, months: months))
        #expect(offer.total == (try Money(total)))
    }

    @Test("A discount is taken off the gross price")
    func discount() throws {
        var quoted = quote()
        quoted.discountMicros = 1_000_000
        quoted.totalMicros -= 1_000_000
        #expect(try OrderOffer(quoted).total == Money("8.91"))
    }

    @Test(
        "A quote that does not add up is refused by the name of the field",
        arguments: [
            Garbling("quote.specification") { $0.specification = "" }, Garbling("quote.region") { $0.region = "" },
            Garbling("quote.instances") { $0.instances = 0 }, Garbling("quote.instances") { $0.instances = 101 },
            Garbling("quote.months") { $0.months = 0 }, Garbling("quote.months") { $0.months = 4 },
            Garbling("quote.price_list_version") { $0.priceListVersion = 0 },
            Garbling("quote.monthly_nanos") { $0.monthlyNanos = 0 }, Garbling("quote.list_nanos") { $0.listNanos += 1 },
            Garbling("quote.list_nanos") { $0.monthlyNanos = .max },
            Garbling("quote.gross_micros") { $0.grossMicros += 10_000 },
            Garbling("quote.gross_micros") { $0.grossMicros = .max },
            Garbling("quote.discount_micros") { $0.discountMicros = -1 },
            Garbling("quote.discount_micros") { $0.discountMicros = .max },
            Garbling("quote.total_micros") { $0.totalMicros -= 1 },
            Garbling("quote.total_micros") { $0.totalMicros = .min },
            Garbling("quote.total_micros") {
                $0.discountMicros = $0.grossMicros
                $0.totalMicros = 0
            },
        ] as [Garbling<PricingV1.QuoteReply>])
    func malformed(_ garbling: Garbling<PricingV1.QuoteReply>) {
        var quoted = quote()
        garbling.apply(&quoted)
        let error = #expect(throws: OrderError.self) { try OrderOffer(quoted) }
        #expect(error?.field == garbling.field)
        #expect(error?.reason == "order.quote_malformed")
    }
}
