package import BillingAPI
import BillingCore
package import RPC
import Storage

extension MeteringService {
    /// Everything that is billed now, will be, or may be renewed: whole accounts, as many as fit one reply.
    /// - Throws: `ResourceError.accountTooLarge` for an account that does not fit a reply by itself.
    package func listBilled(
        _ request: MeteringV1.ListBilledRequest, _: CallContext
    ) async throws -> Response<MeteringV1.ListBilledReply> {
        let partitions = try Partition.range(request.partitionFrom, request.partitionTo)
        let largestPage = 512
        return Response(
            try await database.read { transaction in
                let accounts = try TimelineStore(transaction).accounts(
                    in: partitions, after: request.afterAccount, limit: largestPage)
                var reply = MeteringV1.ListBilledReply()
                var last: AccountID?
                for account in accounts {
                    let things = try AccountStore(transaction, account).billed()
                    guard things.count <= WireLimits.batch.items else {
                        throw ResourceError.accountTooLarge(account, things: things.count)
                    }
                    if reply.things.count + things.count > WireLimits.batch.items { return reply.ending(after: last) }
                    reply.things += things
                    last = account
                }
                return accounts.count < largestPage ? reply : reply.ending(after: last)
            })
    }
}

extension MeteringV1.ListBilledReply {
    fileprivate func ending(after account: AccountID?) -> MeteringV1.ListBilledReply {
        var reply = self
        reply.nextAccount = account?.text ?? ""
        reply.nextPartition = account.map { UInt32(Partition.of($0.text)) } ?? 0
        return reply
    }
}

extension AccountStore {
    /// All that is not released: what is overdue is billed again when the account recovers, what is being created once it
    /// is there, and an expired group can be renewed.
    fileprivate func billed() throws -> [MeteringV1.Billed] {
        let groups = try groups(where: "status <> \(GroupStatus.released.rawValue)")
        let resources = try resources(where: "status <> \(ResourceStatus.released.rawValue)")
        return groups.map { MeteringV1.Billed(MeteringV1.InstanceGroup($0)) } + resources.map { MeteringV1.Billed($0) }
    }
}

extension MeteringV1.Billed {
    fileprivate init(_ group: MeteringV1.InstanceGroup) {
        self.init(
            accountID: group.accountID, id: group.groupID, specification: group.specification, region: group.region,
            instances: group.instances, billingMethod: group.billingMethod, paidThrough: group.paidThrough,
            months: group.pendingRenewals.last?.months ?? group.months)
    }

    fileprivate init(_ resource: ValueAddedResource) {
        self.init(
            accountID: resource.account.text, id: resource.id.text, region: resource.region,
            billingMethod: .payAsYouGo, item: resource.kind.item, quantity: resource.quantity)
    }
}
