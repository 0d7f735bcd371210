import BillingAPI
package import BillingCore
import RPC

/// Asks metering and order, who know what is due and do it.
package struct ServiceDueWork: DueWork {
    /// A cut of very many accounts takes long; a lost reply is noticed by the transport much earlier.
    private static let cutMilliseconds: Int64 = 120_000
    private static let askMilliseconds: Int64 = 10_000

    private let services: Services

    package init(_ services: Services) { self.services = services }

    package func due(after instant: Timestamp) async throws -> DueInstants {
        let options = CallOptions(effectiveAt: instant, deadline: .after(milliseconds: Self.askMilliseconds))
        async let metering = services.metering.call(
            MeteringV1.Cuts.nextDue, MeteringV1.NextDueRequest(after: instant.milliseconds), options)
        async let order = services.order.call(
            OrderV1.Orders.nextDue, OrderV1.NextDueRequest(after: instant.milliseconds), options)
        let (timelines, orders) = try await (metering.message, order.message)
        return DueInstants(
            termEnds: Timestamp(presentMilliseconds: timelines.expiryAt),
            cut: Timestamp(presentMilliseconds: timelines.cutAt),
            orderDeadline: Timestamp(presentMilliseconds: orders.orderDeadlineAt))
    }

    package func perform(_ work: DueStop.Work, at stop: DueStop) async throws -> DueResult {
        let options = CallOptions(effectiveAt: stop.at, deadline: .after(milliseconds: Self.cutMilliseconds))
        switch work {
        case .expireTerms:
            _ = try await services.metering.call(
                MeteringV1.Cuts.expireTerms, MeteringV1.ExpireTermsRequest(through: stop.at.milliseconds), options)
            return DueResult()
        case .cut:
            let request = MeteringV1.CutRequest(
                partitionFrom: 0, partitionTo: UInt32(Partition.count), through: stop.cutThrough.milliseconds)
            let reply = try await services.metering.call(MeteringV1.Cuts.cut, request, options)
            return DueResult(lines: Int64(reply.lines), waiting: Int64(reply.waiting))
        case .expireOrders:
            _ = try await services.order.call(
                OrderV1.Orders.expireOrders, OrderV1.ExpireOrdersRequest(through: stop.at.milliseconds), options)
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
