import BillingAPI
import BillingCore
import RPC

/// The coupon of a payment from the balance: one by its id, none, or, if neither is said, the best that applies.
struct CouponChoice: Sendable {
    var couponID = ""
    var isDeclined = false
}

/// Starts the saga that pays an order, for its owner or for whoever confirmed an online payment.
struct OrderPayment: Sendable {
    let forwarding: Forwarding
    let engine: SagaEngine
    let provisioner: MeteringV1.Provisioner

    /// - Parameters:
    ///   - payment: the confirmed online payment, with the coupon that was fixed for it; `nil`: from the balance.
    ///   - coupon: which coupon a payment from the balance uses.
    /// - Throws: what refused it; `GatewayError.orderKindNotPayable`.
    func pay<Request: WireMessage, Reply: WireMessage>(
        _ order: OrderV1.Order, with payment: OrderV1.Payment?, _ coupon: CouponChoice, _ call: CallContext,
        _ request: Request, at instant: Timestamp
    ) async throws -> Response<Reply> {
        let frozen = OrderV1.PayOrderRequest(
            orderID: order.orderID, paymentMethod: payment == nil ? .balance : .online,
            paymentID: payment?.paymentID ?? "", couponID: coupon.couponID, withoutCoupon: coupon.isDeclined)
        switch order.kind {
        case .switch:
            let input = FrozenMessages(
                frozen, MeteringV1.SwitchGroupRequest(groupID: order.groupID), payment ?? OrderV1.Payment())
            return try await engine.run(.paySwitch, group: order.groupID, input: input, call, request, at: instant)
        case .new:
            let group = MeteringV1.CreateGroupRequest(
                specification: order.specification, region: order.region, instances: order.instances,
                name: order.name, network: order.network, provisioner: provisioner, groupID: order.groupID)
            let input = FrozenMessages(frozen, group, payment ?? OrderV1.Payment())
            return try await engine.run(.payNew, group: order.groupID, input: input, call, request, at: instant)
        case .renewal:
            let lock = MeteringV1.LockGroupRequest(
                groupID: order.groupID, billingMethod: .subscription, orExpired: true)
            let input = FrozenMessages(frozen, lock, payment ?? OrderV1.Payment())
            return try await engine.run(.payRenewal, group: order.groupID, input: input, call, request, at: instant)
        case .unspecified:
            throw GatewayError.orderKindNotPayable(order.orderID)
        }
    }

    func order(_ id: String, _ call: CallContext, at instant: Timestamp) async throws -> OrderV1.Order {
        try await forwarding.ask(
            .order, OrderV1.Orders.getOrder, OrderV1.GetOrderRequest(orderID: id), call, at: instant
        ).order ?? OrderV1.Order()
    }
}
