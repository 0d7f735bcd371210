import BillingAPI
import BillingCore
import RPC

struct OrderHandlers: Sendable {
    let forwarding: Forwarding
    let engine: SagaEngine
    let payments: OrderPayment

    func register(in router: inout Router) {
        router.handle(GatewayV1.Orders.placeNewOrder, placeNewOrder)
        router.handle(GatewayV1.Orders.placeSwitchOrder, placeSwitchOrder)
        router.handle(GatewayV1.Orders.placeRenewalOrder, placeRenewalOrder)
        router.handle(GatewayV1.Orders.payOrder, payOrder)
        router.handle(GatewayV1.Orders.cancelOrder, cancelOrder)
        router.handle(GatewayV1.Orders.getOrder, getOrder)
        router.handle(GatewayV1.Orders.listOrders, listOrders)
        router.requireAll(GatewayV1.Orders.all)
    }

    /// Places an unpaid order for a new group at the prices of the stamped instant.
    func placeNewOrder(
        _ request: GatewayV1.PlaceNewOrderRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.OrderReply> {
        try await forwarding.compose(.order, OrderV1.Orders.placeOrder, request, call) { instant in
            let quote = try await quote(
                request.specification, request.region, request.instances, request.months,
                renewedFor: request.autoRenewalMonths, call, at: instant)
            return OrderV1.PlaceOrderRequest(
                kind: .new, name: request.name, network: request.network, quote: quote,
                autoRenewal: request.autoRenewal, autoRenewalMonths: request.autoRenewalMonths)
        }
    }

    /// Places an unpaid order that will switch a group when paid (domain 6.2).
    /// - Throws: `GatewayError.groupNotActive`, `.groupNotPayAsYouGo`; "order.unpaid_orders" from the order service.
    func placeSwitchOrder(
        _ request: GatewayV1.PlaceSwitchOrderRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.OrderReply> {
        try await forwarding.compose(.order, OrderV1.Orders.placeOrder, request, call) { instant in
            let group = try await group(request.groupID, call, at: instant)
            guard group.status == .active else {
                throw GatewayError.groupNotActive(request.groupID, status: group.status.text)
            }
            guard group.billingMethod == .payAsYouGo else { throw GatewayError.groupNotPayAsYouGo(request.groupID) }
            let quote = try await quote(
                group.specification, group.region, group.instances, request.months,
                renewedFor: request.autoRenewalMonths, call, at: instant)
            return OrderV1.PlaceOrderRequest(
                kind: .switch, groupID: group.groupID, quote: quote, autoRenewal: request.autoRenewal,
                autoRenewalMonths: request.autoRenewalMonths)
        }
    }

    /// Places an unpaid order that will renew a subscription when paid: before it expires, or after, as long as the
    /// group is not released (domain 5.3).
    /// - Throws: `GatewayError.groupNotSubscription`, `.groupNotRenewable`; what the order service refuses.
    func placeRenewalOrder(
        _ request: GatewayV1.PlaceRenewalOrderRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.OrderReply> {
        try await forwarding.compose(.order, OrderV1.Orders.placeOrder, request, call) { instant in
            let group = try await group(request.groupID, call, at: instant)
            guard group.billingMethod == .subscription else {
                throw GatewayError.groupNotSubscription(request.groupID)
            }
            guard group.status == .active || group.status == .expired else {
                throw GatewayError.groupNotRenewable(request.groupID, status: group.status.text)
            }
            let boughtLast = group.pendingRenewals.last?.months ?? group.months
            let quote = try await quote(
                group.specification, group.region, group.instances, request.months == 0 ? boughtLast : request.months,
                renewedFor: 0, call, at: instant)
            return OrderV1.PlaceOrderRequest(
                kind: .renewal, groupID: group.groupID, name: group.name, network: group.network, quote: quote)
        }
    }

    /// Pays an order from the balance, or announces an online payment that somebody else will confirm.
    func payOrder(
        _ request: GatewayV1.PayOrderRequest, _ call: CallContext
    ) async throws -> Response<GatewayV1.PayOrderReply> {
        if let earlier: Response<GatewayV1.PayOrderReply> = try await engine.earlier(call, request) { return earlier }
        guard request.couponID.isEmpty || !request.withoutCoupon else {
            throw GatewayError.couponNamedAndDeclined(request.couponID)
        }
        try await forwarding.claim(call, request)
        switch request.paymentMethod {
        case .online:
            let response = try await forwarding.write(
                .order, OrderV1.Payments.registerPayment,
                OrderV1.RegisterPaymentRequest(
                    orderID: request.orderID, reference: request.reference, couponID: request.couponID,
                    withoutCoupon: request.withoutCoupon, balanceMicros: request.balanceMicros), call)
            return Response(
                GatewayV1.PayOrderReply(payment: response.message.payment), isReplay: response.isReplay,
                effectiveAt: response.effectiveAt)
        case .balance, .unspecified:
            guard request.reference.isEmpty else {
                throw GatewayError.paymentMethodReference("A payment from the balance has no external reference.")
            }
            guard request.balanceMicros == 0 else {
                throw GatewayError.balancePart(Money(micros: request.balanceMicros))
            }
            return try await forwarding.clock.stamped(call) { instant in
                try await forwarding.clock.cutBefore(call, at: instant)
                let order = try await payments.order(request.orderID, call, at: instant)
                guard order.status == .unpaid else { throw GatewayError.orderNotUnpaid(order.orderID) }
                let coupon = CouponChoice(couponID: request.couponID, isDeclined: request.withoutCoupon)
                return try await payments.pay(order, with: nil, coupon, call, request, at: instant)
            }
        }
    }

    func cancelOrder(
        _ request: OrderV1.CancelOrderRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.OrderReply> {
        try await forwarding.write(.order, OrderV1.Orders.cancelOrder, request, call)
    }

    func getOrder(
        _ request: OrderV1.GetOrderRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.OrderReply> {
        try await forwarding.read(.order, OrderV1.Orders.getOrder, request, call)
    }

    func listOrders(
        _ request: OrderV1.ListOrdersRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListOrdersReply> {
        try await forwarding.read(.order, OrderV1.Orders.listOrders, request, call)
    }

    private func group(
        _ id: String, _ call: CallContext, at instant: Timestamp
    ) async throws -> MeteringV1.InstanceGroup {
        try await forwarding.ask(
            .metering, MeteringV1.Groups.getGroup, MeteringV1.GetGroupRequest(groupID: id), call, at: instant
        ).group ?? MeteringV1.InstanceGroup()
    }

    /// - Parameter renewedFor: the months that auto-renewal will buy; 0: as many as are bought now. A duration that is
    ///   not sold is refused before anybody pays.
    private func quote(
        _ specification: String, _ region: String, _ instances: UInt32, _ months: UInt32, renewedFor: UInt32,
        _ call: CallContext, at instant: Timestamp
    ) async throws -> PricingV1.QuoteReply {
        guard months > 0 else { throw GatewayError.durationMissing }
        var request = PricingV1.QuoteRequest(
            specification: specification, region: region, instances: instances, months: months,
            at: instant.milliseconds)
        let quote = try await forwarding.ask(.pricing, PricingV1.Prices.quote, request, call, at: instant)
        if renewedFor != 0, renewedFor != months {
            request.months = renewedFor
            _ = try await forwarding.ask(.pricing, PricingV1.Prices.quote, request, call, at: instant)
        }
        return quote
    }
}

extension MeteringV1.GroupStatus {
    /// For a person: "active".
    var text: String {
        switch self {
        case .unspecified: "unknown"
        case .creating: "creating"
        case .active: "active"
        case .overdue: "overdue"
        case .expired: "expired"
        case .released: "released"
        }
    }
}
