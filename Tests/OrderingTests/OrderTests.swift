import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Storage
import Testing

@testable import Ordering

@Suite("Placing orders") struct PlacingTests {
    @Test("An order keeps its quote, has 24 hours, and names the group it will create")
    func placing() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let order = try await shop.place(account, quote(instances: 10))
        #expect(order.status == .unpaid && order.kind == .new)
        #expect(order.totalMicros == 99_060_000 && order.grossMicros == 99_060_000)
        #expect(order.deadlineAt == opening.adding(hours: 24).milliseconds)
        #expect(order.groupID.hasPrefix("ag-"))
        #expect(order.name == "phones")
        #expect(try await shop.order(account, order.orderID) == order)
        #expect(try await shop.show(account).unpaidOrders == 1)
    }

    @Test("While an order is unpaid no other can be placed, and the refusal names it")
    func unpaid() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let order = try await shop.place(account)
        do {
            _ = try await shop.place(account, kind: .switch, group: "ag-7")
            Issue.record("a second unpaid order was placed")
        } catch let error as any BillingError {
            #expect(error.reason == "order.unpaid_orders")
            #expect(error.status == .failedPrecondition)
            #expect(error.message.contains(order.orderID) && error.message.contains("pay or cancel"))
        }
        _ = try await shop.cancel(account, order.orderID)
        let second = try await shop.place(account, kind: .switch, group: "ag-7")
        #expect(second.groupID == "ag-7" && second.kind == .switch)
    }

    @Test("Of two orders placed at once with different keys, exactly one is placed")
    func atomic() async throws {
        let shop = try Shop()
        for _ in 0..<10 {
            let account = try await shop.account()
            let reasons = await withTaskGroup(of: String.self) { group in
                for _ in 0..<4 { group.addTask { await reason { try await shop.place(account) } } }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(reasons.sorted() == ["", "order.unpaid_orders", "order.unpaid_orders", "order.unpaid_orders"])
        }
        #expect(try await shop.breaches() == [:])
    }

    @Test("The same key places one order; another body under it is refused")
    func replay() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let key = "key-0123456789abcdef"
        let order = try await shop.place(account, key: key)
        #expect(try await shop.place(account, key: key) == order)
        #expect(await reason { try await shop.place(account, quote(months: 3), key: key) } == "call.key_reused")
        // A key belongs to its account.
        let other = try await shop.account()
        #expect(try await shop.place(other, key: key).orderID != order.orderID)
    }

    @Test("While bills are outstanding nothing can be bought")
    func overdue() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        _ = try await shop.post(.hour(account, endingAt: opening.adding(hours: 1)))
        do {
            _ = try await shop.place(account, at: opening.adding(hours: 1))
            Issue.record("an overdue account bought")
        } catch let error as any BillingError {
            #expect(error.reason == "account.overdue")
            #expect(error.message.contains("0.4724"))
        }
        _ = try await shop.topUp(account, "0.4724", at: opening.adding(hours: 1))
        _ = try await shop.place(account, at: opening.adding(hours: 1))
    }

    @Test("A name that no group can have is refused before anybody pays", arguments: ["name", "network"])
    func longTexts(_ field: String) async throws {
        let shop = try Shop()
        let account = try await shop.account()
        for (bytes, expected) in [(129, "group.text_too_long"), (128, "")] {
            let text = String(repeating: "x", count: bytes)
            let request = OrderV1.PlaceOrderRequest(
                kind: .new, name: field == "name" ? text : "", network: field == "network" ? text : "", quote: quote())
            let reason = await reason {
                try await shop.service.placeOrder(
                    request, shop.call(OrderV1.Orders.placeOrder.descriptor, account, at: opening))
            }
            #expect(reason == expected)
        }
    }

    @Test(
        "What no quote says is refused",
        arguments: [
            (OrderV1.OrderKind.renewal, "ag-7", false, "order.quote_malformed"),
            (.unspecified, "ag-7", true, "order.quote_malformed"), (.new, "", false, "order.quote_malformed"),
            (.switch, "", true, "id.malformed"), (.switch, "acct-7", true, "id.malformed"),
        ])
    func malformed(_ kind: OrderV1.OrderKind, _ group: String, _ hasQuote: Bool, _ expected: String) async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let reason = await reason {
            try await shop.service.placeOrder(
                OrderV1.PlaceOrderRequest(kind: kind, groupID: group, quote: hasQuote ? quote() : nil),
                shop.call(OrderV1.Orders.placeOrder.descriptor, account, at: opening))
        }
        #expect(reason == expected)
    }

    @Test("An order of another account is answered exactly as one that does not exist")
    func foreign() async throws {
        let shop = try Shop()
        let (account, other) = (try await shop.account("100"), try await shop.account("100"))
        let order = try await shop.place(account).orderID
        func refusal(_ id: String, _ act: (String) async throws -> Void) async throws -> String {
            do {
                try await act(id)
                return "nothing"
            } catch let error as any BillingError {
                return "\(error.status) \(error.reason) \(error.message.replacing(id, with: "X"))"
            }
        }
        for act in [
            { _ = try await shop.order(other, $0) }, { _ = try await shop.cancel(other, $0) },
            { _ = try await shop.pay(other, $0, saga: "saga-\($0)") },
            { _ = try await shop.register(other, $0, reference: "r-\($0)") },
        ] as [(String) async throws -> Void] {
            let foreign = try await refusal(order, act)
            #expect(foreign.contains("order.not_found"))
            #expect(try await refusal("ord-0000000000000000", act) == foreign)
        }
        #expect(try await shop.order(account, order).status == .unpaid)
    }

    @Test("Orders are listed by status and group, in pages, with the account's latest instant")
    func listing() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        for hour in 0..<3 {
            let order = try await shop.place(
                account, kind: .switch, group: "ag-\(hour)", at: opening.adding(hours: Int64(hour)))
            if hour < 2 { _ = try await shop.cancel(account, order.orderID, at: opening.adding(hours: Int64(hour))) }
        }
        func list(_ request: OrderV1.ListOrdersRequest) async throws -> [String] {
            var request = request
            var groups: [String] = []
            repeat {
                let page = try await shop.service.listOrders(
                    request, shop.call(OrderV1.Orders.listOrders.descriptor, account, at: nil))
                groups += page.orders.map(\.groupID)
                request.cursor = page.nextCursor
                #expect(page.lastAt == opening.adding(hours: 2).milliseconds)
            } while !request.cursor.isEmpty
            return groups
        }
        #expect(try await list(OrderV1.ListOrdersRequest(limit: 1)) == ["ag-0", "ag-1", "ag-2"])
        #expect(try await list(OrderV1.ListOrdersRequest(statuses: [.cancelled])) == ["ag-0", "ag-1"])
        #expect(try await list(OrderV1.ListOrdersRequest(groupID: "ag-1")) == ["ag-1"])
        #expect(await reason { try await list(OrderV1.ListOrdersRequest(cursor: "rubbish")) } == "page.malformed")
    }
}

