import BillingAPI
import BillingCore
import RPC
import Storage

struct PriceHandlers: Sendable {
    /// Things that one page of an impact looks at: what they would pay fits a public reply.
    private static let impactPage = 200

    let forwarding: Forwarding

    func register(in router: inout Router) {
        router.handle(GatewayV1.Prices.listPrices, listPrices)
        router.handle(GatewayV1.Prices.publishPrices, publishPrices)
        router.handle(GatewayV1.Prices.priceImpact, priceImpact)
        router.handle(GatewayV1.Prices.quote, quote)
        router.requireAll(GatewayV1.Prices.all)
    }

    func listPrices(
        _ request: PricingV1.ListPricesRequest, _ call: CallContext
    ) async throws -> Response<PricingV1.ListPricesReply> {
        try await forwarding.read(.pricing, PricingV1.Prices.listPrices, request, call)
    }

    /// Publishes the next version of the price list. No account is cut first: it takes effect later.
    func publishPrices(
        _ request: PricingV1.PublishPricesRequest, _ call: CallContext
    ) async throws -> Response<PricingV1.PublishPricesReply> {
        try await forwarding.write(.pricing, PricingV1.Prices.publishPrices, request, call, cutsFirst: false)
    }

    /// One page of what would be paid under a version that is not published. A page may have no impact and yet not be
    /// the last.
    func priceImpact(
        _ request: GatewayV1.PriceImpactRequest, _ call: CallContext
    ) async throws -> Response<GatewayV1.PriceImpactReply> {
        let cursor = try ImpactCursor(request.cursor)
        let instant = try forwarding.clock.instant(for: call)
        let billed = try await forwarding.ask(
            .metering, MeteringV1.Resources.listBilled,
            MeteringV1.ListBilledRequest(
                afterAccount: cursor.account, partitionFrom: cursor.partition, partitionTo: UInt32(Partition.count)),
            call, at: instant)
        let things = Array(billed.things.dropFirst(cursor.offset).prefix(Self.impactPage))
        let compared = try await forwarding.ask(
            .pricing, PricingV1.Prices.compareDraft,
            PricingV1.CompareDraftRequest(
                document: request.document,
                things: things.enumerated().map { PricingV1.BilledThing($1, id: String($0)) }), call, at: instant)
        var reply = GatewayV1.PriceImpactReply(
            version: compared.version, effectiveAt: compared.effectiveAt,
            changes: request.cursor.isEmpty ? compared.changes : [])
        for var impact in compared.impacts {
            guard let index = Int(impact.id), things.indices.contains(index) else {
                throw RPCError(.internalError, "call.internal", "Pricing compared '\(impact.id)', which nobody asked.")
            }
            impact.id = things[index].id
            reply.impacts.append(GatewayV1.ThingImpact(thing: things[index], impact: impact))
        }
        let seen = cursor.offset + things.count
        if seen < billed.things.count {
            reply.nextCursor = ImpactCursor(cursor.partition, cursor.account, offset: seen).text
        } else if !billed.nextAccount.isEmpty {
            reply.nextCursor = ImpactCursor(billed.nextPartition, billed.nextAccount, offset: 0).text
        }
        return Response(reply)
    }

    func quote(_ request: PricingV1.QuoteRequest, _ call: CallContext) async throws -> Response<PricingV1.QuoteReply> {
        try await forwarding.read(.pricing, PricingV1.Prices.quote, request, call)
    }
}

/// Where a page of an impact starts: in a page of metering's, after so many things. As text: "17.200.acct-1".
private struct ImpactCursor {
    let partition: UInt32
    let account: String
    let offset: Int

    init(_ partition: UInt32, _ account: String, offset: Int) {
        (self.partition, self.account, self.offset) = (partition, account, offset)
    }

    /// - Throws: `PageError.cursor`.
    init(_ text: String) throws {
        if text.isEmpty {
            self.init(0, "", offset: 0)
            return
        }
        let parts = text.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let partition = UInt32(parts[0]), partition < UInt32(Partition.count),
            let offset = Int(parts[1]), offset >= 0
        else { throw PageError.cursor(text) }
        self.init(partition, String(parts[2]), offset: offset)
    }

    var text: String { "\(partition).\(offset).\(account)" }
}

extension PricingV1.BilledThing {
    fileprivate init(_ thing: MeteringV1.Billed, id: String) {
        self.init(
            id: id, specification: thing.specification, region: thing.region, instances: thing.instances,
            billingMethod: thing.billingMethod, paidThrough: thing.paidThrough, months: thing.months,
            item: thing.item, quantity: thing.quantity)
    }
}
