import BillingAPI
import BillingCore
import RPC
import Synchronization
import Testing

@testable import billing

/// Answers what a test gives it and remembers what was asked.
private final class CannedGateway: Sendable {
    private let requests = Mutex<[any WireMessage]>([])
    private let router = Mutex(Router())

    func on<Request, Reply>(_ method: Method<Request, Reply>, _ reply: Reply) {
        router.withLock {
            $0.handle(method) { (request: Request, _: CallContext) throws -> Response<Reply> in
                self.requests.withLock { $0.append(request) }
                return Response(reply)
            }
        }
    }

    func refuse<Request, Reply>(_ method: Method<Request, Reply>, _ error: RPCError) {
        router.withLock {
            $0.handle(method) { (request: Request, _: CallContext) throws -> Response<Reply> in
                self.requests.withLock { $0.append(request) }
                throw error
            }
        }
    }

    func asked<Request>(_: Request.Type) -> [Request] { requests.withLock { $0 }.compactMap { $0 as? Request } }

    func run(_ line: String..., answer: String? = nil) async -> CommandRun {
        let channel = InProcessChannel(router: router.withLock { $0 })
        return await CommandRun.run(
            line, on: GatewayDouble(), variables: ["BILLING_ACCOUNT": "acct-1"], answer: answer
        ) { _ in channel }
    }
}

/// 2026-04-10 15:20 in the billing time zone.
private let bought: Int64 = 1_775_805_600_000
private let days = Int64.millisecondsPerDay

@Suite("Commands about coupons, adjustments and notices") struct MoneyCommandTests {
    private let gateway = CannedGateway()

    @Test("A coupon is granted with its limits, and what it paid is told")
    func grant() async {
        gateway.on(
            GatewayV1.Accounts.grantCoupon,
            .init(
                coupon: .init(
                    couponID: "cpn-1", amountMicros: 10_000_000, remainingMicros: 9_582_800, effectiveAt: bought,
                    expiresAt: bought + 30 * days, products: ["cloud-phone"], billingMethods: [.payAsYouGo],
                    grantedAt: bought), settledMicros: 417_200, recovered: true))
        let result = await gateway.run(
            "coupon", "grant", "10", "--expires", "2026-05-10 15:20", "--product", "cloud-phone", "--method",
            "pay-as-you-go")
        #expect(result.status == .done)
        #expect(result.output.contains("left         9.5828 of 10.00\n"))
        #expect(result.output.contains("for          cloud-phone; pay-as-you-go\n"))
        #expect(result.output.contains("0.4172 of it paid outstanding bills.\nThe account is no longer overdue.\n"))
        let request = gateway.asked(OrderV1.GrantCouponRequest.self).first
        #expect(request?.amountMicros == 10_000_000)
        #expect(request?.expiresAt == bought + 30 * days)
        #expect((request?.effectiveAt, request?.minimumOrderMicros) == (0, 0))
        #expect(request?.products == ["cloud-phone"])
    }

