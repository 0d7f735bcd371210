import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Ordering

@Suite("Recovery from overdue") struct RecoveryTests {
    /// The ways in which money reaches outstanding bills (domain 3.2, 3.4, 4.3, 7.4, 7.5, 9.4).
    enum Means: CaseIterable, Sendable {
        case topUp, onlineTopUp, coupon, refund, refundInFull, adjustment
    }

    private static let cut = opening.adding(hours: 1)
    private static let later = opening.adding(hours: 30)

    /// An account that owes 0.4724 since `cut`, and a paid order of 9.91 and an announced top-up of `amount`.
    private func overdue(_ shop: Shop, amount: String) async throws -> (account: String, order: OrderV1.Order) {
        let account = try await shop.account("9.91")
        let order = try await shop.place(account)
        _ = try await shop.pay(account, order.orderID)
        _ = try await shop.topUp(account, amount, reference: "wire-1")
        _ = try await shop.post(.hour(account, endingAt: Self.cut))
        let shown = try await shop.show(account)
        #expect(shown.overdue && shown.overdueAt == Self.cut.milliseconds && shown.outstandingMicros == 472_400)
        return (account, order)
    }

    /// Brings `amount` to the account.
    /// - Returns: whether the answer says that the account recovered.
    private func bring(
        _ amount: String, by means: Means, _ shop: Shop, _ account: String, _ order: OrderV1.Order,
        at instant: Timestamp = later
    ) async throws -> Bool {
        switch means {
        case .topUp: try await shop.topUp(account, amount, at: instant).recovered
        case .onlineTopUp: try await shop.confirm("wire-1", at: instant).recovered
        case .coupon: try await shop.granted(account, amount, at: instant).recovered
        case .refund:
            try await shop.refund(account, group: order.groupID, [(order.orderID, amount)], at: instant).recovered
        case .refundInFull: try await shop.refundInFull(account, order.orderID, at: instant).recovered
        case .adjustment: try await shop.adjust(account, "-" + amount, at: instant).recovered
        }
    }

