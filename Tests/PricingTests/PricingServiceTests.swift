import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Testing

@testable import Pricing

@Suite("Pricing handlers") struct PricingServiceTests {
    private let service: PricingService

    init() async throws {
        service = try await PricingService.start(
            database: TestDatabase.make(migrations: PricingService.migrations),
            catalog: Repository.text("deploy/catalog.yaml"))
    }

    private func call(_ method: MethodDescriptor, at instant: String? = "2026-04-10 15:20") throws -> CallContext {
        CallContext(
            method: method, caller: .local, account: "", key: nil, effectiveAt: try instant.map { try at($0) },
            epoch: 0, traceID: 0, deadline: .after(milliseconds: 1000))
    }

    @Test("Every method is answered")
    func registration() {
        var router = Router()
        service.register(in: &router)
        #expect(router.handlers.count == PricingV1.Prices.all.count)
    }

    @Test("The price list is that of the instant asked for, else of the call")
    func listPrices() throws {
        let call = try call(PricingV1.Prices.listPrices.descriptor)
        let reply = try service.listPrices(.init(), call)
        #expect(reply.version == 1)
        #expect(reply.message.effectiveAt == (try at("2020-01-01").milliseconds))
        #expect(reply.specifications.map(\.edition).first == "Lightweight")
        #expect(reply.specifications[4].prices.map(\.hourlyNanos) == [152_400_000, 236_200_000])
        #expect(reply.specifications[4].prices.map(\.regionClass) == [.ml, .int])
        #expect(reply.regions.map(\.region).last == "ap-southeast-1")
        #expect(reply.termDiscounts.map(\.months) == [1, 2, 3, 6, 12])
        #expect(throws: PricingError.self) { try service.listPrices(.init(at: 1), call) }
        #expect(throws: PricingError.instant(-1, field: "at")) { try service.listPrices(.init(at: -1), call) }
        let unstamped = try self.call(PricingV1.Prices.listPrices.descriptor, at: nil)
        #expect(throws: RPCError.self) { try service.listPrices(.init(), unstamped) }
    }

    @Test("A quote carries all that an order keeps")
    func quote() throws {
        let reply = try service.quote(
            .init(specification: "acp.std.small", region: "cn-hangzhou", instances: 3, months: 1),
            call(PricingV1.Prices.quote.descriptor))
        #expect(reply.totalMicros == 41_600_000)
        #expect(reply.listNanos == 41_603_700_000)
        #expect(reply.priceListVersion == 1)
        #expect(reply.billingUnit == .fourHours)
        #expect(reply.unitMicros == 694_800)
        #expect(reply.termStart == (try at("2026-04-10 15:20").milliseconds))
        #expect(reply.termEnd == (try at("2026-05-11 00:00").milliseconds))
    }

    @Test("Slices are rated in columns, and a bad resource is named with its place")
    func rate() throws {
        let call = try call(PricingV1.Prices.rate.descriptor)
        let anchor = try at("2026-04-10 08:45:30").milliseconds
        var request = PricingV1.RateRequest(
            resources: [.init(specification: "acp.basic.small", region: "cn-hangzhou", instances: 1, anchor: anchor)],
            resource: [0], start: [anchor], end: [anchor + 870_000])
        let reply = try service.rate(request, call)
        #expect(reply.grossMicros == [11_044])
        #expect(reply.prices == [.init(priceListVersion: 1, hourlyNanos: 45_700_000)])
        request.resources.append(.init(specification: "acp.huge", region: "cn-hangzhou", instances: 1, anchor: anchor))
        let error = #expect(throws: PricingError.self) { try service.rate(request, call) }
        #expect(error?.field == "resources[1].specification")
        #expect(error?.reason == "price.unknown_specification")
    }

    @Test("Consumed amounts come in the order of the terms, by the version that each order was placed under")
    func consumed() throws {
        let call = try call(PricingV1.Prices.consumed.descriptor)
        var term = PricingV1.PaidTerm(
            orderID: "ord-1", priceListVersion: 1, months: 1, listNanos: 41_603_700_000,
            termStart: try at("2026-04-10 15:20").milliseconds, termEnd: try at("2026-05-11 00:00").milliseconds)
        let instant = try at("2026-04-22 15:20").milliseconds
        let reply = try service.consumed(.init(at: instant, terms: [term]), call)
        #expect(
            reply.terms == [
                .init(
                    orderID: "ord-1", usedDays: 12, termDays: 31, factorMillionths: 1_000_000,
                    consumedMicros: 16_100_000)
            ])
        term.priceListVersion = 9
        let error = #expect(throws: PricingError.self) {
            try service.consumed(.init(at: instant, terms: [term]), call)
        }
        #expect(error?.reason == "price.unknown_version")
        #expect(error?.field == "terms[0].price_list_version")
    }
}
