import BillingAPI
import BillingCore
import RPC

// Whatever clears a debt: one write in order, and if that ended the account's being overdue, metering is told. Order
// alone knows whether the account is overdue when the write takes effect, so even a write that turns out to clear nothing
// starts as a saga.

/// A write of the order service that may pay the last debt of an account.
protocol SettlingRequest: WireMessage {
    var step: CommonV1.SagaStep? { get set }
}

/// What order answers to it.
protocol SettlingReply: WireMessage {
    /// Whether the account was overdue and is not any more.
    var recovered: Bool { get }
}

extension OrderV1.TopUpRequest: SettlingRequest {}
extension OrderV1.TopUpReply: SettlingReply {}
extension OrderV1.ConfirmPaymentRequest: SettlingRequest {}
extension OrderV1.PaymentReply: SettlingReply {}
extension OrderV1.GrantCouponRequest: SettlingRequest {}
extension OrderV1.StartCouponRequest: SettlingRequest {}
extension OrderV1.GrantCouponReply: SettlingReply {}
extension OrderV1.AdjustRequest: SettlingRequest {}
extension OrderV1.AdjustReply: SettlingReply {}

extension SagaDefinition {
    /// Adds money that is there. Input: `order.TopUpRequest`.
    static let topUp = settling("top-up", OrderV1.Accounts.topUp) { $0 }

    /// Books a top-up whose online payment was confirmed. Input: `order.ConfirmPaymentRequest`.
    static let confirmTopUp = settling("confirm-top-up", OrderV1.Payments.confirmPayment) { reply in
        GatewayV1.ConfirmPaymentReply(payment: reply.payment, account: reply.account)
    }

    /// Grants a coupon, which pays outstanding bills that it applies to. Input: `order.GrantCouponRequest`.
    static let grantCoupon = settling("grant-coupon", OrderV1.Coupons.grantCoupon) { $0 }

    /// Lets a coupon that becomes effective pay outstanding bills. The clock starts it. Input: `order.StartCouponRequest`.
    static let startCoupon = settling(
        "start-coupon", OrderV1.OrderSteps.startCoupon, beforeReleases: true
    ) { $0 }

    /// Charges or credits a correction. Input: `order.AdjustRequest`.
    static let adjust = settling("adjust", OrderV1.Accounts.adjust) { $0 }

    /// - Parameters:
    ///   - beforeReleases: whether it comes before the releases of its instant (domain 10).
    ///   - answer: what the API answers when order answers that.
    private static func settling<Request: SettlingRequest, Reply: SettlingReply>(
        _ name: String, _ method: Method<Request, Reply>, beforeReleases: Bool = false,
        answer: @escaping @Sendable (Reply) -> any WireMessage
    ) -> SagaDefinition {
        let post: Step.Call = { saga throws(RPCError) in
            var request = try saga.input.message(0, as: Request.self)
            request.step = saga.step
            return .to(.order, method, request, at: saga.callInstant)
        }
        return SagaDefinition(
            name, holdsLock: false, pivot: "post",
            steps: [Step("post", action: post, undo: post)]
                + Step.resuming(beforeReleases: beforeReleases) { saga throws(RPCError) in
                    try saga.reply(of: "post", as: Reply.self).recovered ? saga.instant(of: "post") : nil
                },
            reply: { saga throws(RPCError) in
                saga.answer(answer(try saga.reply(of: "post", as: Reply.self)), at: saga.instant(of: "post"))
            })
    }
}