    @Test("Coupons are listed with what is left of them")
    func list() async {
        gateway.on(
            GatewayV1.Accounts.listCoupons,
            .init(coupons: [
                .init(
                    couponID: "cpn-1", amountMicros: 10_000_000, remainingMicros: 2_500_000,
                    minimumOrderMicros: 5_000_000, effectiveAt: bought, expiresAt: bought + days, name: "spring")
            ]))
        let result = await gateway.run("coupon", "list", "--usable")
        #expect(
            result.output.hasSuffix(
                "cpn-1   spring  2.50  10.00           5.00  2026-04-10 15:20:00  2026-04-11 15:20:00  everything\n"))
        #expect(gateway.asked(OrderV1.ListCouponsRequest.self).map(\.usable) == [true])
    }

    @Test("An adjustment charges a positive amount and credits a negative one")
    func adjust() async {
        gateway.on(GatewayV1.Accounts.adjust, .init(adjustmentID: "adj-1", lineID: "line-1", settledMicros: 1_000_000))
        let charge = await gateway.run("account", "adjust", "--charge", "5", "--reason", "missing hours")
        #expect(charge.output.hasPrefix("Adjustment adj-1, bill line line-1.\n1.00 of it paid outstanding bills.\n"))
        _ = await gateway.run("account", "adjust", "acct-2", "--credit", "0.5", "--reason", "goodwill")
        let requests = gateway.asked(OrderV1.AdjustRequest.self)
        #expect(requests.map(\.amountMicros) == [5_000_000, -500_000])
        #expect(requests.map(\.reason) == ["missing hours", "goodwill"])
    }

    @Test("Notices are listed page by page with the deadline of the release")
    func notices() async {
        gateway.on(
            GatewayV1.Accounts.listNotices,
            .init(notices: [
                .init(sequence: 1, at: bought, kind: .lowBalance, amountMicros: 55_200),
                .init(sequence: 2, at: bought, kind: .overdue, amountMicros: 417_200, releaseAt: bought + 15 * days),
            ]))
        let result = await gateway.run("account", "notices")
        #expect(result.output.contains("1  2026-04-10 15:20:00  low-balance  0.0552  -      -\n"))
        #expect(result.output.contains("2  2026-04-10 15:20:00  overdue      0.4172  -      2026-04-25 15:20:00\n"))
        let json = await gateway.run("account", "notices", "--json")
        #expect(json.output.contains(#""kind":"low-balance","amount":"0.055200""#))
    }

    @Test("An overdue account shows since when, and when its groups are released")
    func overdue() async {
        let account = OrderV1.Account(
            accountID: "acct-1", outstandingMicros: 417_200, overdue: true, overdueAt: bought, couponMicros: 2_000_000)
        gateway.on(GatewayV1.Accounts.getAccount, .init(account: account))
        gateway.on(GatewayV1.Accounts.listAccounts, .init(accounts: [account]))
        let shown = await gateway.run("account", "show")
        #expect(shown.output.contains("usable coupons       2.00\n"))
        #expect(shown.output.contains("overdue              since 2026-04-10 15:20:00\n"))
        #expect(shown.output.contains("groups are released  2026-04-25 15:20:00\n"))
        let listed = await gateway.run("account", "list")
        #expect(listed.output.contains("since 2026-04-10 15:20:00  2026-04-25 15:20:00"))
    }
}

@Suite("Commands about refunds") struct RefundCommandTests {
    private let gateway = CannedGateway()
    private let refund = RefundV1.Refund(
        refundID: "ref-1", accountID: "acct-1", groupID: "ag-1", status: .closed, at: bought,
        amountMicros: 9_910_000, toBalanceMicros: 910_000, onlineMicros: 9_000_000,
        orders: [
            .init(
                orderID: "ord-1", cashPaidMicros: 9_910_000, refundMicros: 9_910_000, termDays: 31,
                inFullBecause: "creation failed", toBalanceMicros: 910_000, onlineMicros: 9_000_000)
        ], cause: "creation failed")

    @Test("The refund of a creation that failed is listed and shown, and its online part confirmed")
    func creationFailed() async {
        gateway.on(GatewayV1.Refunds.listRefunds, .init(refunds: [refund]))
        gateway.on(GatewayV1.Refunds.getRefund, .init(refund: refund))
        let listed = await gateway.run("refund", "list")
        #expect(
            listed.output.hasSuffix("ref-1   closed  ag-1   2026-04-10 15:20:00    9.91        0.91    9.00  no\n"),
            "\(listed.output)")
        let shown = await gateway.run("refund", "show", "ref-1")
        for text in ["because                creation failed\n", "9.00, pending\n", "creation failed\n"] {
            #expect(shown.output.contains(text), "\(shown.output)")
        }
        var arrived = refund
        arrived.onlineConfirmed = true
        gateway.on(GatewayV1.Refunds.confirmRefund, .init(refund: arrived))
        #expect(await gateway.run("refund", "confirm", "ref-1").output.contains("9.00, arrived\n"))
        #expect(gateway.asked(RefundV1.ConfirmRefundRequest.self).map(\.refundID) == ["ref-1"])
    }
}

