import BillingAPI
import BillingCore
import Foundation
import RPC
import Synchronization
import Testing

@testable import billing

/// The gateway's price lists: two pages of impact, and what was asked for.
private final class PricesDouble: Sendable {
    private let state = Mutex<[any WireMessage]>([])
    private let refusal = Mutex<RPCError?>(nil)
    private let isEmpty = Mutex(false)

    var requests: [any WireMessage] { state.withLock { $0 } }
    var published: [GatewayV1.PriceImpactRequest] { requests.compactMap { $0 as? GatewayV1.PriceImpactRequest } }
    func refuse(_ error: RPCError) { refusal.withLock { $0 = error } }
    func changeNothing() { isEmpty.withLock { $0 = true } }

    private func take(_ request: any WireMessage) throws {
        state.withLock { $0.append(request) }
        if let error = refusal.withLock({ $0 }) { throw error }
    }

    private static let may: Int64 = 1_777_564_800_000
    private static let changes: [PricingV1.PriceChange] = [
        .init(what: "acp.basic.small ML hourly", before: 45_700_000, after: 50_000_000),
        .init(what: "term discount 12 months", before: 1_000_000, after: 850_000),
        .init(what: "unconditional refund days", before: 0, after: 5),
        .init(what: "billing unit of groups created from 2026-05-01 00:00:00", before: 14_400, after: 1),
    ]

    private static func impact(
        _ id: String, specification: String = "", instances: UInt32 = 0, item: String = "", quantity: Int64 = 0,
        _ before: Int64, _ after: Int64, per: String
    ) -> GatewayV1.ThingImpact {
        .init(
            thing: .init(
                accountID: "acct-1", id: id, specification: specification, region: "cn-hangzhou", instances: instances,
                item: item, quantity: quantity),
            impact: .init(id: id, from: may, beforeMicros: before, afterMicros: after, per: per))
    }

    var router: Router {
        var router = Router()
        router.handle(GatewayV1.Prices.listPrices) { [self] request, _ in
            try take(request)
            return Response(
                .init(
                    version: request.version == 0 ? 1 : request.version, effectiveAt: 1_577_808_000_000,
                    valueAddedItems: [
                        .init(
                            item: "eip", name: "Elastic IP address", priceUnit: "hour",
                            prices: [
                                .init(regionClass: .ml, priceNanos: 5_000_000),
                                .init(regionClass: .int, priceNanos: 6_000_000),
                            ], isExample: true),
                        .init(
                            item: "streaming", name: "Streaming traffic", priceUnit: "hour",
                            prices: [.init(regionClass: .ml), .init(regionClass: .int)]),
                    ], scheduled: [.init(version: 2, effectiveAt: Self.may)]))
        }
        router.handle(GatewayV1.Prices.priceImpact) { [self] request, _ in
            try take(request)
            var reply = GatewayV1.PriceImpactReply(version: 2, effectiveAt: Self.may)
            if isEmpty.withLock({ $0 }) { return Response(reply) }
            if request.cursor.isEmpty {
                reply.changes = Self.changes
                reply.nextCursor = "second"
                reply.impacts = [
                    Self.impact("ag-1", specification: "acp.basic.small", instances: 2, 91_400, 100_000, per: "hour")
                ]
            } else {
                reply.impacts = [
                    Self.impact("nat-1", item: "nat-gateway", quantity: 1, 34_000, 30_000, per: "hour"),
                    Self.impact(
                        "ag-2", specification: "acp.basic.small", instances: 10, 99_060_000, 100_000_000,
                        per: "renewal of 1 month"),
                ]
            }
            return Response(reply)
        }
        router.handle(GatewayV1.Prices.publishPrices) { [self] request, _ in
            try take(request)
            return Response(.init(version: 2, effectiveAt: Self.may, changes: Self.changes))
        }
        return router
    }
}

@Suite("Prices") struct PriceCommandTests {
    private let gateway = GatewayDouble()
    private let prices = PricesDouble()

    private func run(_ line: String..., answer: String? = nil) async -> CommandRun {
        let channel = InProcessChannel(router: prices.router)
        return await CommandRun.run(line, on: gateway, answer: answer, connect: { _ in channel })
    }

