import QuoteAPI
import RPC
import RPCZeroMQ

/// Answers quotes: at once, and from a handler that waits once.
enum QuoteServer {
    static func start(on reactor: Reactor, endpoint: String) async throws -> ZeroMQServer {
        var router = Router()
        router.handle(QuoteV1.Quotes.ask) { request, _ in Response(answer(request)) }
        // The task gives way, and goes on in the reactor's next look at what is runnable.
        router.handle(QuoteV1.Quotes.askLater) { request, _ in
            await Task.yield()
            return Response(answer(request))
        }
        return try await ZeroMQServer.start(on: reactor, endpoint: endpoint, router: router)
    }

    /// The same arithmetic as `answer` in `c/quote.c`.
    private static func answer(_ request: QuoteV1.AskRequest) -> QuoteV1.AskReply {
        let monthMicros: Int64 = 297_171_000
        let gross = monthMicros * Int64(request.instances) * Int64(request.months)
        return QuoteV1.AskReply(
            specification: request.specification, region: request.region, instances: request.instances,
            priceListVersion: 7, grossMicros: gross, discountMicros: gross / 10, totalMicros: gross - gross / 10,
            validUntil: request.at + 900_000,
            levels: (0..<3).map { index in
                let level = monthMicros + 1000 * Int64(index)
                return QuoteV1.PriceLevel(
                    instances: UInt32(50 * (index + 1)), unitNanos: level * 100, monthMicros: level)
            })
    }
}