@Suite("Commands about renewals") struct RenewalCommandTests {
    private let gateway = CannedGateway()
    private let quote = RefundV1.QuoteRefundReply(
        groupID: "ag-1", at: bought, amountMicros: 148_590_000,
        orders: [
            .init(
                orderID: "ord-2", cashPaidMicros: 148_590_000, refundMicros: 148_590_000, termDays: 92,
                inFullBecause: "pending renewal", couponLostMicros: 1_500_000, toBalanceMicros: 100_000_000,
                onlineMicros: 48_590_000)
        ], toBalanceMicros: 100_000_000, onlineMicros: 48_590_000, token: "token-2", losses: ["The renewal goes."])

    @Test("A renewal is ordered; --pay pays it, with the coupon that is named")
    func renew() async {
        gateway.on(
            GatewayV1.Orders.placeRenewalOrder,
            .init(order: .init(orderID: "ord-2", kind: .renewal, status: .unpaid, totalMicros: 148_590_000)))
        gateway.on(
            GatewayV1.Orders.payOrder,
            .init(
                order: .init(
                    orderID: "ord-2", kind: .renewal, status: .paid, paymentMethod: .balance, couponID: "cpn-1",
                    couponMicros: 10_000_000, balanceMicros: 138_590_000)))
        let placed = await gateway.run("group", "renew", "ag-1")
        #expect(placed.output.contains("next: billing order pay ord-2"))
        let paid = await gateway.run("group", "renew", "ag-1", "--months", "3", "--pay", "--coupon", "cpn-1")
        #expect(paid.output.contains("paid from  coupon 10.00, balance 138.59\ncoupon     cpn-1\n"))
        #expect(gateway.asked(GatewayV1.PlaceRenewalOrderRequest.self).map(\.months) == [0, 3])
        #expect(gateway.asked(GatewayV1.PayOrderRequest.self).map(\.couponID) == ["cpn-1"])
    }