    @Test(
        "Outstanding reaching zero ends it at that instant, by whatever means, and the answer and a notice say so",
        arguments: Means.allCases)
    func recovers(_ means: Means) async throws {
        let shop = try Shop()
        let (account, order) = try await overdue(shop, amount: "0.4724")
        #expect(try await bring("0.4724", by: means, shop, account, order))
        let shown = try await shop.show(account)
        #expect(!shown.overdue && shown.overdueAt == 0 && shown.outstandingMicros == 0)
        #expect(shown.balanceMicros == (means == .refundInFull ? 9_910_000 - 472_400 : 0))
        #expect(try await shop.notices(account).last == "+30:00 recovered 0.00")
        #expect(try await shop.nextDue(after: opening).noticeAt == 0)
        let line = try #require(try await shop.lines(account, [.payAsYouGoBill]).first)
        #expect(line.status == .paid && line.paidMicros == 472_400)
        // Paid by a coupon later, the line's own coupon column stays: it tells what was posted.
        #expect(line.couponMicros == 0)
        #expect(
            try await shop.paidBy(account, line: line.lineID) == [means == .coupon ? "coupon 0.4724" : "credit 0.4724"])
        // It can buy again, and a release that was due since the cut is refused.
        #expect(await reason { try await claim(shop, account) } == "account.not_overdue")
        #expect(await reason { try await shop.place(account, at: Self.later) } == "")
        #expect(try await shop.breaches() == [:])
    }

    private func claim(_ shop: Shop, _ account: String) async throws -> Response<OrderV1.AccountReply> {
        try await shop.service.claimOverdue(
            OrderV1.ClaimOverdueRequest(
                step: CommonV1.SagaStep(sagaID: "saga-release", definition: "release", step: "claim"),
                overdueAt: Self.cut.milliseconds),
            shop.call(OrderV1.OrderSteps.claimOverdue.descriptor, account, at: Self.later))
    }

    @Test(
        "A micro-dollar less changes the debt and nothing else",
        arguments: Means.allCases.filter { $0 != .refundInFull })
    func falls(_ means: Means) async throws {
        let shop = try Shop()
        let (account, order) = try await overdue(shop, amount: "0.472399")
        #expect(try await !bring("0.472399", by: means, shop, account, order))
        let shown = try await shop.show(account)
        #expect(shown.overdue && shown.overdueAt == Self.cut.milliseconds && shown.outstandingMicros == 1)
        #expect(try await shop.notices(account).last == "+1:00 overdue 0.4724")
        #expect(try await shop.nextDue(after: opening).noticeAt == Self.cut.adding(hours: 24).milliseconds)
        #expect(await reason { try await shop.place(account, at: Self.later) } == "account.overdue")
        // The same deadline: the release is due as it was.
        #expect(try await claim(shop, account).effectiveAt == Self.later)
        // The rest may come by any other means.
        let rest = means == .adjustment ? Means.topUp : .adjustment
        #expect(try await bring("0.000001", by: rest, shop, account, order))
        #expect(try await !shop.show(account).overdue)
        #expect(try await shop.breaches() == [:])
    }

    /// A coupon of 5, and whether its grant pays the use of a group and of a NAT gateway.
    struct Grant: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let paysPhones: Bool
        let paysGateways: Bool
        let change: @Sendable (inout OrderV1.GrantCouponRequest) -> Void

        init(
            _ description: String, phones: Bool, gateways: Bool,
            _ change: @escaping @Sendable (inout OrderV1.GrantCouponRequest) -> Void
        ) {
            (testDescription, paysPhones, paysGateways, self.change) = (description, phones, gateways, change)
        }
    }

    @Test(
        "A grant pays the outstanding bills that it applies to, and recovers the account only if those are all",
        arguments: [
            Grant("all products", phones: true, gateways: true) { _ in },
            Grant("cloud phones", phones: true, gateways: false) { $0.products = ["cloud-phone"] },
            Grant("NAT gateways", phones: false, gateways: true) { $0.products = ["nat-gateway", "oss"] },
            Grant("other products", phones: false, gateways: false) { $0.products = ["oss"] },
            Grant("subscriptions", phones: false, gateways: false) { $0.billingMethods = [.subscription] },
            Grant("pay-as-you-go", phones: true, gateways: true) { $0.billingMethods = [.payAsYouGo] },
            Grant("a minimum order", phones: false, gateways: false) { $0.minimumOrderMicros = 1 },
            Grant("from a millisecond later on", phones: false, gateways: false) {
                $0.effectiveAt = later.milliseconds + 1
            },
            Grant("from that instant on", phones: true, gateways: true) { $0.effectiveAt = later.milliseconds },
        ])
    func grants(_ grant: Grant) async throws {
        let shop = try Shop()
        let account = try await shop.account()
        var usage = Usage(cutAt: Self.cut)
        try usage.add(account, "ag-1", from: opening, to: Self.cut, "0.4724")
        try usage.add(account, .natGateway, "nat-1", from: opening, to: Self.cut, "0.034")
        _ = try await shop.post(usage)
        let reply = try await shop.granted(account, "5", at: Self.later, grant.change)
        #expect(reply.recovered == (grant.paysPhones && grant.paysGateways))
        #expect(reply.settledMicros == (grant.paysPhones ? 472_400 : 0) + (grant.paysGateways ? 34_000 : 0))
        #expect(reply.coupon?.remainingMicros == 5_000_000 - reply.settledMicros)
        let owed = Dictionary(
            uniqueKeysWithValues: try await shop.lines(account).map { ($0.product, $0.outstandingMicros) })
        #expect(owed["cloud-phone"] == (grant.paysPhones ? 0 : 472_400))
        #expect(owed["nat-gateway"] == (grant.paysGateways ? 0 : 34_000))
        #expect(try await shop.show(account).overdue == !reply.recovered)
        #expect(try await shop.breaches() == [:])
    }

    private func acknowledge(
        _ shop: Shop, _ account: String, at instant: Timestamp, saga: String = "saga-resume"
    ) async throws {
        _ = try await shop.service.acknowledgeRecovery(
            OrderV1.AcknowledgeRecoveryRequest(
                step: CommonV1.SagaStep(sagaID: saga, definition: "resume", step: "acknowledge"),
                at: instant.milliseconds),
            shop.call(OrderV1.OrderSteps.acknowledgeRecovery.descriptor, account, at: instant))
    }

    @Test("A cut that is repeated names the account that it found overdue, though it has recovered since")
    func repeatedCut() async throws {
        let shop = try Shop()
        let (account, other) = (try await shop.account(), try await shop.account("10"))
        var usage = Usage(cutAt: Self.cut)
        try usage.add(account, "ag-1", from: opening, to: Self.cut, "0.4724")
        try usage.add(other, "ag-2", from: opening, to: Self.cut, "0.4724")
        #expect(try await shop.post(usage).overdueAccounts == [account])
        // Stamped before the cut it comes after it: it is moved up to it.
        let topUp = try await shop.topUp(account, "5", at: Self.cut.adding(milliseconds: -10))
        #expect(topUp.message.recovered && topUp.effectiveAt == Self.cut)
        let again = try await shop.post(usage)
        #expect(again.posted == 0 && again.overdueAccounts == [account])
        #expect(try await shop.post(.hour(account, endingAt: Self.cut.adding(hours: 1))).overdueAccounts == [])
    }

    @Test(
        "The close of a month recovers an account that owes no more than the fraction of a cent, and names it until somebody sees to it"
    )
    func monthClose() async throws {
        let shop = try Shop()
        let end = at("2026-04-01")
        // 0.4724 costs 0.47 after the close: what 0.47 leaves is the fraction; one micro-dollar more is not.
        let (account, other) = (try await shop.account("0.47"), try await shop.account("0.469999"))
        for account in [account, other] {
            _ = try await shop.post(.hour(account, endingAt: end.adding(hours: -2)))
            #expect(try await shop.show(account).overdue)
        }
        let reply = try await shop.closeMonths(through: end)
        let recovery = OrderV1.Recovery(accountID: account, at: end.milliseconds)
        #expect(reply == OrderV1.CloseMonthsReply(accounts: 2, recoveries: [recovery]))
        let (shown, owing) = (try await shop.show(account), try await shop.show(other))
        #expect(!shown.overdue && shown.outstandingMicros == 0 && shown.balanceMicros == 0)
        #expect(owing.overdue && owing.outstandingMicros == 1)
        #expect(owing.overdueAt == end.adding(hours: -2).milliseconds)
        #expect(try await shop.notices(account).last == "+519:00 recovered 0.00")
        // A repeat closes nothing, and tells again whom metering has to start, as does whatever asks what is due.
        for hours in [0, 1, 100] as [Int64] {
            let again = try await shop.closeMonths(through: end.adding(hours: hours))
            #expect(again == OrderV1.CloseMonthsReply(recoveries: [recovery]))
        }
        #expect(try await shop.nextDue(after: opening).monthCloseAt == end.milliseconds)
        let late = end.adding(hours: 50).adding(milliseconds: 7)
        #expect(try await shop.nextDue(after: late).monthCloseAt == end.adding(hours: 51).milliseconds)
        try await acknowledge(shop, account, at: end.adding(milliseconds: 1))
        #expect(try await shop.closeMonths(through: end).recoveries == [recovery])
        try await acknowledge(shop, account, at: end, saga: "saga-resume-2")
        #expect(try await shop.closeMonths(through: end).recoveries == [])
        #expect(try await shop.nextDue(after: opening).monthCloseAt == 0)
        #expect(try await shop.breaches() == [:])
    }
}