@Suite("Order deadlines") struct DeadlineTests {
    private func expire(_ shop: Shop, _ through: Timestamp) async throws -> [String] {
        try await shop.service.expireOrders(
            OrderV1.ExpireOrdersRequest(through: through.milliseconds),
            shop.call(OrderV1.Orders.expireOrders.descriptor, "", at: nil)
        ).orderIDs
    }

    private func nextDue(_ shop: Shop, after: Timestamp) async throws -> Int64 {
        try await shop.service.nextDue(
            OrderV1.NextDueRequest(after: after.milliseconds),
            shop.call(OrderV1.Orders.nextDue.descriptor, "", at: nil)
        ).orderDeadlineAt
    }

    @Test("An order that nobody pays is cancelled at its deadline, and no sooner")
    func expiry() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        let order = try await shop.place(account).orderID
        let deadline = opening.adding(hours: 24)
        #expect(try await nextDue(shop, after: opening) == deadline.milliseconds)
        #expect(try await nextDue(shop, after: deadline) == 0)
        #expect(try await expire(shop, deadline.adding(milliseconds: -1)) == [])
        #expect(try await expire(shop, deadline.adding(hours: 5)) == [order])
        #expect(try await expire(shop, deadline.adding(hours: 5)) == [])
        let cancelled = try await shop.order(account, order)
        #expect(cancelled.status == .cancelled && cancelled.cancellationCause == .timedOut)
        #expect(cancelled.cancelledAt == deadline.milliseconds)
        #expect(try await shop.show(account).lastAt == deadline.milliseconds)
        #expect(try await nextDue(shop, after: opening) == 0)
        #expect(await reason { try await shop.pay(account, order, at: deadline) } == "order.not_unpaid")
    }

    @Test("From its deadline on an order can neither be paid nor stand in the way, though nobody cancelled it yet")
    func passed() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        let order = try await shop.place(account).orderID
        let deadline = opening.adding(hours: 24)
        #expect(await reason { try await shop.pay(account, order, at: deadline) } == "order.not_unpaid")
        #expect(
            await reason { try await shop.register(account, order, reference: "r", at: deadline) } == "order.not_unpaid"
        )
        _ = try await shop.place(account, at: deadline)
        #expect(try await shop.order(account, order).cancellationCause == .timedOut)
    }
}

