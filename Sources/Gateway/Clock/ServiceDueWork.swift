import BillingAPI
package import BillingCore
import RPC

/// Asks metering and order, who know what is due and do it.
package struct ServiceDueWork: DueWork {
    /// A cut of very many accounts takes long; a lost reply is noticed by the transport much earlier.
    private static let cutMilliseconds: Int64 = 120_000
    static let askMilliseconds: Int64 = 10_000

    let services: Services
    /// What one page of due groups has at most.
    let pageLimit: UInt32

    package init(_ services: Services, pageLimit: UInt32 = 200) {
        self.services = services
        self.pageLimit = pageLimit
    }

    package func due(after instant: Timestamp) async throws -> DueInstants {
        let options = CallOptions(effectiveAt: instant, deadline: .after(milliseconds: Self.askMilliseconds))
        async let metering = services.metering.call(
            MeteringV1.Cuts.nextDue, MeteringV1.NextDueRequest(after: instant.milliseconds), options)
        async let order = services.order.call(
            OrderV1.Orders.nextDue, OrderV1.NextDueRequest(after: instant.milliseconds), options)
        let (timelines, orders) = try await (metering.message, order.message)
        let instants: [DueStop.Work: Int64] = [
            .expireTerms: timelines.expiryAt, .startCoupons: orders.couponStartAt, .cut: timelines.cutAt,
            .closeMonths: orders.monthCloseAt, .release: timelines.releaseAt, .autoRenew: timelines.autoRenewalAt,
            .expireOrders: orders.orderDeadlineAt, .recordNotices: orders.noticeAt,
        ]
        return DueInstants(instants.compactMapValues { Timestamp(presentMilliseconds: $0) })
    }

    package func perform(
        _ work: DueStop.Work, at stop: DueStop, _ sagas: any DueSagas
    ) async throws -> DueResult {
        let through = stop.at.milliseconds
        let options = CallOptions(effectiveAt: stop.at, deadline: .after(milliseconds: Self.cutMilliseconds))
        switch work {
        case .expireTerms:
            _ = try await services.metering.call(
                MeteringV1.Cuts.expireTerms, MeteringV1.ExpireTermsRequest(through: through), options)
            return DueResult()
        case .startCoupons:
            try await startCoupons(at: stop, sagas)
            return DueResult()
        case .cut:
            let request = MeteringV1.CutRequest(
                partitionFrom: 0, partitionTo: UInt32(Partition.count), through: stop.cutThrough.milliseconds)
            let reply = try await services.metering.call(MeteringV1.Cuts.cut, request, options)
            var result = DueResult(lines: Int64(reply.lines), waiting: Int64(reply.waiting))
            for failure in reply.failures { result.failures[failure.accountID] = failure.message }
            return result
        case .closeMonths:
            return try await closeMonths(at: stop, sagas)
        case .release:
            return try await forEachDue(.release, at: stop) { try await release($0, at: stop, sagas) }
        case .autoRenew:
            return try await forEachDue(.autoRenewal, at: stop) { try await autoRenew($0, at: stop, sagas) }
        case .expireOrders:
            _ = try await services.order.call(
                OrderV1.Orders.expireOrders, OrderV1.ExpireOrdersRequest(through: through), options)
            return DueResult()
        case .recordNotices:
            try await recordNotices(at: stop)
            return DueResult()
        }
    }

    package func cut(account: String, through hour: Timestamp) async throws {
        let partition = UInt32(Partition.of(account))
        let request = MeteringV1.CutRequest(
            partitionFrom: partition, partitionTo: partition + 1, through: hour.milliseconds, accountID: account)
        let options = CallOptions(
            account: account, effectiveAt: hour, deadline: .after(milliseconds: Self.askMilliseconds))
        _ = try await services.metering.call(MeteringV1.Cuts.cut, request, options)
    }
}

extension Timestamp {
    /// `nil` for 0, which on the wire says that there is no instant.
    init?(presentMilliseconds milliseconds: Int64) {
        guard milliseconds != 0 else { return nil }
        self.init(milliseconds: milliseconds)
    }
}
