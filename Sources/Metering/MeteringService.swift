import BillingAPI
package import BillingCore
package import RPC
package import Storage

/// What runs: groups, their timelines and the hourly cut. It never touches money: pricing rates, order posts.
package struct MeteringService: Sendable {
    let database: any Database
    let identifiers: any IdentifierGenerator
    let prices: PricingV1.PricesClient
    let bills: OrderV1.BillsClient

    package static let migrations = MeteringSchema.migrations

    /// - Parameters:
    ///   - pricing: where amounts come from, and which billing unit is in force.
    ///   - order: where the rated slices of a cut go.
    package init(
        database: any Database, identifiers: any IdentifierGenerator, pricing: any Channel, order: any Channel
    ) {
        self.database = database
        self.identifiers = identifiers
        prices = PricingV1.PricesClient(pricing)
        bills = OrderV1.BillsClient(order)
    }

    package func register(in router: inout Router) {
        router.handle(MeteringV1.Groups.createGroup, createGroup)
        router.handle(MeteringV1.Groups.reportCreated, reportCreated)
        router.handle(MeteringV1.Groups.renameGroup, renameGroup)
        router.handle(MeteringV1.Groups.setPower, setPower)
        router.handle(MeteringV1.Groups.connect, connect)
        router.handle(MeteringV1.Groups.setAutoRenewal, setAutoRenewal)
        router.handle(MeteringV1.Groups.getGroup, getGroup)
        router.handle(MeteringV1.Groups.listGroups, listGroups)
        router.requireAll(MeteringV1.Groups.all)

        router.handle(MeteringV1.Resources.enableInternet, enableInternet)
        router.handle(MeteringV1.Resources.addBandwidth, addBandwidth)
        router.handle(MeteringV1.Resources.setBackup, setBackup)
        router.handle(MeteringV1.Resources.releaseResource, releaseResource)
        router.handle(MeteringV1.Resources.listResources, listResources)
        router.handle(MeteringV1.Resources.listAccruing, listAccruing)
        router.handle(MeteringV1.Resources.listBilled, listBilled)
        router.requireAll(MeteringV1.Resources.all)

        router.handle(MeteringV1.GroupSteps.lockGroup, lockGroup)
        router.handle(MeteringV1.GroupSteps.switchGroup, switchGroup)
        router.handle(MeteringV1.GroupSteps.endGroup, endGroup)
        router.handle(MeteringV1.GroupSteps.releaseGroup, releaseGroup)
        router.handle(MeteringV1.GroupSteps.extendGroup, extendGroup)
        router.handle(MeteringV1.GroupSteps.dropRenewal, dropRenewal)
        router.handle(MeteringV1.GroupSteps.resumeAccount, resumeAccount)
        router.requireAll(MeteringV1.GroupSteps.all)

        router.handle(MeteringV1.Cuts.cut, cut)
        router.handle(MeteringV1.Cuts.expireTerms, expireTerms)
        router.handle(MeteringV1.Cuts.listDue, listDue)
        router.handle(MeteringV1.Cuts.noteRenewalAttempt, noteRenewalAttempt)
        router.handle(MeteringV1.Cuts.nextDue, nextDue)
        router.handle(MeteringV1.Cuts.cutStatus, cutStatus)
        router.handle(MeteringV1.Cuts.listUncut, listUncut)
        router.handle(MeteringV1.Cuts.auditTimelines, auditTimelines)
        router.requireAll(MeteringV1.Cuts.all)

        ParticipationService { request, limit in
            try await database.keptSteps(
                in: try Partition.range(request.partitionFrom, request.partitionTo),
                after: (request.afterAccount, request.afterSaga, request.afterStep), limit: limit,
                map: CommonV1.KeptStep.init(account:sagaID:step:state:maxEpoch:))
        }.register(in: &router)
    }
}
