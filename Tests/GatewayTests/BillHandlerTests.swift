import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Synchronization
import Testing

@testable import Gateway

@Suite("Explaining lines, and judging prices") struct BillHandlerTests {
    /// A line of its own kind whose amount is its gross, fully paid.
    static func line(
        _ kind: OrderV1.ItemKind, _ micros: Int64, order: String = "", refund: String = "", isRoundDown: Bool = false
    ) -> OrderV1.BillLine {
        OrderV1.BillLine(
            lineID: "line", accountID: "acct-1", itemKind: kind, product: "cloud-phone",
            grossMicros: isRoundDown ? 0 : micros, roundDownMicros: isRoundDown ? -micros : 0, payableMicros: micros,
            paidMicros: micros, orderID: order, refundID: refund, size: 1, reason: "a gift",
            roundDownLine: isRoundDown)
    }

    private func explain(_ details: OrderV1.LineDetails) async throws -> (GatewayV1.ExplainLineReply, Harness) {
        let harness = try Harness()
        harness.world.script.withLock { $0.lines["line"] = details }
        let gateway = try await harness.boot()
        let reply = try await gateway.channel.call(
            GatewayV1.Bills.explainLine, OrderV1.GetLineRequest(lineID: "line"), harness.options()
        ).message
        #expect(!reply.steps.isEmpty)
        return (reply, harness)
    }

    @Test(
        "A line's amount is recomputed from what is stored with it; another amount is told",
        arguments: [
            (OrderV1.LineDetails(line: line(.payAsYouGoBill, 45_700)), 45_700),
            (OrderV1.LineDetails(line: line(.subscriptionOrder, 9_910_000)), 9_910_000),
            (
                OrderV1.LineDetails(line: line(.payAsYouGoBill, -6_800, isRoundDown: true), monthNetMicros: 1_096_800),
                -6_800
            ),
            (OrderV1.LineDetails(line: line(.adjustment, -2_000_000)), -2_000_000),
            (OrderV1.LineDetails(line: line(.refund, -6_400_000, order: "ord-1", refund: "ref-1")), -6_400_000),
            (OrderV1.LineDetails(line: line(.refund, -5_000_000, order: "ord-2", refund: "ref-1")), -5_000_000),
            (OrderV1.LineDetails(line: line(.refund, -11_400_000, refund: "ref-1")), -11_400_000),
            // The creation failed, and there is no refund but the line.
            (
                OrderV1.LineDetails(
                    line: line(.refund, -8_000_000, refund: "ref-2"),
                    order: OrderV1.Order(totalMicros: 9_000_000, couponMicros: 1_000_000)), -8_000_000
            ),
        ] as [(OrderV1.LineDetails, Int64)])
    func explained(_ details: OrderV1.LineDetails, _ amount: Int64) async throws {
        let (reply, _) = try await explain(details)
        #expect(reply.recomputedMicros == amount)
        #expect(reply.agrees && reply.disagreements.isEmpty)
        var wrong = details
        wrong.line?.payableMicros += 1
        wrong.line?.paidMicros += 1
        let told = try await explain(wrong).0
        #expect(!told.agrees && !told.disagreements.isEmpty)
    }

    @Test("A line that is stored otherwise than its price list and its inputs have it says in what")
    func disagreements() async throws {
        let columns = "Its columns do not add up: "
        for (change, expected) in [
            (
                { $0.grossMicros += 1 },
                ["It is stored as 0.045701 USD, and what is stored with it gives 0.045700 USD.", columns]
            ),
            (
                { $0.discountMicros += 1 },
                [
                    "Its discount is stored as 0.000001 USD, and what is stored with it gives 0.000000 USD.", columns,
                ]
            ),
            (
                { $0.listPriceNanos = 45_700_000 },
                ["Its list price is stored as 0.0457 USD, and price list 3 has 0.000000007 USD."]
            ),
            ({ $0.couponMicros += 1 }, [columns]), ({ $0.outstandingMicros += 1 }, [columns]), ({ _ in }, []),
        ] as [((inout OrderV1.BillLine) -> Void, [String])] {
            var line = Self.line(.payAsYouGoBill, 45_700)
            (line.listPriceNanos, line.priceListVersion) = (World.listPriceNanos, 3)
            change(&line)
            let (reply, _) = try await explain(OrderV1.LineDetails(line: line))
            #expect(reply.agrees == expected.isEmpty)
            #expect(reply.disagreements.count == expected.count)
            #expect(zip(reply.disagreements, expected).allSatisfy { $0.hasPrefix($1) }, "\(reply.disagreements)")
        }
    }

