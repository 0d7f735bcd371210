package import BillingAPI
import BillingCore
package import RPC
import Storage

/// What is about to be bought, and where. It cannot be before pricing says that it is sold there: what was bought and
/// cannot be rated would hold up every cut of its account.
private struct SaleNeeded: Error {
    let kinds: [ResourceKind]
    let region: String
}

extension MeteringService {
    /// Enables Internet access for a network that has groups: buys the NAT gateway and the EIP that it lacks. A network that
    /// has both keeps them.
    /// - Throws: `ResourceError.noGroups`, `.regionAmbiguous`; `AccountOverdueError`.
    package func enableInternet(
        _ request: MeteringV1.EnableInternetRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ResourcesReply> {
        let network = try NetworkName.checked(request.network)
        let ids = [ResourceID(.natGateway, from: identifiers), ResourceID(.eip, from: identifiers)]
        return try await buy(request, call) { purchase in
            let place = try purchase.place(network, region: request.region)
            let kept = try purchase.store.kept(.natGateway, place) + purchase.store.kept(.eip, place)
            let lacking = ids.filter { id in !kept.contains { $0.kind == id.kind } }
            let bought = try purchase.buy(lacking, at: place, quantity: 1)
            return (kept + bought).sorted { $0.kind.rawValue < $1.kind.rawValue }
        }
    }

    /// Adds shared bandwidth to a network that has groups. Each call adds more.
    /// - Throws: `ResourceError.quantity`, `.noGroups`, `.regionAmbiguous`; `AccountOverdueError`.
    package func addBandwidth(
        _ request: MeteringV1.AddBandwidthRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ResourcesReply> {
        let network = try NetworkName.checked(request.network)
        let mbps = try ValueAddedResource.checkedBandwidth(request.mbps)
        let id = ResourceID(.sharedBandwidth, from: identifiers)
        return try await buy(request, call) { purchase in
            let place = try purchase.place(network, region: request.region)
            return try purchase.buy([id], at: place, quantity: mbps)
        }
    }

    /// Sets how much backup of a region is stored: begins to store it, or changes the size of what is there.
    /// - Throws: `ResourceError.quantity`, `.missing`; `AccountOverdueError`; pricing's refusal of the region.
    package func setBackup(
        _ request: MeteringV1.SetBackupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ResourcesReply> {
        guard !request.region.isEmpty else { throw ResourceError.missing(field: "region") }
        let gib = try ValueAddedResource.checkedBackup(request.gib)
        let id = ResourceID(.oss, from: identifiers)
        return try await buy(request, call) { purchase in
            let place = NetworkPlace(network: "", region: request.region)
            guard let kept = try purchase.store.kept(.oss, place).first else {
                return try purchase.buy([id], at: place, quantity: gib)
            }
            return [try purchase.resize(kept, to: gib)]
        }
    }

    /// One keyed write that buys or changes what costs money by use: refused while the account is overdue, and made only
    /// when pricing sells what is bought.
    private func buy(
        _ request: some WireMessage, _ call: CallContext,
        _ decide: @escaping @Sendable (inout Purchase) throws -> [ValueAddedResource]
    ) async throws -> Response<MeteringV1.ResourcesReply> {
        let account = try call.accountID()
        let instant = try call.checkedInstant()
        let write = { @Sendable (sold: SaleNeeded?) async throws -> Response<MeteringV1.ResourcesReply> in
            try await database.write(once: call, request) { transaction in
                let store = AccountStore(transaction, account)
                var progress = try store.progress()
                let effective = try progress.admit(instant)
                try progress.requireNotOverdue()
                var purchase = Purchase(store: store, effective: effective, progress: progress, sold: sold)
                let resources = try decide(&purchase)
                try store.save(purchase.progress)
                return Response(MeteringV1.ResourcesReply(resources), effectiveAt: effective)
            }
        }
        // What is lacking can change between the question and the write; pricing refuses to go on after the deadline.
        var sold: SaleNeeded?
        while true {
            do {
                return try await write(sold)
            } catch let needed as SaleNeeded {
                try await requireSale(needed, at: instant, call)
                sold = needed
            }
        }
    }

    /// - Throws: pricing's refusal of an item or a region that is not sold at that instant.
    private func requireSale(_ needed: SaleNeeded, at instant: Timestamp, _ call: CallContext) async throws {
        var request = PricingV1.RateRequest()
        for (index, kind) in needed.kinds.enumerated() {
            request.resources.append(
                PricingV1.RatedResource(region: needed.region, item: kind.item, quantity: 1))
            request.resource.append(UInt32(index))
            request.start.append(instant.milliseconds)
            request.end.append(instant.milliseconds + 1)
        }
        _ = try await prices.rate(request, call.onward)
    }

    /// Releases a resource for its owner. The clock hour that it touched last is billed whole; an overdue one costs
    /// nothing more.
    /// - Throws: `ResourceError.notFound`, `.notActive` when it was released before.
    package func releaseResource(
        _ request: MeteringV1.ReleaseResourceRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ResourcesReply> {
        let account = try call.accountID()
        let instant = try call.checkedInstant()
        let id = try ResourceID(request.resourceID)
        return try await database.write(once: call, request) { transaction in
            let store = AccountStore(transaction, account)
            var resource = try store.resource(id)
            var progress = try store.progress()
            let effective = try progress.admit(instant)
            let change = try resource.take(.released(at: effective))
            try store.update(resource)
            try store.apply(change, to: resource, &progress)
            try store.save(progress)
            return Response(MeteringV1.ResourcesReply([resource]), effectiveAt: effective)
        }
    }

    /// A page of the account's resources in the order of their creation.
    package func listResources(
        _ request: MeteringV1.ListResourcesRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ListResourcesReply> {
        let account = try call.accountID()
        let list = try ResourceList(request)
        let (resources, next) = try await database.read { try AccountStore($0, account).resources(list) }
        return Response(
            MeteringV1.ListResourcesReply(
                resources: resources.map { MeteringV1.Resource($0) }, nextCursor: next?.text ?? ""))
    }

    /// A page of what the account is billed for by use at the instant of the call, and why. What an hour costs is filled in
    /// by the gateway.
    package func listAccruing(
        _ request: MeteringV1.ListAccruingRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ListAccruingReply> {
        let account = try call.accountID()
        let instant = try call.checkedInstant()
        let limit = try PageCursor.limit(request.limit)
        let after = try PageCursor(request.cursor)
        let (accruing, next) = try await database.read {
            try AccountStore($0, account).accruing(at: instant, after: after, limit: limit)
        }
        return Response(
            MeteringV1.ListAccruingReply(
                accruing: accruing.map { MeteringV1.Accruing($0) }, nextCursor: next?.text ?? ""))
    }
}

/// A keyed write that buys resources.
private struct Purchase {
    let store: AccountStore
    let effective: Timestamp
    var progress: AccountProgress
    /// What pricing was asked about; `nil`: nothing yet.
    let sold: SaleNeeded?

    /// The network that a request means: one that has groups.
    func place(_ network: String, region: String) throws -> NetworkPlace {
        try NetworkPlace(network: network, region: region, among: try store.regions(ofNetwork: network))
    }

    /// Buys resources of different kinds at one place.
    /// - Throws: `SaleNeeded` before pricing was asked.
    mutating func buy(
        _ ids: [ResourceID], at place: NetworkPlace, quantity: Int64
    ) throws -> [ValueAddedResource] {
        let kinds = ids.map(\.kind)
        guard kinds.isEmpty || sold?.region == place.region && Set(kinds).isSubset(of: sold?.kinds ?? []) else {
            throw SaleNeeded(kinds: kinds, region: place.region)
        }
        var bought: [ValueAddedResource] = []
        for id in ids {
            let (resource, change) = ValueAddedResource.bought(
                id, store.account, place, quantity: quantity, at: effective)
            try store.insert(resource)
            try store.apply(change, to: resource, &progress)
            bought.append(resource)
        }
        return bought
    }

    mutating func resize(_ kept: ValueAddedResource, to gib: Int64) throws -> ValueAddedResource {
        var resource = kept
        let change = try resource.take(.resized(to: gib, at: effective))
        try store.update(resource)
        try store.apply(change, to: resource, &progress)
        return resource
    }
}

/// What an owner calls a network.
private enum NetworkName {
    /// "default" when empty, as for groups.
    static func checked(_ text: String) throws(OwnerTextError) -> String {
        text.isEmpty ? "default" : try OwnerText.checked(text, "network")
    }
}

extension ResourceList {
    /// - Throws: `PageError` for a page that cannot be told.
    fileprivate init(_ request: MeteringV1.ListResourcesRequest) throws {
        self.init()
        statuses = try request.statuses.map { try $0.checked("statuses") }
        network = request.network
        limit = try PageCursor.limit(request.limit)
        after = try PageCursor(request.cursor)
    }
}
