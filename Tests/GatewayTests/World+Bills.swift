import BillingAPI
import BillingCore
import RPC
import Synchronization

@testable import Gateway

/// What is asked of pricing, metering and order to explain bills and judge prices.
extension World {
    /// What every version has for everything.
    static let listPriceNanos: Int64 = 7

    static let things = (0..<450).map { index in
        MeteringV1.Billed(accountID: "acct-\(index / 300)", id: "ag-\(index)", specification: "acp.std.small")
    }

    func registerBills(in router: inout Router) {
        // Two pages: the first 300 things, then the rest.
        router.handle(MeteringV1.Resources.listBilled) { request, _ in
            guard request.afterAccount.isEmpty else {
                return Response(MeteringV1.ListBilledReply(things: Array(Self.things.dropFirst(300))))
            }
            return Response(
                MeteringV1.ListBilledReply(
                    things: Array(Self.things.prefix(300)), nextAccount: "acct-0", nextPartition: 7))
        }
        // Every second thing pays something else.
        router.handle(PricingV1.Prices.compareDraft) { request, _ in
            let impacts = request.things.enumerated().filter { $0.offset % 2 == 0 }
                .map { PricingV1.Impact(id: $0.element.id, afterMicros: 1) }
            return Response(
                PricingV1.CompareDraftReply(
                    version: 2, changes: [PricingV1.PriceChange(what: "eip ML")], impacts: impacts))
        }
        router.handle(MeteringV1.Resources.listAccruing) { _, _ in
            Response(
                MeteringV1.ListAccruingReply(accruing: [
                    MeteringV1.Accruing(resourceID: "ag-1", specification: "acp.std.small", instances: 2),
                    MeteringV1.Accruing(resourceID: "bw-1", item: "shared-bandwidth", quantity: 5),
                ]))
        }
        // A micro-dollar a second for each instance, and ten for a clock hour of each unit.
        router.handle(PricingV1.Prices.rate) { request, _ in
            var reply = PricingV1.RateReply()
            for (index, resource) in request.resources.enumerated() {
                reply.slice.append(UInt32(index))
                let seconds = (request.end[index] - request.start[index]) / 1000
                reply.grossMicros.append(
                    resource.item.isEmpty ? seconds * Int64(resource.instances) : 10 * resource.quantity)
            }
            return Response(reply)
        }
        router.handle(OrderV1.Bills.getLine) { request, _ in
            guard let details = self.script.withLock({ $0.lines[request.lineID] }) else {
                throw RPCError(.notFound, "bill.line_not_found", "There is no such line.")
            }
            return Response(details)
        }
        router.handle(RefundV1.Refunds.getRefund) { request, call in
            guard request.refundID == "ref-1", call.account == "acct-1" else {
                throw RPCError(.notFound, "refund.not_found", "There is no such refund.")
            }
            let orders = [
                RefundV1.RefundedOrder(orderID: "ord-1", cashPaidMicros: 9_910_000),
                RefundV1.RefundedOrder(
                    orderID: "ord-2", cashPaidMicros: 5_000_000, inFullBecause: "pending renewal"),
            ]
            return Response(RefundV1.RefundReply(refund: RefundV1.Refund(refundID: "ref-1", at: 9, orders: orders)))
        }
        // Slices cost 45,700, orders 9,910,000 with nothing off, and 3,510,000 of an order is consumed. A line without a
        // version has no price in the list either.
        router.handle(PricingV1.Prices.explain) { request, _ in
            self.script.withLock { $0.requests["explain"] = request }
            let amount: Int64 = request.slice != nil ? 45_700 : request.order != nil ? 9_910_000 : 3_510_000
            let version = request.slice?.priceListVersion ?? request.order?.priceListVersion ?? 0
            return Response(
                PricingV1.ExplainReply(
                    amountMicros: amount, steps: ["step"], listPriceNanos: version == 0 ? 0 : Self.listPriceNanos))
        }
    }
}