    /// Gives `body` the name of a file with this content.
    private func with(_ content: String, _ body: (String) async throws -> Void) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "draft-\(UUID().uuidString).yaml")
        try Data(content.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        try await body(file.path())
    }

    @Test("The list shows value-added items, marks examples and what is free, and names what is published to follow")
    func list() async {
        let result = await run("price", "list")
        #expect(result.status == .done)
        #expect(
            result.output.contains(
                "item       name                per       ML     INT  note\n"
                    + "eip        Elastic IP address  hour  0.0050  0.0060  example price\n"
                    + "streaming  Streaming traffic   hour  0.0000  0.0000  free\n"))
        #expect(result.output.hasSuffix("Published to follow: price list 2, in force from 2026-05-01 00:00:00\n"))
    }

    @Test("A version is shown by its number")
    func show() async {
        let result = await run("price", "show", "7")
        #expect(result.output.hasPrefix("Price list 7, in force from 2020-01-01 00:00:00; USD for one phone\n"))
        #expect(prices.requests.compactMap { ($0 as? PricingV1.ListPricesRequest)?.version } == [7])
        for wrong in ["0", "x", "-1"] {
            let result = await run("price", "show", "--", wrong)
            #expect(result.status == .usage)
            #expect(result.problem.contains("'\(wrong)'"))
        }
        prices.refuse(RPCError(.notFound, "price.unknown_version", "There is no version 8; the newest is 7."))
        #expect(await run("price", "show", "8").status == .refused)
    }

    @Test("Impact tells through all pages who would pay what from when, and the totals")
    func impact() async throws {
        try await with("version: 2\n") { file in
            let result = await run("price", "impact", file)
            #expect(result.status == .done)
            #expect(
                result.output == """
                    Price list 2, in force from 2026-05-01 00:00:00

                    what changes                                              before     after
                    acp.basic.small ML hourly                                 0.0457    0.0500
                    term discount 12 months                                    x1.00     x0.85
                    unconditional refund days                                      0         5
                    billing unit of groups created from 2026-05-01 00:00:00  4 hours  a second

                    account  id     what                  region       from                 per                 \
                        now    then   change
                    acct-1   ag-1   2 x acp.basic.small   cn-hangzhou  2026-05-01 00:00:00  hour                \
                     0.0914    0.10  +0.0086
                    acct-1   nat-1  1 x nat-gateway       cn-hangzhou  2026-05-01 00:00:00  hour                \
                     0.0340    0.03  -0.0040
                    acct-1   ag-2   10 x acp.basic.small  cn-hangzhou  2026-05-01 00:00:00  renewal of 1 month  \
                    99.0600  100.00  +0.9400

                    in total, per       things      now    then   change
                    hour                     2   0.1254    0.13  +0.0046
                    renewal of 1 month       1  99.0600  100.00  +0.9400

                    """)
            #expect(prices.published.map(\.cursor) == ["", "second"])
            #expect(prices.published.allSatisfy { $0.document == "version: 2\n" })
            let json = await run("price", "impact", file, "--json")
            #expect(json.output.split(separator: "\n").count == 3)
            #expect(json.output.contains(#""from":"2026-04-30T16:00:00Z""#))
            #expect(json.output.contains(#""before":"0.091400""#))
        }
    }

    @Test("Impact says so when nobody would pay anything else, and is refused when the document has no effect")
    func noImpact() async throws {
        prices.changeNothing()
        try await with("version: 2\n") { file in
            let result = await run("price", "impact", file)
            #expect(result.status == .done)
            #expect(
                result.output == """
                    Price list 2, in force from 2026-05-01 00:00:00

                    It has the prices and rules of the version before.

                    Nothing that is billed now would cost anything else.

                    """)
            prices.refuse(RPCError(.failedPrecondition, "pricing.no_effect", "Version 1 says that already."))
            let refused = await run("price", "impact", file)
            #expect(refused.status == .refused && refused.output.isEmpty)
            #expect(refused.problem.contains("Version 1 says that already. (pricing.no_effect)"))
        }
    }

    @Test("A document that is refused exits with 1 and names its line")
    func refusal() async throws {
        prices.refuse(
            RPCError(
                .invalidArgument, "price.document",
                "Price catalog line 3, term_discounts: The key '12' is missing here.",
                field: "document.term_discounts"))
        try await with("version: 2\n") { file in
            for line in [["impact"], ["publish", "--yes"]] {
                let result = await CommandRun.run(
                    ["price"] + line + [file], on: gateway,
                    connect: { [prices] _ in InProcessChannel(router: prices.router) })
                #expect(result.status == .refused)
                #expect(result.problem.contains("line 3"))
                #expect(result.problem.contains("price.document"))
            }
        }
    }

    @Test("Publishing asks, having shown what changes; in a pipe it needs --yes")
    func publish() async throws {
        try await with("version: 2\n") { file in
            func publications() -> Int { prices.requests.count { $0 is PricingV1.PublishPricesRequest } }
            let no = await run("price", "publish", file, answer: "n")
            #expect(no.status == .usage)
            #expect(no.problem.contains("acp.basic.small ML hourly"))
            #expect(no.problem.contains("Publish price list 2, in force from 2026-05-01 00:00:00? [y/N]"))
            let pipe = await run("price", "publish", file)
            #expect(pipe.status == .usage)
            #expect(pipe.problem.contains("--yes"))
            #expect(publications() == 0)
            let yes = await run("price", "publish", file, answer: "y")
            #expect(yes.status == .done)
            #expect(yes.output.hasSuffix("Published.\n"))
            let before = prices.published.count
            #expect(await run("price", "publish", file, "--yes").status == .done)
            #expect(prices.published.count == before, "a repeat with its key is not compared with what it published")
            #expect(publications() == 2)
        }
    }

    @Test("A file that is not there, or no text, is wrong usage and sends nothing")
    func files() async throws {
        let missing = await run("price", "impact", "/nowhere/draft.yaml")
        #expect(missing.status == .usage)
        #expect(missing.problem.contains("/nowhere/draft.yaml"))
        try await with("a\0b") { file in
            let binary = await run("price", "publish", file, "--yes")
            #expect(binary.status == .usage)
            #expect(binary.problem.contains("no UTF-8 text"))
        }
        #expect(prices.requests.isEmpty)
    }
}
