import BillingAPI
import BillingCore
import RPC
import Testing

@Suite("Generated methods, clients and reflection") struct MethodTests {
    @Test(
        "Idempotency and limits come from the schema",
        arguments: [
            (PricingV1.Prices.quote.descriptor, "billing.pricing.v1.Prices/Quote", .read, .standard),
            (PricingV1.Prices.rate.descriptor, "billing.pricing.v1.Prices/Rate", .read, .batch),
            (OrderV1.OrderSteps.payOrder.descriptor, "billing.order.v1.OrderSteps/PayOrder", .keyed, .standard),
            (OrderV1.Bills.postUsage.descriptor, "billing.order.v1.Bills/PostUsage", .naturallyIdempotent, .batch),
        ] as [(MethodDescriptor, String, Idempotency, WireLimits)])
    func descriptor(method: MethodDescriptor, name: String, idempotency: Idempotency, limits: WireLimits) {
        #expect(method == MethodDescriptor(name: name, idempotency: idempotency, limits: limits))
    }

    @Test("A service lists all of its methods, and no two methods share an id")
    func all() {
        #expect(
            PricingV1.Prices.all.map(\.name).sorted() == [
                "billing.pricing.v1.Prices/CompareDraft", "billing.pricing.v1.Prices/Consumed",
                "billing.pricing.v1.Prices/Explain", "billing.pricing.v1.Prices/ListPrices",
                "billing.pricing.v1.Prices/PublishPrices", "billing.pricing.v1.Prices/Quote",
                "billing.pricing.v1.Prices/Rate",
            ])
        let services: [[MethodDescriptor]] = [
            CommonV1.Health.all, PricingV1.Prices.all, MeteringV1.Groups.all, MeteringV1.GroupSteps.all,
            MeteringV1.Resources.all, MeteringV1.Cuts.all, OrderV1.Accounts.all, OrderV1.Coupons.all,
            OrderV1.Payments.all, OrderV1.Orders.all,
            OrderV1.OrderSteps.all, OrderV1.Bills.all, RefundV1.Refunds.all, RefundV1.RefundSteps.all,
            GatewayV1.Prices.all, GatewayV1.Accounts.all, GatewayV1.Groups.all, GatewayV1.Resources.all,
            GatewayV1.Orders.all,
            GatewayV1.Payments.all, GatewayV1.Refunds.all, GatewayV1.Bills.all, GatewayV1.Operations.all,
        ]
        let ids = services.joined().map(\.id)
        #expect(Set(ids).count == ids.count)
    }

    @Test("A client sends its request under its method's name with the caller's options")
    func client() async throws {
        let channel = EchoChannel()
        let reply = try await PricingV1.PricesClient(channel).quote(
            PricingV1.QuoteRequest(specification: "acp.basic.small", region: "cn-hangzhou", instances: 2),
            CallOptions(account: "acct-1", deadline: .after(milliseconds: 1000)))
        #expect(reply.specification == "acp.basic.small")
        #expect(reply.effectiveAt == nil)
        await #expect(throws: RPCError(.unimplemented, "call.unknown_method", "acct-1 Prices/Rate")) {
            try await PricingV1.PricesClient(channel).rate(
                PricingV1.RateRequest(), CallOptions(account: "acct-1", deadline: .after(milliseconds: 1000)))
        }
    }

    @Test("Fields tell their names, order and values; an absent message is left out")
    func reflection() {
        let request = OrderV1.PayOrderRequest(orderID: "ord-1", paymentMethod: .balance)
        #expect(
            request.wireFields.map(\.name) == [
                "order_id", "payment_method", "payment_id", "coupon_id", "without_coupon",
            ])
        guard case .text("ord-1") = request.wireFields[0].value,
            case .enumeration("PAYMENT_METHOD_BALANCE") = request.wireFields[1].value
        else {
            Issue.record("\(request.wireFields)")
            return
        }
        let stepped = OrderV1.PayOrderRequest(step: CommonV1.SagaStep(sagaID: "saga-1", undo: true))
        guard case .message(let step) = stepped.wireFields[0].value, case .boolean(true) = step[3].value else {
            Issue.record("\(stepped.wireFields)")
            return
        }
        #expect(step.map(\.name) == ["saga_id", "definition", "step", "undo"])
    }

    @Test("Reflection names every field of every message that is set")
    func reflectionIsComplete() {
        func check<Message: Sampled>(_ type: Message.Type) {
            for seed in 1...10 as ClosedRange<UInt64> {
                let message = Message.sample(seed: seed)
                let children = Mirror(reflecting: message).children
                let absent = children.filter { Mirror(reflecting: $0.value).displayStyle == .optional }
                    .filter { Mirror(reflecting: $0.value).children.isEmpty }
                #expect(message.wireFields.count == children.count - absent.count, "\(Message.messageName)")
            }
        }
        for type in sampledMessages { check(type) }
    }
}

/// Answers a quote with its own specification, and refuses everything else.
private struct EchoChannel: Channel {
    func call<Request, Reply>(
        _ method: Method<Request, Reply>, _ request: Request, _ options: CallOptions
    ) async throws(RPCError) -> Response<Reply> {
        guard let quote = request as? PricingV1.QuoteRequest,
            let reply = PricingV1.QuoteReply(specification: quote.specification) as? Reply
        else {
            throw RPCError(
                .unimplemented, "call.unknown_method",
                "\(options.account) \(method.descriptor.name.split(separator: ".").last ?? "")")
        }
        return Response(reply)
    }
}
