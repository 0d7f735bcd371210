import BillingAPI
import BillingCore
import RPC

/// Value-added resources of an account and its networks (domain 1).
struct ResourceHandlers: Sendable {
    let forwarding: Forwarding

    func register(in router: inout Router) {
        router.handle(GatewayV1.Resources.enableInternet, enableInternet)
        router.handle(GatewayV1.Resources.addBandwidth, addBandwidth)
        router.handle(GatewayV1.Resources.setBackup, setBackup)
        router.handle(GatewayV1.Resources.releaseResource, releaseResource)
        router.handle(GatewayV1.Resources.listResources, listResources)
        router.handle(GatewayV1.Resources.listAccruing, listAccruing)
        router.requireAll(GatewayV1.Resources.all)
    }

    func enableInternet(
        _ request: MeteringV1.EnableInternetRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ResourcesReply> {
        try await buy(MeteringV1.Resources.enableInternet, request, call)
    }

    func addBandwidth(
        _ request: MeteringV1.AddBandwidthRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ResourcesReply> {
        try await buy(MeteringV1.Resources.addBandwidth, request, call)
    }

    func setBackup(
        _ request: MeteringV1.SetBackupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ResourcesReply> {
        try await buy(MeteringV1.Resources.setBackup, request, call)
    }

    func releaseResource(
        _ request: MeteringV1.ReleaseResourceRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ResourcesReply> {
        try await forwarding.write(.metering, MeteringV1.Resources.releaseResource, request, call)
    }

    func listResources(
        _ request: MeteringV1.ListResourcesRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ListResourcesReply> {
        try await forwarding.read(.metering, MeteringV1.Resources.listResources, request, call)
    }

    /// What accrues now, each thing with what it costs an hour at the prices of the instant.
    func listAccruing(
        _ request: MeteringV1.ListAccruingRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ListAccruingReply> {
        var response = try await forwarding.read(.metering, MeteringV1.Resources.listAccruing, request, call)
        let accruing = response.message.accruing
        guard !accruing.isEmpty else { return response }
        let instant = try forwarding.clock.instant(for: call)
        let rated = try await forwarding.ask(
            .pricing, PricingV1.Prices.rate, PricingV1.RateRequest(oneHourOf: accruing, from: instant), call,
            at: instant)
        for (slice, gross) in zip(rated.slice, rated.grossMicros) where accruing.indices.contains(Int(slice)) {
            response.message.accruing[Int(slice)].hourMicros += gross
        }
        return response
    }

    /// Buys something that is paid as it is used, for an account that exists and owes nothing.
    private func buy<Request: WireMessage>(
        _ method: Method<Request, MeteringV1.ResourcesReply>, _ request: Request, _ call: CallContext
    ) async throws -> Response<MeteringV1.ResourcesReply> {
        try await forwarding.compose(.metering, method, request, call) { instant in
            try await forwarding.checkBuyer(call, at: instant)
            return request
        }
    }
}

extension PricingV1.RateRequest {
    /// What each thing costs from an instant on: a group for an hour, a value-added resource for the clock hour.
    fileprivate init(oneHourOf accruing: [MeteringV1.Accruing], from instant: Timestamp) {
        let start = instant.milliseconds
        let hour = Int64.millisecondsPerHour
        let clockHourEnd = BillingCalendar.hour(of: instant).milliseconds + hour
        self.init(
            resources: accruing.map { thing in
                PricingV1.RatedResource(
                    specification: thing.specification, region: thing.region, instances: thing.instances,
                    anchor: thing.item.isEmpty ? start : 0, item: thing.item, quantity: thing.quantity)
            }, resource: accruing.indices.map { UInt32($0) }, start: accruing.map { _ in start },
            end: accruing.map { $0.item.isEmpty ? start + hour : clockHourEnd })
    }
}