    @Test("An order that was placed and refused to be paid says how to go on")
    func refusedPayment() async {
        gateway.on(
            GatewayV1.Orders.placeRenewalOrder,
            .init(order: .init(orderID: "ord-2", status: .unpaid, totalMicros: 148_590_000, deadlineAt: bought)))
        gateway.refuse(
            GatewayV1.Orders.payOrder,
            RPCError(.failedPrecondition, "account.insufficient_balance", "The balance is 0.00 USD."))
        let result = await gateway.run("group", "renew", "ag-1", "--pay", "--no-coupon")
        #expect(result.status == .refused)
        #expect(
            result.problem.hasPrefix(
                "Order ord-2 of 148.59 was placed and is unpaid until 2026-04-10 15:20:00: billing order pay ord-2 "
                    + "pays it, billing order cancel ord-2 gives it up.\n"))
        #expect(result.problem.contains("next: billing account top-up AMOUNT"))
        #expect(gateway.asked(GatewayV1.PayOrderRequest.self).map(\.withoutCoupon) == [true])
    }

    @Test("Cancelling a renewal shows what comes back and where to, and asks")
    func cancel() async {
        gateway.on(GatewayV1.Refunds.quoteRenewalRefund, quote)
        gateway.on(
            GatewayV1.Groups.cancelRenewal,
            .init(
                refund: .init(refundID: "ref-1", amountMicros: 148_590_000, renewalOnly: true),
                group: .init(groupID: "ag-1", status: .active)))
        let piped = await gateway.run("group", "cancel-renewal", "ag-1")
        #expect(piped.status == .usage)
        #expect(piped.problem.contains("Cancel the last renewal of ag-1 for a refund of 148.59?"))
        #expect(
            piped.output.contains(
                "ord-2     148.59  0 of 92        0.00  148.59      100.00   48.59         1.50  pending renewal\n"))
        #expect(piped.output.contains("if cancelled at        2026-04-10 15:20:00\n"))
        #expect(gateway.asked(GatewayV1.CancelRenewalRequest.self).isEmpty)
        let done = await gateway.run("group", "cancel-renewal", "ag-1", answer: "y")
        #expect(done.output.contains("the last pending renewal\n"))
        _ = await gateway.run("group", "cancel-renewal", "ag-1", "--token", "token-3")
        #expect(gateway.asked(GatewayV1.CancelRenewalRequest.self).map(\.token) == ["token-2", "token-3"])
        let told = await gateway.run("refund", "quote", "ag-1", "--renewal")
        #expect(told.output.hasSuffix("next: billing group cancel-renewal ag-1 --token token-2\n"))
    }

    @Test("Auto-renewal is switched on and off, and ordered with a group")
    func autoRenewal() async {
        gateway.on(GatewayV1.Groups.setAutoRenewal, .init(group: .init(groupID: "ag-1")))
        gateway.on(GatewayV1.Orders.placeNewOrder, .init(order: .init(orderID: "ord-1")))
        gateway.on(GatewayV1.Orders.placeSwitchOrder, .init(order: .init(orderID: "ord-1")))
        _ = await gateway.run("group", "auto-renew", "ag-1", "on", "--months", "6")
        _ = await gateway.run("group", "auto-renew", "ag-1", "off")
        #expect(
            gateway.asked(MeteringV1.SetAutoRenewalRequest.self) == [
                .init(groupID: "ag-1", enabled: true, months: 6), .init(groupID: "ag-1"),
            ])
        _ = await gateway.run(
            "order", "place", "--specification", "acp.std.small", "--region", "cn-hangzhou", "--instances", "3",
            "--months", "1", "--auto-renew")
        #expect(gateway.asked(GatewayV1.PlaceNewOrderRequest.self).map(\.autoRenewal) == [true])
        _ = await gateway.run(
            "group", "switch", "ag-1", "--months", "1", "--auto-renew", "--auto-renew-months", "12")
        #expect(gateway.asked(GatewayV1.PlaceSwitchOrderRequest.self).map(\.autoRenewalMonths) == [12])
    }

    @Test("A subscribed group shows its pending renewals and auto-renewal")
    func subscribed() async {
        let end = bought + 31 * days
        gateway.on(
            GatewayV1.Groups.getGroup,
            .init(
                group: .init(
                    groupID: "ag-1", status: .active, billingMethod: .subscription, termStart: bought, termEnd: end,
                    autoRenewal: true, autoRenewalMonths: 3,
                    pendingRenewals: [.init(orderID: "ord-2", start: end, end: end + 92 * days, months: 3)],
                    paidThrough: end + 92 * days, renewalAttemptAt: end - 3 * days)))
        let active = await gateway.run("group", "show", "ag-1")
        #expect(active.output.contains("paid through  2026-08-11 15:20:00\n"))
        #expect(active.output.contains("auto-renewal  on, 3 months each, next attempt 2026-05-08 15:20:00\n"))
        #expect(active.output.contains("ord-2                 3  2026-05-11 15:20:00  2026-08-11 15:20:00\n"))
    }

    @Test("An overdue group shows since when, and when it is released")
    func overdue() async {
        gateway.on(
            GatewayV1.Groups.getGroup,
            .init(
                group: .init(
                    groupID: "ag-1", status: .overdue, billingMethod: .payAsYouGo, overdueAt: bought,
                    releaseAt: bought + 15 * days)))
        let overdue = await gateway.run("group", "show", "ag-1")
        #expect(overdue.output.contains("overdue since         2026-04-10 15:20:00\n"))
        #expect(overdue.output.contains("released if not paid  2026-04-25 15:20:00\n"))
    }
}

