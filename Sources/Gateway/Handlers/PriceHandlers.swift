import BillingAPI
import RPC

struct PriceHandlers: Sendable {
    let forwarding: Forwarding

    func register(in router: inout Router) {
        router.handle(GatewayV1.Prices.listPrices, listPrices)
        router.handle(GatewayV1.Prices.quote, quote)
        router.requireAll(GatewayV1.Prices.all)
    }

    func listPrices(
        _ request: PricingV1.ListPricesRequest, _ call: CallContext
    ) async throws -> Response<PricingV1.ListPricesReply> {
        try await forwarding.read(.pricing, PricingV1.Prices.listPrices, request, call)
    }

    func quote(_ request: PricingV1.QuoteRequest, _ call: CallContext) async throws -> Response<PricingV1.QuoteReply> {
        try await forwarding.read(.pricing, PricingV1.Prices.quote, request, call)
    }
}