    @Test("The list price of an order is checked too")
    func orderPrice() async throws {
        var line = Self.line(.subscriptionOrder, 9_910_000)
        (line.listPriceNanos, line.priceListVersion) = (World.listPriceNanos, 3)
        #expect(try await explain(OrderV1.LineDetails(line: line)).0.agrees)
        line.listPriceNanos += 1
        #expect(try await explain(OrderV1.LineDetails(line: line)).0.disagreements.count == 1)
    }

    @Test("A slice is explained from its resource as it was: a group by its anchor, a value-added resource by its size")
    func slices() async throws {
        var line = Self.line(.payAsYouGoBill, 45_700)
        line.size = 3
        let (_, harness) = try await explain(OrderV1.LineDetails(line: line, anchor: 77))
        let group = harness.world.script.withLock { $0.requests["explain"] } as? PricingV1.ExplainRequest
        #expect(group?.slice?.resource == PricingV1.RatedResource(instances: 3, anchor: 77))
        line.product = "oss"
        let (_, other) = try await explain(OrderV1.LineDetails(line: line, anchor: 77))
        let resource = other.world.script.withLock { $0.requests["explain"] } as? PricingV1.ExplainRequest
        #expect(resource?.slice?.resource == PricingV1.RatedResource(item: "oss", quantity: 3))
    }

    @Test("What accrues is told with its price for an hour")
    func accruing() async throws {
        let harness = try Harness()
        let gateway = try await harness.boot()
        let reply = try await gateway.channel.call(
            GatewayV1.Resources.listAccruing, MeteringV1.ListAccruingRequest(), harness.options()
        ).message
        #expect(reply.accruing.map(\.hourMicros) == [7200, 50])
    }

    @Test("The impact of a price list comes in pages that name each thing once, the changes with the first")
    func impact() async throws {
        let harness = try Harness()
        let gateway = try await harness.boot()
        var request = GatewayV1.PriceImpactRequest(document: "x")
        var found: [String] = []
        var changes: [Int] = []
        repeat {
            let page = try await gateway.channel.call(
                GatewayV1.Prices.priceImpact, request, harness.options()
            ).message
            #expect(page.version == 2)
            #expect(page.impacts.allSatisfy { $0.thing?.id == $0.impact?.id })
            found += page.impacts.compactMap(\.thing?.id)
            changes.append(page.changes.count)
            request.cursor = page.nextCursor
        } while !request.cursor.isEmpty
        #expect(changes == [1, 0, 0])
        #expect(found == World.things.enumerated().filter { $0.offset % 2 == 0 }.map(\.element.id))
    }

    @Test("A cursor of an impact is the last reply's", arguments: ["x", "1.2", "256.0.acct-1", "1.-1.acct-1"])
    func cursor(_ text: String) async throws {
        let harness = try Harness()
        let gateway = try await harness.boot()
        let error = await #expect(throws: RPCError.self) {
            try await gateway.channel.call(
                GatewayV1.Prices.priceImpact, GatewayV1.PriceImpactRequest(cursor: text), harness.options())
        }
        #expect(error.map { [$0.reason, $0.field, $0.value] } == ["page.malformed", "cursor", text])
    }
}
