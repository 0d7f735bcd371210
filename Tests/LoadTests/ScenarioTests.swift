import BillingAPI
import BillingCore
import RPC
import Synchronization
import Testing

@testable import billing_load

/// Answers every call from a router, as if over a wire, and notes what is under way at once.
private final class Bench: Sendable {
    let maker = CallMaker(runID: "0123456789abcdef", timeout: TimeSpan(seconds: 5))
    func dataSet(accounts: Int = 50, groups: Int = 200) -> DataSet {
        DataSet(accounts: accounts, groups: groups, seed: 1, maker: maker, linesPerBatch: 64)
    }

    /// How often each operation is planned, each call being ended at once with `outcome`.
    func mix(_ scenario: any Scenario, _ calls: Int, on channel: any Channel) async -> (mix: [Int], failed: Int) {
        var mix = Array(repeating: 0, count: scenario.operations.count)
        var failed = 0
        for number in 0..<calls {
            var random = SeededGenerator(seed: UInt64(number))
            guard let call = scenario.plan(number, &random) else {
                failed += 1
                continue
            }
            mix[call.operation] += 1
            do throws(RPCError) { _ = try await call.send(channel) } catch { failed += 1 }
        }
        return (mix, failed)
    }
}

@Suite("Scenarios") struct ScenarioTests {
    private let bench = Bench()

    private func channel(_ router: Router) -> any Channel {
        InProcessChannel(InProcessServer(router: router, vitals: ServerVitals()))
    }

    @Test("Every service has a scenario, and their names are unique", arguments: Service.allCases)
    func catalogue(service: Service) {
        let names = Catalogue.entries(of: service).map(\.name)
        #expect(!names.isEmpty && Set(names).count == names.count)
        #expect(Catalogue.entry(service, nil)?.name == names.first)
        #expect(Catalogue.entry(service, "none") == nil)
        #expect(Catalogue.text.contains("\(service.rawValue) \(names[0])"))
    }

    @Test("The same number and seed plan the same call")
    func deterministic() async {
        let requests = Mutex<[PricingV1.QuoteRequest]>([])
        var router = Router()
        router.handle(PricingV1.Prices.quote) { (request: PricingV1.QuoteRequest, _) in
            requests.withLock { $0.append(request) }
            return Response(PricingV1.QuoteReply())
        }
        router.handle(PricingV1.Prices.listPrices) { (_: PricingV1.ListPricesRequest, _) in
            Response(PricingV1.ListPricesReply())
        }
        let first = await bench.mix(QuoteScenario(bench.dataSet()), 200, on: channel(router))
        let second = await bench.mix(QuoteScenario(bench.dataSet()), 200, on: channel(router))
        #expect(first.mix == second.mix && first.failed == 0)
        let all = requests.withLock { $0 }
        #expect(all.count == 2 * first.mix[0] && Array(all.prefix(first.mix[0])) == Array(all.suffix(first.mix[0])))
        #expect(Set(all.map(\.specification)).count == 5 && Set(all.map(\.region)).count == 6)
        #expect(all.allSatisfy { (1...100).contains($0.instances) })
    }

    @Test("What a call is about is nobody else's until it ends, and comes back changed, also from a failure")
    func stock() async {
        let stock = Stock([1, 2])
        var random = SeededGenerator(seed: 1)
        let taken = [stock.take(&random), stock.take(&random)].compactMap { $0 }
        #expect(Set(taken) == [1, 2] && stock.take(&random) == nil)
        let call = stock.call(0, about: taken[0]) { _, element throws(RPCError) in
            element += 10
            throw RPCError(.unavailable, "call.unreachable", "No.")
        }
        await #expect(throws: RPCError.self) { _ = try await call.send(channel(Router())) }
        #expect(stock.all == [taken[0] + 10])
    }

