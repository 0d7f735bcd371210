import BillingAPI
import BillingCore
import RPC
import Synchronization
import Testing

@testable import billing

/// The gateway's value-added resources: two gateways' worth of them, and what was asked for.
private final class ResourcesDouble: Sendable {
    private let state = Mutex<[any WireMessage]>([])
    private let refusal = Mutex<RPCError?>(nil)

    var requests: [any WireMessage] { state.withLock { $0 } }
    func refuse(_ error: RPCError) { refusal.withLock { $0 = error } }

    private func take(_ request: any WireMessage) throws {
        state.withLock { $0.append(request) }
        if let error = refusal.withLock({ $0 }) { throw error }
    }

    private static let nat = MeteringV1.Resource(
        resourceID: "nat-1", accountID: "acct-1", kind: .natGateway, region: "cn-hangzhou", network: "web", quantity: 1,
        status: .active, createdAt: 1_775_783_400_000)
    private static let bandwidth = MeteringV1.Resource(
        resourceID: "bw-1", accountID: "acct-1", kind: .sharedBandwidth, region: "cn-hangzhou", network: "web",
        quantity: 1000, status: .overdue, createdAt: 1_775_783_400_000, overdueAt: 1_775_787_000_000)
    private static let backup = MeteringV1.Resource(
        resourceID: "oss-1", accountID: "acct-1", kind: .oss, region: "cn-hangzhou", quantity: 250, status: .released,
        createdAt: 1_775_783_400_000, releasedAt: 1_775_787_000_000)

    var router: Router {
        var router = Router()
        router.handle(GatewayV1.Resources.enableInternet) { [self] request, _ in
            try take(request)
            return Response(.init(resources: [Self.nat]))
        }
        router.handle(GatewayV1.Resources.addBandwidth) { [self] request, _ in
            try take(request)
            return Response(.init(resources: [Self.bandwidth]))
        }
        router.handle(GatewayV1.Resources.setBackup) { [self] request, _ in
            try take(request)
            return Response(.init(resources: [Self.backup]))
        }
        router.handle(GatewayV1.Resources.releaseResource) { [self] request, _ in
            try take(request)
            return Response(.init(resources: [Self.nat]))
        }
        router.handle(GatewayV1.Resources.listResources) { [self] request, _ in
            try take(request)
            return Response(
                request.cursor.isEmpty
                    ? .init(resources: [Self.nat, Self.backup], nextCursor: "second")
                    : .init(resources: [Self.bandwidth]))
        }
        return router
    }
}

@Suite("Networks and backups") struct NetworkCommandTests {
    private let gateway = GatewayDouble()
    private let resources = ResourcesDouble()

    private func run(_ line: String..., answer: String? = nil) async -> CommandRun {
        let channel = InProcessChannel(router: resources.router)
        return await CommandRun.run(
            line, on: gateway, variables: ["BILLING_ACCOUNT": "acct-1"], answer: answer, connect: { _ in channel })
    }

    @Test("Internet access and bandwidth name the network, and its region where that is needed")
    func buying() async {
        let internet = await run("network", "internet", "web")
        #expect(internet.status == .done)
        #expect(
            internet.output
                == "resource  kind         size  network  region       status  created              "
                + "overdue or released\n"
                + "nat-1     nat-gateway     -  web      cn-hangzhou  active  2026-04-10 09:10:00  -\n")
        let bandwidth = await run("network", "bandwidth", "web", "--region", "cn-hangzhou", "--mbps", "1000")
        #expect(bandwidth.output.contains("1,000 Mbps"))
        #expect(bandwidth.output.contains("overdue  2026-04-10 09:10:00  2026-04-10 10:10:00"))
        #expect(resources.requests.first as? MeteringV1.EnableInternetRequest == .init(network: "web"))
        #expect(
            resources.requests.last as? MeteringV1.AddBandwidthRequest
                == .init(network: "web", region: "cn-hangzhou", mbps: 1000))
    }

    @Test("A backup is set by region and size")
    func backup() async {
        let set = await run("backup", "set", "--region", "cn-hangzhou", "--gib", "250")
        #expect(set.output.contains("250 GiB"))
        #expect(
            resources.requests.last as? MeteringV1.SetBackupRequest == .init(region: "cn-hangzhou", gib: 250))
        let json = await run("backup", "set", "--region", "cn-hangzhou", "--gib", "250", "--json")
        #expect(json.output.hasPrefix(#"{"resources":[{"resource_id":"oss-1","account_id":"acct-1","kind":"oss","#))
    }

    @Test("Each noun lists its own kinds, through all pages")
    func lists() async {
        let network = await run("network", "list", "--network", "web", "--status", "active", "--status", "overdue")
        #expect(network.output.contains("nat-1") && network.output.contains("bw-1"))
        #expect(!network.output.contains("oss-1"))
        #expect(
            resources.requests.first as? MeteringV1.ListResourcesRequest
                == .init(statuses: [.active, .overdue], network: "web", limit: 200))
        let backups = await run("backup", "list")
        #expect(backups.output.contains("oss-1") && !backups.output.contains("nat-1"))
        let one = await run("network", "list", "--limit", "1", "--json")
        #expect(one.output.split(separator: "\n").count == 1)
    }

    @Test("A release asks first, and takes the ids of its own noun")
    func release() async {
        #expect(await run("network", "release", "nat-1").status == .usage)
        #expect(await run("network", "release", "nat-1", answer: "n").status == .usage)
        #expect(resources.requests.isEmpty)
        #expect(await run("network", "release", "nat-1", answer: "y").status == .done)
        #expect(await run("backup", "release", "oss-1", "--yes").status == .done)
        #expect(
            resources.requests.compactMap { $0 as? MeteringV1.ReleaseResourceRequest }.map(\.resourceID)
                == ["nat-1", "oss-1"])
    }

    @Test(
        "What is typed wrongly is named and not sent",
        arguments: [
            (["network", "release", "oss-1", "--yes"], "billing backup release oss-1"),
            (["backup", "release", "eip-1", "--yes"], "billing network release eip-1"),
            (["network", "release", "ag-1", "--yes"], "'ag-1'"), (["backup", "set", "--gib", "1"], "--region"),
            (["backup", "set", "--region", "cn-hangzhou", "--gib", "much"], "'much'"),
            (["network", "bandwidth", "web"], "--mbps"), (["network", "bandwidth", "web", "--mbps", "-1"], "-1"),
            (["network", "list", "--status", "asleep"], "asleep"),
        ] as [([String], String)])
    func usage(line: [String], text: String) async {
        let channel = InProcessChannel(router: resources.router)
        let result = await CommandRun.run(
            line, on: gateway, variables: ["BILLING_ACCOUNT": "acct-1"], connect: { _ in channel })
        #expect(result.status == .usage)
        #expect(result.problem.contains(text), "\(result.problem)")
        #expect(resources.requests.isEmpty)
    }

    @Test(
        "A refusal says what to do next",
        arguments: [
            ("network.no_groups", "billing group show GROUP"), ("network.region_ambiguous", "--region REGION"),
            ("resource.not_found", "billing network list"), ("resource.not_active", "billing backup list"),
        ])
    func refusals(reason: String, next: String) async {
        resources.refuse(RPCError(.failedPrecondition, reason, "No."))
        let result = await run("network", "internet", "web")
        #expect(result.status == .refused)
        #expect(result.problem.contains("(\(reason))") && result.problem.contains(next))
    }
}
