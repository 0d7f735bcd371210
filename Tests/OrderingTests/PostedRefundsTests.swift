import BillingAPI
import BillingCore
import RPC
import Storage
import Testing

@testable import Ordering

@Suite("Refunds as they are told to the refund service") struct PostedRefundsTests {
    private func list(
        _ shop: Shop, _ request: OrderV1.ListPostedRefundsRequest = .init(partitionTo: 256)
    ) async throws -> OrderV1.ListPostedRefundsReply {
        try await shop.service.listPostedRefunds(
            request, shop.call(OrderV1.Bills.listPostedRefunds.descriptor, "", at: nil)
        ).message
    }

    @Test("Each order's part comes with what was paid for it, and with the whole refund's split")
    func lines() async throws {
        let shop = try Shop()
        let account = try await shop.account("50")
        try await shop.grant(account, "4")
        let order = try await shop.place(account)
        _ = try await shop.pay(account, order.orderID, coupon: "")
        let renewal = try await shop.place(account, kind: .renewal, group: order.groupID)
        let payment = try await shop.registerMixed(
            account, renewal.orderID, without: true, balance: "2"
        ).paymentID
        _ = try await shop.confirm("wire-1")
        _ = try await shop.service.payOrder(
            OrderV1.PayOrderRequest(
                step: CommonV1.SagaStep(sagaID: "saga-2", definition: "pay", step: "pay"), orderID: renewal.orderID,
                paymentMethod: .online, paymentID: payment,
                basis: OrderV1.RenewalBasis(
                    paidThrough: at("2026-04-11").milliseconds, nominalStart: opening.milliseconds, nominalMonths: 1)),
            shop.call(OrderV1.OrderSteps.payOrder.descriptor, account, at: opening))
        let later = opening.adding(hours: 5)
        _ = try await shop.refund(
            account, group: order.groupID, [(order.orderID, "1.5"), (renewal.orderID, "7")], at: later)
        _ = try await shop.confirmRefund("ref-1", at: later)
        #expect(try await shop.breaches() == [:])

        let told = try await list(shop)
        #expect(told.nextAccount == "" && told.refunds.count == 2)
        let parts = Dictionary(uniqueKeysWithValues: told.refunds.map { ($0.orderID, $0) })
        #expect(
            parts[order.orderID]
                == OrderV1.PostedRefund(
                    accountID: account, refundID: "ref-1", orderID: order.orderID, groupID: order.groupID,
                    at: later.milliseconds, amountMicros: 1_500_000, toBalanceMicros: 1_500_000,
                    onlineMicros: 7_000_000, confirmedAt: later.milliseconds, newOrder: true,
                    paidAt: opening.milliseconds, balanceMicros: 5_910_000, couponMicros: 4_000_000,
                    termStart: opening.milliseconds, termEnd: at("2026-04-11").milliseconds, months: 1,
                    listNanos: 9_905_700_000, priceListVersion: 1))
        let second = try #require(parts[renewal.orderID])
        #expect(!second.newOrder && second.amountMicros == 7_000_000 && second.paymentID == payment)
        #expect(second.balanceMicros == 2_000_000 && second.paidOnlineMicros == 7_910_000 && second.couponMicros == 0)
        #expect(second.termStart == at("2026-04-11").milliseconds && second.toBalanceMicros == 1_500_000)
    }

    @Test("What a coupon alone paid is told with what was restored, and an order or a refund that is gone without it")
    func gone() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        try await shop.grant(account, "20")
        let order = try await shop.place(account)
        _ = try await shop.pay(account, order.orderID, coupon: "")
        _ = try await shop.refundInFull(account, order.orderID)
        let told = try #require(try await list(shop).refunds.first)
        #expect(told.amountMicros == 0 && told.restoredMicros == 9_910_000 && told.couponMicros == 9_910_000)
        #expect(told.newOrder && told.toBalanceMicros == 0 && told.onlineMicros == 0 && told.confirmedAt == 0)
        try await shop.plant(["DELETE FROM customer_order"])
        let rest = try #require(try await list(shop).refunds.first)
        #expect(rest.orderID == order.orderID && rest.paidAt == 0 && !rest.newOrder && rest.couponMicros == 0)
        #expect(rest.restoredMicros == 9_910_000)
    }

    @Test("A range is told in pages of a thousand, each line once")
    func pages() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let other = try await shop.account("100")
        let order = try await shop.place(other)
        _ = try await shop.pay(other, order.orderID)
        _ = try await shop.refund(other, group: order.groupID, [(order.orderID, "1")], at: opening)
        try await shop.database.write { transaction in
            for number in 1...1000 {
                try transaction.execute(
                    """
                    INSERT INTO bill_source
                        (partition, account, number, kind, source_id, group_id, specification, region, instances,
                        created_at, months, order_id, refund_id)
                    VALUES (?, ?, ?, 3, ?, 'ag-1', '', '', 1, 5, 1, 'ord-1', ?)
                    """,
                    accountKey(account) + [.integer(number), .text("ref-x\(number)/ord-1"), .text("ref-x\(number)")])
                try transaction.execute(
                    "INSERT INTO bill_line VALUES (?, ?, 5, ?, 5, 1, 0, -1, 0, 0, 0, -1, 0, 5)",
                    accountKey(account) + [.integer(number)])
            }
        }
        var seen: [String] = []
        var request = OrderV1.ListPostedRefundsRequest(partitionTo: 256)
        var pages = 0
        repeat {
            let page = try await list(shop, request)
            seen += page.refunds.map { "\($0.accountID) \($0.refundID)" }
            pages += 1
            (request.afterAccount, request.partitionFrom, request.afterLine) =
                (page.nextAccount, page.nextPartition, page.nextLine)
        } while !request.afterAccount.isEmpty
        #expect(seen.count == 1001 && Set(seen).count == 1001 && pages == 2)
        let partition = UInt32(Partition.of(other))
        let own = try await list(shop, .init(partitionFrom: partition, partitionTo: partition + 1)).refunds
        #expect(own.filter { $0.accountID == other }.map(\.refundID) == ["ref-1"])
        #expect(await reason { try await list(shop, .init(partitionFrom: 9, partitionTo: 8)) } == "page.malformed")
    }
}