@Suite("Paying orders") struct PayingTests {
    @Test("Paying from the balance takes the price, fixes T and the term, and posts one line")
    func balance() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        let order = try await shop.place(account, quote("acp.std.small", monthly: "13.8679", instances: 3)).orderID
        let paidAt = at("2026-03-10 15:20")
        let reply = try await shop.pay(account, order, at: paidAt)
        let paid = try #require(reply.order)
        #expect(reply.effectiveAt == paidAt)
        #expect(paid.status == .paid && paid.paymentMethod == .balance && paid.paymentID == "")
        #expect(paid.paidAt == paidAt.milliseconds && paid.termStart == paidAt.milliseconds)
        #expect(paid.termEnd == at("2026-04-11").milliseconds)
        #expect(try await shop.show(account).balanceMicros == 58_400_000)
        #expect(try await shop.lastEntries(account) == ["BALANCE -41.600000", "REVENUE 41.600000"])
        let lines = try await shop.wholeBill(account, OrderV1.ListBillRequest(period: .details))
        #expect(lines.count == 1)
        let line = try #require(lines.first)
        #expect(line.itemKind == .subscriptionOrder && line.billingMethod == .subscription)
        #expect(line.payableMicros == 41_600_000 && line.paidMicros == 41_600_000 && line.status == .paid)
        #expect(line.usageStart == paid.termStart && line.usageEnd == paid.termEnd && line.orderID == order)
        #expect(line.quantityThousandths == 3000 && line.priceUnit == "instance-month")
        #expect(try await shop.breaches() == [:])
    }

    @Test("The payment takes effect no earlier than the account's last instant")
    func instant() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        let order = try await shop.place(account).orderID
        _ = try await shop.topUp(account, "1", at: opening.adding(milliseconds: 3000))
        let reply = try await shop.pay(account, order, at: opening)
        #expect(reply.effectiveAt == opening.adding(milliseconds: 3000))
        #expect(reply.order?.termStart == opening.adding(milliseconds: 3000).milliseconds)
    }

    @Test("A balance that is too small is refused with price and balance, and the order stays unpaid")
    func insufficient() async throws {
        let shop = try Shop()
        let account = try await shop.account("9.90")
        let order = try await shop.place(account).orderID
        do {
            _ = try await shop.pay(account, order)
            Issue.record("an order was paid with too little")
        } catch let error as any BillingError {
            #expect(error.reason == "order.insufficient_balance")
            #expect(error.message.contains("9.91") && error.message.contains("9.90"))
        }
        #expect(try await shop.order(account, order).status == .unpaid)
        // The refusal is the step's answer for ever; a new saga finds the money.
        _ = try await shop.topUp(account, "0.01")
        #expect(await reason { try await shop.pay(account, order) } == "order.insufficient_balance")
        #expect(await reason { try await shop.pay(account, order, saga: "saga-2") } == "")
        #expect(try await shop.show(account).balanceMicros == 0)
    }

    @Test("A step done twice pays once and answers the same; a paid order is not paid again")
    func twice() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        let order = try await shop.place(account).orderID
        let first = try await shop.pay(account, order)
        let second = try await shop.pay(account, order, at: opening.adding(hours: 1))
        #expect(second.isReplay && second.message == first.message && second.effectiveAt == first.effectiveAt)
        #expect(await reason { try await shop.pay(account, order, saga: "saga-2") } == "order.not_unpaid")
        #expect(try await shop.show(account).balanceMicros == 90_090_000)
        #expect(try await shop.breaches() == [:])
    }

    @Test("A step that was undone before it came is never done")
    func lateDo() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        let order = try await shop.place(account).orderID
        #expect(await reason { try await shop.pay(account, order, undo: true) } == "")
        #expect(await reason { try await shop.pay(account, order) } == "saga.undone")
        #expect(try await shop.order(account, order).status == .unpaid)
        #expect(try await shop.show(account).balanceMicros == 100_000_000)
    }

    @Test("A payment that was made is not undone, and a saga that was taken over is fenced off")
    func pivot() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        let order = try await shop.place(account).orderID
        _ = try await shop.pay(account, order, epoch: 2)
        #expect(await reason { try await shop.pay(account, order, undo: true, epoch: 2) } == "saga.already_done")
        #expect(await reason { try await shop.pay(account, order, epoch: 1) } == "saga.fenced")
        #expect(try await shop.order(account, order).status == .paid)
    }

    @Test("Of a payment and a cancellation at once, one wins and the other is refused")
    func race() async throws {
        let shop = try Shop()
        for number in 0..<10 {
            let account = try await shop.account("9.91")
            let order = try await shop.place(account).orderID
            async let paying = reason { try await shop.pay(account, order, saga: "saga-\(number)") }
            async let cancelling = reason { try await shop.cancel(account, order) }
            let reasons = await [paying, cancelling]
            #expect(reasons.sorted() == ["", "order.not_unpaid"])
            let status = try await shop.order(account, order).status
            #expect(status == (reasons[0].isEmpty ? .paid : .cancelled))
            #expect(try await shop.show(account).balanceMicros == (reasons[0].isEmpty ? 0 : 9_910_000))
        }
        #expect(try await shop.breaches() == [:])
    }

    @Test("While bills are outstanding an order cannot be paid (domain 4.2)")
    func overdue() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let order = try await shop.place(account).orderID
        _ = try await shop.post(.hour(account, endingAt: opening.adding(hours: 1)))
        let later = opening.adding(hours: 1)
        #expect(await reason { try await shop.pay(account, order, at: later) } == "account.overdue")
        #expect(
            await reason { try await shop.register(account, order, reference: "r", at: later) } == "account.overdue")
    }

    @Test("A step needs its saga, and a way to pay")
    func malformed() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        let order = try await shop.place(account).orderID
        #expect(await reason { try await shop.pay(account, order, saga: "") } == "saga.step_missing")
        #expect(
            await reason { try await shop.pay(account, order, method: .unspecified) } == "order.payment_method_missing")
    }

    @Test("An online payment pays its order with the money that was confirmed")
    func online() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let order = try await shop.place(account).orderID
        let payment = try await shop.register(account, order, reference: "wire-1")
        #expect(payment.amountMicros == 9_910_000 && payment.orderID == order)
        func pay(_ saga: String) async -> String {
            await reason {
                try await shop.pay(account, order, saga: saga, method: .online, payment: payment.paymentID)
            }
        }
        #expect(await pay("saga-1") == "payment.not_confirmed")
        #expect(try await shop.confirm("wire-1").payment?.status == .confirmed)
        #expect(try await shop.lastEntries(account) == ["EXTERNAL -9.910000", "CLEARING 9.910000"])
        #expect(try await shop.show(account).balanceMicros == 0)
        #expect(await pay("saga-2") == "")
        #expect(try await shop.lastEntries(account) == ["REVENUE 9.910000", "CLEARING -9.910000"])
        let paid = try await shop.order(account, order)
        #expect(paid.paymentMethod == .online && paid.paymentID == payment.paymentID)
        #expect(
            await reason { try await shop.giveBack(account, payment: payment.paymentID) } == "payment.not_confirmed")
        #expect(try await shop.breaches() == [:])
    }

    @Test("A payment of another order does not pay this one")
    func mismatch() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let first = try await shop.place(account).orderID
        let payment = try await shop.register(account, first, reference: "wire-1").paymentID
        _ = try await shop.confirm("wire-1")
        _ = try await shop.cancel(account, first)
        let second = try await shop.place(account).orderID
        #expect(
            await reason { try await shop.pay(account, second, method: .online, payment: payment) }
                == "payment.mismatch")
        let other = try await shop.account()
        let foreign = try await shop.place(other).orderID
        #expect(
            await reason { try await shop.pay(other, foreign, method: .online, payment: payment) }
                == "payment.not_found")
    }

    @Test("Money that is confirmed too late for its order is given back (domain 6.4)")
    func tooLate() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let order = try await shop.place(account).orderID
        let payment = try await shop.register(account, order, reference: "wire-1").paymentID
        _ = try await shop.cancel(account, order)
        #expect(await reason { try await shop.register(account, order, reference: "wire-2") } == "order.not_unpaid")
        #expect(try await shop.confirm("wire-1").payment?.status == .confirmed)
        #expect(
            await reason { try await shop.pay(account, order, method: .online, payment: payment) } == "order.not_unpaid"
        )
        #expect(try await shop.giveBack(account, payment: payment).payment?.status == .returned)
        #expect(try await shop.lastEntries(account) == ["EXTERNAL 9.910000", "CLEARING -9.910000"])
        #expect(await reason { try await shop.giveBack(account, payment: payment) } == "payment.not_confirmed")
        #expect(await reason { try await shop.confirm("wire-1") } == "payment.not_pending")
        #expect(try await shop.breaches() == [:])
    }

    @Test("The unpaid orders of a group that is gone are cancelled, those of others stay")
    func groupReleased() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let order = try await shop.place(account, kind: .switch, group: "ag-7").orderID
        func cancel(_ groups: [String], _ saga: String) async throws -> [String] {
            try await shop.service.cancelUnpaid(
                OrderV1.CancelUnpaidRequest(
                    step: CommonV1.SagaStep(sagaID: saga, definition: "release", step: "cancel"), groupIDs: groups),
                shop.call(OrderV1.OrderSteps.cancelUnpaid.descriptor, account, at: opening)
            ).orderIDs
        }
        #expect(try await cancel(["ag-8"], "saga-1") == [])
        #expect(try await cancel(["ag-8", "ag-7"], "saga-2") == [order])
        #expect(try await shop.order(account, order).cancellationCause == .groupReleased)
    }
}
