import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Ordering

@Suite("Mixed payments") struct MixedPaymentTests {
    /// An order of 9.91 paid with a coupon of 4, 2.50 from the balance and 3.41 online; 7.50 stay in the balance.
    private func paid(_ shop: Shop) async throws -> (account: String, order: OrderV1.Order, coupon: String) {
        let account = try await shop.account("10")
        let coupon = try await shop.grant(account, "4")
        let order = try await shop.place(account).orderID
        let payment = try await shop.registerMixed(account, order, balance: "2.5")
        #expect(payment.amountMicros == 3_410_000 && payment.balanceMicros == 2_500_000)
        #expect(payment.couponID == coupon && payment.couponMicros == 4_000_000)
        // Nothing is reserved by the announcement.
        #expect(try await shop.show(account).balanceMicros == 10_000_000)
        #expect(try await shop.left(account) == [coupon: "4.00"])
        _ = try await shop.confirm("wire-1")
        let reply = try await shop.pay(account, order, method: .online, payment: payment.paymentID)
        return (account, try #require(reply.order), coupon)
    }

    @Test("Coupon, balance and online payment sum to the price, in the order, the journal and the line")
    func parts() async throws {
        let shop = try Shop()
        let (account, order, coupon) = try await paid(shop)
        #expect(order.paymentMethod == .online && order.couponID == coupon && order.couponMicros == 4_000_000)
        #expect(order.balanceMicros == 2_500_000 && order.onlineMicros == 3_410_000)
        #expect(order.couponMicros + order.balanceMicros + order.onlineMicros == order.totalMicros)
        #expect(
            try await shop.lastEntries(account) == [
                "BALANCE -2.500000", "REVENUE 9.910000", "CLEARING -3.410000", "COUPON -4.000000",
            ])
        let line = try #require(try await shop.lines(account).first)
        #expect(line.grossMicros == 9_910_000 && line.couponMicros == 4_000_000 && line.payableMicros == 5_910_000)
        #expect(line.paidMicros == 5_910_000 && line.status == .paid)
        #expect(
            try await shop.paidBy(account, line: line.lineID) == ["coupon 4.00", "online 3.41", "balance 2.50"])
        #expect(try await shop.show(account).balanceMicros == 7_500_000)
        #expect(try await shop.left(account) == [coupon: "0.00"])
        #expect(try await shop.breaches() == [:])
    }

    @Test("A group that never came up gives each part back the way it came, the coupon too (domain 7.4, 7.5)")
    func inFull() async throws {
        let shop = try Shop()
        let (account, order, coupon) = try await paid(shop)
        let reply = try await shop.refundInFull(account, order.orderID)
        #expect(reply.amountMicros == 5_910_000)
        #expect(reply.toBalanceMicros == 2_500_000 && reply.onlineMicros == 3_410_000 && !reply.onlineConfirmed)
        #expect(
            try await shop.lastEntries(account) == [
                "BALANCE 2.500000", "REVENUE -9.910000", "REFUND_PAYABLE 3.410000", "COUPON 4.000000",
            ])
        #expect(try await shop.show(account).balanceMicros == 10_000_000)
        #expect(try await shop.left(account) == [coupon: "4.00"])
        let line = try #require(try await shop.lines(account, [.refund]).first)
        #expect(line.grossMicros == -9_910_000 && line.couponMicros == -4_000_000 && line.payableMicros == -5_910_000)
        #expect(try await shop.confirmRefund("ref-1", at: opening).onlineConfirmed)
        #expect(try await shop.lastEntries(account) == ["EXTERNAL 3.410000", "REFUND_PAYABLE -3.410000"])
        #expect(try await shop.breaches() == [:])
    }

    private func refund(
        _ shop: Shop, _ account: String, _ order: OrderV1.Order, _ amount: Int64, _ balance: Int64, _ online: Int64,
        id: String = "ref-1"
    ) async throws -> OrderV1.RefundPostedReply {
        try await shop.service.postRefund(
            OrderV1.PostRefundRequest(
                step: CommonV1.SagaStep(sagaID: "saga-\(id)", definition: "unsubscribe", step: "pay"), refundID: id,
                groupID: order.groupID, at: opening.milliseconds,
                lines: [
                    OrderV1.RefundLine(
                        orderID: order.orderID, amountMicros: amount, toBalanceMicros: balance, onlineMicros: online)
                ]),
            shop.call(OrderV1.OrderSteps.postRefund.descriptor, account, at: opening)
        ).message
    }

    @Test("What an unsubscription gives back goes both ways, and the coupon is lost")
    func partial() async throws {
        let shop = try Shop()
        let (account, order, coupon) = try await paid(shop)
        let reply = try await refund(shop, account, order, 2_400_000, 1_010_000, 1_390_000)
        #expect(reply.toBalanceMicros == 1_010_000 && reply.onlineMicros == 1_390_000)
        #expect(
            try await shop.lastEntries(account) == [
                "BALANCE 1.010000", "REVENUE -2.400000", "REFUND_PAYABLE 1.390000",
            ])
        #expect(try await shop.left(account) == [coupon: "0.00"])
        // What the coupon paid is no cash: no more than 5.91 comes back in all.
        #expect(
            await reason { try await refund(shop, account, order, 3_520_000, 1_500_000, 2_020_000, id: "ref-2") }
                == "refund.too_large")
        #expect(
            await reason { try await refund(shop, account, order, 3_510_000, 1_490_000, 2_020_000, id: "ref-3") } == "")
        #expect(await reason { try await shop.refundInFull(account, order.orderID, id: "ref-4") } == "refund.too_large")
        #expect(try await shop.breaches() == [:])
    }

    @Test(
        "No way gets back a cent more than came by it, and the two ways sum to the amount",
        arguments: [
            ("5.91", "2.50", "3.41", ""), ("2.50", "2.50", "0", ""), ("3.41", "0", "3.41", ""),
            // The odd cent of a division may go the larger way.
            ("2.509999", "2.509999", "0", ""), ("2.51", "2.51", "0", "to_balance_micros"),
            ("3.42", "0", "3.42", "online_micros"), ("1", "1.5", "-0.5", "online_micros"),
            ("1", "-0.5", "1.5", "to_balance_micros"), ("1", "0.5", "0.51", "amount_micros"),
            ("1", "0.5", "0.49", "amount_micros"), ("9.91", "2.50", "3.41", "amount_micros"),
        ])
    func ways(_ amount: String, _ balance: String, _ online: String, _ field: String) throws {
        let parts = PaymentParts(
            balance: try Money("2.50"), online: try Money("3.41"), couponID: try CouponID("cpn-1"),
            coupon: try Money("4"))
        let order = Order(
            id: try OrderID("ord-1"), account: try AccountID("acct-1"), kind: .new, groupID: try GroupID("ag-1"),
            offer: try OrderOffer(quote()), name: "", network: "default", placedAt: opening,
            state: .paid(
                Order.Payment(
                    at: opening, method: .online, paymentID: "pay-1", term: Period(opening, opening.adding(hours: 1)),
                    parts: parts)))
        let (money, toBalance, toOnline) = (try Money(amount), try Money(balance), try Money(online))
        guard field.isEmpty else {
            let error = #expect(throws: OrderError.self) {
                try RefundShare(order: order, amount: money, toBalance: toBalance, online: toOnline)
            }
            #expect(error?.reason == "refund.malformed" && error?.field == field)
            return
        }
        let share = try RefundShare(order: order, amount: money, toBalance: toBalance, online: toOnline)
        #expect(share.toBalance == toBalance && share.online == toOnline && share.restored == .zero)
        let whole = try RefundShare(whole: order)
        #expect(whole.amount == (try Money("5.91")) && whole.coupon == parts.couponID && whole.restored == parts.coupon)
    }

    @Test(
        "An online payment is of what the others leave, and there must be something left",
        arguments: [
            ("4", "0", false, "5.91", ""), ("4", "5.909999", false, "0.000001", ""),
            ("4", "5.91", false, "", "payment.nothing_to_pay"), ("4", "6", false, "", "payment.nothing_to_pay"),
            ("9.91", "0", false, "", "payment.nothing_to_pay"), ("20", "0", false, "", "payment.nothing_to_pay"),
            ("20", "0", true, "9.91", ""), ("4", "-0.000001", false, "", "payment.balance_part"),
        ])
    func register(
        _ coupon: String, _ balance: String, _ without: Bool, _ due: String, _ expected: String
    ) async throws {
        let shop = try Shop()
        let account = try await shop.account()
        try await shop.grant(account, coupon)
        let order = try await shop.place(account).orderID
        let refusal = await reason {
            let payment = try await shop.registerMixed(account, order, without: without, balance: balance)
            #expect(Money(micros: payment.amountMicros).shortDescription == due)
        }
        #expect(refusal == expected)
    }

    /// What happens between the announcement and the payment.
    enum Change: CaseIterable, Sendable { case balanceSpent, couponSpent, couponExpired, nothing }

    @Test(
        "What an online payment counts on must be there when it pays; else all of it is given back",
        arguments: Change.allCases)
    func counting(_ change: Change) async throws {
        let shop = try Shop()
        let account = try await shop.account("2.5")
        let later = opening.adding(hours: 1)
        let coupon = try await shop.grant(account, "4") {
            if change == .couponExpired { $0.expiresAt = later.milliseconds }
        }
        let order = try await shop.place(account).orderID
        let payment = try await shop.registerMixed(account, order, balance: "2.5").paymentID
        _ = try await shop.confirm("wire-1")
        let expected: String
        switch change {
        case .balanceSpent:
            _ = try await shop.adjust(account, "0.000001")
            expected = "order.insufficient_balance"
        case .couponSpent:
            _ = try await shop.post(.hour(account, endingAt: later, "0.000001"))
            expected = "coupon.changed"
        case .couponExpired: expected = "coupon.expired"
        case .nothing: expected = ""
        }
        let before = try await shop.show(account)
        #expect(
            await reason { try await shop.pay(account, order, method: .online, payment: payment, at: later) }
                == expected)
        guard change != .nothing else { return }
        #expect(try await shop.order(account, order).status == .unpaid)
        #expect(try await shop.giveBack(account, payment: payment, at: later).payment?.status == .returned)
        #expect(try await shop.lastEntries(account) == ["EXTERNAL 3.410000", "CLEARING -3.410000"])
        #expect(try await shop.show(account).balanceMicros == before.balanceMicros)
        #expect(try await shop.left(account) == [coupon: change == .couponSpent ? "3.999999" : "4.00"])
        #expect(try await shop.breaches() == [:])
    }
}
