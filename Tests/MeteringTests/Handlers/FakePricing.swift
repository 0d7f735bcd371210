import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Synchronization

/// Rates by the formula of domain 2.5 from the price page, without versions.
final class FakePricing: Sendable {
    /// Nano-dollars an instance-hour, in the mainland and outside.
    private static let hourly: [String: (mainland: Int64, outside: Int64)] = [
        "acp.basic.small": (45_700_000, 70_900_000), "acp.std.small": (57_900_000, 89_800_000),
        "acp.std.medium": (61_000_000, 94_500_000), "acp.std.large": (80_800_000, 125_200_000),
        "acp.perf.large": (152_400_000, 236_200_000),
    ]
    /// Nano-dollars an hour, a Mbps-hour, and for OSS a GiB-month.
    private static let items: [String: (mainland: Int64, outside: Int64)] = [
        "nat-gateway": (34_000_000, 43_000_000), "eip": (5_000_000, 6_000_000),
        "shared-bandwidth": (10_000_000, 20_000_000), "oss": (20_000_000, 25_000_000),
    ]
    private static let regions = ["cn-hangzhou": true, "ap-southeast-1": false]

    private struct State {
        var quotes: [PricingV1.QuoteRequest] = []
        var largestRate = 0
        var failures = 0
        var isWrong = false
    }
    private let state = Mutex(State())

    var quotes: [PricingV1.QuoteRequest] { state.withLock { $0.quotes } }
    /// Most slices that one call asked for.
    var largestRate: Int { state.withLock { $0.largestRate } }
    /// Refuses as many calls of `Rate` as unavailable.
    func fail(_ times: Int) { state.withLock { $0.failures = times } }
    /// Leaves the last slice out of its answers.
    func answerWrongly(_ isWrong: Bool) { state.withLock { $0.isWrong = isWrong } }

    var channel: RouterChannel {
        var router = Router()
        router.handle(PricingV1.Prices.quote) { [self] request, _ in try quote(request) }
        router.handle(PricingV1.Prices.rate) { [self] request, _ in try rate(request) }
        return RouterChannel(router: router)
    }

    static func price(_ specification: String, _ region: String) throws -> Int64 {
        guard let prices = hourly[specification] ?? items[specification] else {
            throw RPCError(.notFound, "price.unknown_specification", "unknown", value: specification)
        }
        guard let isMainland = regions[region] else {
            throw RPCError(.notFound, "price.unknown_region", "unknown", value: region)
        }
        return isMainland ? prices.mainland : prices.outside
    }

    /// What a clock hour of an item costs that is touched at `start`.
    static func clockHour(_ nanos: Int64, _ resource: PricingV1.RatedResource, at start: Int64) -> Int64 {
        var hours: Int64 = 1
        if resource.item == "oss" {
            let date = BillingCalendar.date(of: Timestamp(milliseconds: start))
            hours = Int64(CivilDate.length(year: date.year, month: date.month)) * 24
        }
        return Rounding.floor.divide(Int128(nanos) * Int128(resource.quantity), by: 1000 * Int128(hours))
    }

    /// What `instances` cost from the anchor to an instant.
    static func accrued(_ nanos: Int64, _ instances: UInt32, from anchor: Int64, to end: Int64) -> Int64 {
        let product = Int128(nanos) * Int128(instances) * Int128(end - anchor)
        return Rounding.floor.divide(product, by: Int128(Int64.millisecondsPerHour) * 1000)
    }

    private func quote(_ request: PricingV1.QuoteRequest) throws -> Response<PricingV1.QuoteReply> {
        state.withLock { $0.quotes.append(request) }
        _ = try Self.price(request.specification, request.region)
        let isLegacy = Timestamp(milliseconds: request.at) < instant("2025-05-06 00:00")
        return Response(PricingV1.QuoteReply(billingUnit: isLegacy ? .second : .fourHours))
    }

    private func rate(_ request: PricingV1.RateRequest) throws -> Response<PricingV1.RateReply> {
        try state.withLock { state in
            state.largestRate = max(state.largestRate, request.resource.count)
            guard state.failures == 0 else {
                state.failures -= 1
                throw RPCError(.unavailable, "test.down", "down")
            }
        }
        var reply = PricingV1.RateReply()
        var prices: [Int64: UInt32] = [:]
        for slice in request.resource.indices.dropLast(state.withLock { $0.isWrong } ? 1 : 0) {
            let resource = request.resources[Int(request.resource[slice])]
            let isGroup = resource.item.isEmpty
            let nanos = try Self.price(isGroup ? resource.specification : resource.item, resource.region)
            let amount = { FakePricing.accrued(nanos, resource.instances, from: resource.anchor, to: $0) }
            if prices[nanos] == nil {
                prices[nanos] = UInt32(reply.prices.count)
                reply.prices.append(PricingV1.AppliedPrice(priceListVersion: 1, hourlyNanos: nanos))
            }
            reply.slice.append(UInt32(slice))
            reply.start.append(request.start[slice])
            reply.end.append(request.end[slice])
            reply.price.append(prices[nanos] ?? 0)
            reply.grossMicros.append(
                isGroup
                    ? amount(request.end[slice]) - amount(request.start[slice])
                    : Self.clockHour(nanos, resource, at: request.start[slice]))
        }
        return Response(reply)
    }
}