    @Test(
        "As many calls can be under way as a scenario says, and no more",
        arguments: [
            (.metering, "cuts", 256), (.gateway, "users", 50), (.pricing, "quotes", nil), (.pricing, "rating", nil),
            (.metering, "lifecycle", 50), (.order, "money", 50), (.order, "usage", 4), (.refund, "refunds", 200),
            // 4 groups an account, so 16 of the 50 accounts have the 64 lines of a batch.
        ] as [(Service, String, Int?)])
    func bound(service: Service, name: String, count: Int?) throws {
        let scenario = try #require(Catalogue.entry(service, name)).make(bench.dataSet())
        #expect(scenario.bound?.count == count)
        // Those that need no preparation by calls.
        guard ["cuts", "users"].contains(name), let count else { return }
        var random = SeededGenerator(seed: 1)
        #expect((0..<count).allSatisfy { scenario.plan($0, &random) != nil })
        #expect(scenario.plan(count, &random) == nil)
    }

    @Test("A few subscriptions find something to do, however far their refunds are")
    func fewSubscriptions() async throws {
        var router = Router()
        router.handle(RefundV1.Refunds.quoteRefund) { (_: RefundV1.QuoteRefundRequest, _) in
            Response(RefundV1.QuoteRefundReply(token: "t"))
        }
        router.handle(RefundV1.RefundSteps.closeRefund) { (_: RefundV1.CloseRefundRequest, _) in
            Response(RefundV1.RefundReply())
        }
        router.handle(RefundV1.RefundSteps.openRefund) { (_: RefundV1.OpenRefundRequest, _) in
            Response(RefundV1.RefundReply())
        }
        router.handle(RefundV1.RefundSteps.payRefund) { (_: RefundV1.PayRefundRequest, _) in
            Response(RefundV1.RefundReply())
        }
        let scenario = RefundScenario(bench.dataSet(groups: 2))
        scenario.fill([Subscription(account: "acct-1", number: 0)])
        let (mix, failed) = await bench.mix(scenario, 500, on: channel(router))
        #expect(failed == 0 && mix.allSatisfy { $0 > 10 })
    }

    @Test(
        "Quotes of the stand-in for pricing add up as the order service checks",
        arguments: [1, 2, 3, 6, 12] as [UInt32])
    func standInQuote(months: UInt32) {
        let offer = Offer(specification: "acp.std.small", region: "cn-beijing", instances: 7)
        let quote = StandInPricing.quote(offer, months: months, at: BusinessTime.start)
        #expect(quote.listNanos == quote.monthlyNanos * 7 * Int64(months))
        #expect(quote.grossMicros % 10_000 == 0 && abs(quote.grossMicros * 1000 - quote.listNanos) <= 5_000_000)
        #expect(quote.totalMicros == quote.grossMicros - quote.discountMicros)
        #expect(quote.termEnd > quote.termStart)
    }

    @Test("Posted usage goes on hour after hour, never twice the same, and in time of the account")
    func usage() {
        var account = PayingAccount(id: "acct-x-1", index: 1, at: BusinessTime.start.adding(milliseconds: 1))
        var starts: Set<Int64> = []
        for hour in 1...3 {
            var request = OrderV1.PostUsageRequest()
            account.nextLines(4, into: &request)
            #expect(request.start.count == 4 && Set(request.start).count == 1)
            #expect(starts.insert(request.start[0]).inserted)
            #expect(request.cutAt == BusinessTime.start.milliseconds + Int64(hour) * .millisecondsPerHour)
            #expect(account.at.milliseconds == request.cutAt)
        }
    }

    @Test("The command that starts a service names where the stand-ins listen")
    func arguments() {
        let arguments = StartedService.arguments(
            .refund, at: "tcp://127.0.0.1:1", neighbours: [.pricing: "tcp://127.0.0.1:2", .order: "tcp://127.0.0.1:3"],
            catalog: "c.yaml")
        #expect(
            arguments == [
                "refund", "--bind", "tcp://127.0.0.1:1", "--pricing", "tcp://127.0.0.1:2", "--order",
                "tcp://127.0.0.1:3",
            ])
        #expect(
            StartedService.arguments(.pricing, at: "e", neighbours: [:], catalog: "c.yaml")
                == ["pricing", "--bind", "e", "--catalog", "c.yaml"])
    }
}
