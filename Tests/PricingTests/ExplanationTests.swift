import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Testing

@testable import Pricing

@Suite("Explanations") struct ExplanationTests {
    private let service: PricingService

    init() async throws {
        service = try await PricingService.start(
            database: TestDatabase.make(migrations: PricingService.migrations),
            catalog: Repository.text("deploy/catalog.yaml"))
    }

    private func explain(_ request: PricingV1.ExplainRequest) throws -> Response<PricingV1.ExplainReply> {
        try service.explain(
            request,
            CallContext(
                method: PricingV1.Prices.explain.descriptor, caller: .local, account: "", key: nil,
                effectiveAt: at("2026-04-10 15:20"), epoch: 0, traceID: 0, deadline: .after(milliseconds: 1000)))
    }

    @Test("A slice of a group is shown as A(end) - A(start)")
    func group() throws {
        // The last slice of example 2.
        let reply = try explain(
            .init(
                slice: .init(
                    resource: .init(
                        specification: "acp.basic.small", region: "cn-hangzhou", instances: 1,
                        anchor: at("2026-04-10 08:45:30").milliseconds), billingUnit: .fourHours,
                    start: at("2026-04-10 12:00").milliseconds, end: at("2026-04-10 12:45:30").milliseconds,
                    priceListVersion: 1, priceNanos: 45_700_000)))
        #expect(reply.amountMicros == 34_656)
        #expect(reply.steps[3] == "At the end of the slice, after 4 h 0 min 0 s: A = 0.182800.")
        #expect(reply.steps[4] == "At its start, after 3 h 14 min 30 s: A = 0.148144.")
        #expect(reply.steps[5] == "The slice of 0 h 45 min 30 s costs 0.182800 - 0.148144 = 0.034656 USD.")
    }

    @Test("A clock hour of a value-added item is shown with the hours of its month")
    func item() throws {
        let reply = try explain(
            .init(
                slice: .init(
                    resource: .init(region: "cn-hangzhou", item: "oss", quantity: 1000), billingUnit: .clockHour,
                    start: at("2026-02-10 12:10").milliseconds, end: at("2026-02-10 13:00").milliseconds,
                    priceListVersion: 1, priceNanos: 17_300_000)))
        #expect(reply.amountMicros == 25_744)
        #expect(reply.steps.last == "0.0173 x 1000 / 672, floored to 0.000001 USD = 0.025744 USD.")
    }

    @Test("An order is shown with its product and its one rounding")
    func order() throws {
        let reply = try explain(
            .init(
                order: .init(
                    specification: "acp.basic.small", region: "cn-hangzhou", instances: 10, months: 1,
                    priceListVersion: 1)))
        #expect(reply.amountMicros == 99_060_000)
        #expect(reply.discountMicros == 0)
        #expect(reply.steps[1] == "9.9057 x 10 phones x 1 months = 99.0570 USD.")
    }

    @Test("What was consumed is shown with its days, factor and rounding")
    func consumed() throws {
        // Example 9, at 15:20:01.
        let reply = try explain(
            .init(
                consumed: .init(
                    term: .init(
                        priceListVersion: 1, listNanos: 41_603_700_000, termStart: at("2026-04-10 15:20").milliseconds,
                        termEnd: at("2026-05-11 00:00").milliseconds),
                    at: at("2026-04-22 15:20:01").milliseconds)))
        #expect(reply.amountMicros == 17_450_000)
        #expect(
            reply.steps.last == "41.6037 / 31 x 13 x 1.00, rounded half up to the cent = 17.45 USD.")
    }

    @Test("A request that names nothing, or several things, is refused")
    func refusals() throws {
        #expect(throws: PricingError.nothingToExplain) { try explain(.init()) }
        #expect(throws: PricingError.nothingToExplain) { try explain(.init(consumed: .init(), order: .init())) }
        #expect(throws: PricingError.nothingToExplain) { try explain(.init(consumed: .init())) }
        #expect(throws: PricingError.storedPrice(-1)) {
            try explain(
                .init(
                    slice: .init(
                        resource: .init(region: "cn-hangzhou", item: "eip", quantity: 1), start: 1, end: 2,
                        priceListVersion: 1, priceNanos: -1)))
        }
    }
}
