import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Ordering

@Suite("Refunds") struct RefundTests {
    /// A paid order of 9.91 and its group.
    private func paid(
        _ shop: Shop, _ account: String, saga: String = "saga-pay", online: Bool = false
    ) async throws -> (order: String, group: String) {
        let order = try await shop.place(account)
        if online {
            let payment = try await shop.register(account, order.orderID, reference: "wire-\(order.orderID)").paymentID
            _ = try await shop.confirm("wire-\(order.orderID)")
            _ = try await shop.pay(account, order.orderID, saga: saga, method: .online, payment: payment)
        } else {
            _ = try await shop.pay(account, order.orderID, saga: saga)
        }
        return (order.orderID, order.groupID)
    }

    private let later = opening.adding(hours: 24 * 11)

    @Test("A refund of an order paid from the balance lands in the balance, with a line of its own")
    func toBalance() async throws {
        let shop = try Shop()
        let account = try await shop.account("9.91")
        let (order, group) = try await paid(shop, account)
        let reply = try await shop.refund(account, group: group, [(order, "6.40")], at: later)
        #expect(reply.amountMicros == 6_400_000 && reply.toBalanceMicros == 6_400_000 && reply.onlineMicros == 0)
        #expect(reply.at == later.milliseconds && reply.effectiveAt == later)
        #expect(try await shop.show(account).balanceMicros == 6_400_000)
        #expect(try await shop.lastEntries(account) == ["BALANCE 6.400000", "REVENUE -6.400000"])
        let refunded = try await shop.order(account, order)
        #expect(refunded.refundedMicros == 6_400_000 && refunded.refundedAt == later.milliseconds)
        #expect(refunded.status == .paid)
        let line = try #require(
            try await shop.wholeBill(account, OrderV1.ListBillRequest(itemKinds: [.refund], period: .details)).first)
        #expect(line.payableMicros == -6_400_000 && line.paidMicros == -6_400_000 && line.outstandingMicros == 0)
        #expect(line.refundID == "ref-1" && line.orderID == order && line.groupID == group)
        #expect(try await shop.breaches() == [:])
    }

    @Test("A refund on an overdue account pays its bills at once (domain 7.5)")
    func settles() async throws {
        let shop = try Shop()
        let account = try await shop.account("9.91")
        let (order, group) = try await paid(shop, account)
        _ = try await shop.post(.hour(account, endingAt: opening.adding(hours: 1)))
        #expect(try await shop.show(account).overdue)
        _ = try await shop.refund(account, group: group, [(order, "6.40")], at: later)
        let shown = try await shop.show(account)
        #expect(!shown.overdue && shown.balanceMicros == 6_400_000 - 472_400)
        #expect(
            try await shop.lastEntries(account) == ["BALANCE 5.927600", "RECEIVABLE 0.472400", "REVENUE -6.400000"])
        #expect(try await shop.breaches() == [:])
    }

    @Test("A refund of an order paid online is on its way until it is confirmed, once")
    func online() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let (order, group) = try await paid(shop, account, online: true)
        let reply = try await shop.refund(account, group: group, [(order, "6.40")], at: later)
        #expect(reply.onlineMicros == 6_400_000 && reply.toBalanceMicros == 0 && !reply.onlineConfirmed)
        #expect(try await shop.show(account).balanceMicros == 0)
        #expect(try await shop.lastEntries(account) == ["REVENUE -6.400000", "REFUND_PAYABLE 6.400000"])
        let other = try await shop.account(at: later)
        #expect(await reason { try await shop.confirmRefund("ref-1", account: other, at: later) } == "refund.not_found")
        #expect(try await shop.confirmRefund("ref-1", at: later).onlineConfirmed)
        #expect(try await shop.lastEntries(account) == ["EXTERNAL 6.400000", "REFUND_PAYABLE -6.400000"])
        #expect(await reason { try await shop.confirmRefund("ref-1", at: later) } == "refund.confirmed")
        #expect(await reason { try await shop.confirmRefund("ref-2", at: later) } == "refund.not_found")
        #expect(try await shop.breaches() == [:])
    }

    @Test("A refund to the balance has nothing to confirm")
    func nothingOnline() async throws {
        let shop = try Shop()
        let account = try await shop.account("9.91")
        let (order, group) = try await paid(shop, account)
        _ = try await shop.refund(account, group: group, [(order, "6.40")], at: later)
        #expect(await reason { try await shop.confirmRefund("ref-1", at: later) } == "refund.not_online")
    }

    @Test("No more is given back than was paid, in one refund or in several (M6)")
    func bound() async throws {
        let shop = try Shop()
        let account = try await shop.account("9.91")
        let (order, group) = try await paid(shop, account)
        func refund(_ amount: String, _ number: Int) async -> String {
            await reason {
                try await shop.refund(
                    account, group: group, [(order, amount)], id: "ref-\(number)", at: later, saga: "saga-\(number)")
            }
        }
        #expect(await refund("9.92", 1) == "refund.malformed")
        #expect(await refund("9.91", 2) == "")
        #expect(await refund("0.01", 3) == "refund.too_large")
        #expect(try await shop.show(account).balanceMicros == 9_910_000)
        #expect(try await shop.breaches() == [:])
    }

    @Test("A refund is refused for what it must not be")
    func malformed() async throws {
        let shop = try Shop()
        let account = try await shop.account("9.91")
        let (order, group) = try await paid(shop, account)
        let unpaid = try await shop.place(account, kind: .switch, group: group).orderID
        for (number, row)
            in ([
                ([], "refund.malformed"), ([(order, "0")], "money.not_positive"),
                ([(order, "-1")], "money.not_positive"), ([(order, "1"), (order, "1")], "refund.malformed"),
                ([("ord-0000000000000000", "1")], "order.not_found"), ([(unpaid, "1")], "refund.too_large"),
            ] as [([(String, String)], String)]).enumerated()
        {
            let reason = await reason {
                try await shop.refund(
                    account, group: group, row.0.map { (order: $0.0, amount: $0.1) }, at: later, saga: "saga-\(number)")
            }
            #expect(reason == row.1)
        }
        #expect(
            await reason { try await shop.refund(account, group: "ag-8", [(order, "1")], at: later) }
                == "order.not_found")
        #expect(
            await reason {
                try await shop.refund(account, group: group, [(order, "1")], id: "acct-1", at: later, saga: "saga-x")
            } == "id.malformed")
        #expect(try await shop.breaches() == [:])
    }

    @Test("A refund that was undone before it came is never posted; one that was posted is not undone")
    func pivot() async throws {
        let shop = try Shop()
        let account = try await shop.account("9.91")
        let (order, group) = try await paid(shop, account)
        let amounts = [(order: order, amount: "1")]
        _ = try await shop.refund(account, group: group, amounts, at: later, undo: true, saga: "saga-1")
        #expect(
            await reason { try await shop.refund(account, group: group, amounts, at: later, saga: "saga-1") }
                == "saga.undone")
        let first = try await shop.refund(account, group: group, amounts, at: later, saga: "saga-2")
        let second = try await shop.refund(account, group: group, amounts, at: later, saga: "saga-2")
        #expect(second.isReplay && second.message == first.message)
        #expect(
            await reason {
                try await shop.refund(account, group: group, amounts, at: later, undo: true, saga: "saga-2")
            }
                == "saga.already_done")
        // The refund's id is spent, whatever saga sends it.
        #expect(
            await reason { try await shop.refund(account, group: group, amounts, at: later, saga: "saga-3") }
                == "refund.malformed")
        #expect(try await shop.show(account).balanceMicros == 1_000_000)
    }

    @Test("An order whose group never came up is given back in full the way it was paid", arguments: [false, true])
    func inFull(_ online: Bool) async throws {
        let shop = try Shop()
        let account = try await shop.account(online ? "0" : "9.91")
        let (order, _) = try await paid(shop, account, online: online)
        func refund(_ saga: String, _ id: String) async throws -> OrderV1.RefundPostedReply {
            try await shop.service.refundInFull(
                OrderV1.RefundInFullRequest(
                    step: CommonV1.SagaStep(sagaID: saga, definition: "creation-failed", step: "refund"),
                    orderID: order, refundID: id),
                shop.call(OrderV1.OrderSteps.refundInFull.descriptor, account, at: later)
            ).message
        }
        let reply = try await refund("saga-1", "ref-1")
        #expect(reply.amountMicros == 9_910_000)
        #expect(reply.toBalanceMicros == (online ? 0 : 9_910_000))
        #expect(try await refund("saga-1", "ref-1") == reply)
        #expect(await reason { try await refund("saga-2", "ref-2") } == "refund.too_large")
        #expect(try await shop.show(account).balanceMicros == (online ? 0 : 9_910_000))
        let total = try await shop.bill(account, OrderV1.ListBillRequest(period: .total)).total
        #expect(total?.payableMicros == 0 && total?.lines == 2)
        #expect(try await shop.breaches() == [:])
    }
}