@Suite("Commands that pay orders") struct PaymentCommandTests {
    private let gateway = CannedGateway()

    @Test("An online payment can take a part from the balance and a coupon, and says so")
    func mixed() async {
        gateway.on(
            GatewayV1.Orders.payOrder,
            .init(
                order: .init(orderID: "ord-1", status: .unpaid),
                payment: .init(
                    paymentID: "pay-1", reference: "wire-7", amountMicros: 18_070_000, status: .pending,
                    couponID: "cpn-1", couponMicros: 10_000_000, balanceMicros: 5_000_000)))
        let result = await gateway.run("order", "pay", "ord-1", "--online", "wire-7", "--balance", "5")
        #expect(
            result.output.hasPrefix(
                "The order is paid when billing payment confirm wire-7 tells that 18.07 came.\n"
                    + "Taken then as well: coupon cpn-1 10.00, balance 5.00.\n"))
        #expect(gateway.asked(GatewayV1.PayOrderRequest.self).map(\.balanceMicros) == [5_000_000])
    }

    @Test("A paid order is not paid again, and instants of a refusal are those of the tables")
    func notUnpaid() async {
        gateway.refuse(
            GatewayV1.Orders.payOrder,
            RPCError(
                .failedPrecondition, "order.not_unpaid", "Order ord-1 was paid at 2026-04-10T07:20:00Z.",
                field: "order_id", value: "ord-1"))
        let result = await gateway.run("order", "pay", "ord-1")
        #expect(
            result.problem
                == "billing: Order ord-1 was paid at 2026-04-10 15:20:00. (order.not_unpaid; order_id = ord-1)\n"
                + "next: nothing is left to pay; billing order show ORDER tells when and how it was settled.\n")
        let json = await gateway.run("order", "pay", "ord-1", "--json")
        #expect(json.problem.contains("2026-04-10T07:20:00Z"))
    }

    @Test(
        "Options that contradict each other are refused before anything is sent",
        arguments: [
            (["order", "pay", "ord-1", "--balance", "5"], "--online"),
            (["order", "pay", "ord-1", "--coupon", "cpn-1", "--no-coupon"], "--no-coupon"),
            (["order", "pay", "ord-1", "--coupon", ""], "billing coupon list"),
            (["group", "renew", "ag-1", "--no-coupon"], "--pay"),
            (["group", "switch", "ag-1", "--months", "1", "--auto-renew-months", "3"], "--auto-renew"),
            (["group", "switch", "ag-1", "--months", "1", "--quote", "--pay"], "--quote"),
            (["group", "auto-renew", "ag-1", "maybe"], "maybe"),
            (["group", "auto-renew", "ag-1", "off", "--months", "3"], "--months"),
            (["account", "adjust", "--reason", "x"], "--charge"),
            (["account", "adjust", "--charge", "1", "--credit", "1", "--reason", "x"], "--credit"),
            (["account", "adjust", "--charge", "1"], "--reason"),
            (["account", "adjust", "--charge", "-1", "--reason", "x"], "-1"),
            (["coupon", "grant", "10"], "--expires"), (["coupon", "grant", "0", "--expires", "2026-05-01"], "'0'"),
            (["coupon", "grant", "10", "--expires", "2026-05-01", "--effective", "2026-05-01"], "2026-05-01 00:00"),
            (["coupon", "grant", "10", "--expires", "2026-05-01", "--product", "phone"], "phone"),
        ] as [([String], String)])
    func usage(line: [String], text: String) async {
        let result = await CommandRun.run(line, on: GatewayDouble(), variables: ["BILLING_ACCOUNT": "acct-1"]) { _ in
            throw RPCError(.unavailable, "call.unreachable", "Nothing is to be sent.")
        }
        #expect(result.status == .usage)
        #expect(result.problem.contains(text))
    }
}
