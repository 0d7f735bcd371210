import BillingAPI
import BillingCore
package import RPC
package import Storage

/// Refunds: their quote, policy and life. It asks pricing what is used up and order what was paid, and has order post
/// the money; it never calls metering, so a group's facts come with the request.
package struct RefundingService: Sendable {
    let database: any Database
    let orders: OrderV1.OrdersClient
    let orderSteps: OrderV1.OrderStepsClient
    let bills: OrderV1.BillsClient
    let prices: PricingV1.PricesClient

    package init(database: any Database, order: any Channel, pricing: any Channel) {
        self.database = database
        orders = OrderV1.OrdersClient(order)
        orderSteps = OrderV1.OrderStepsClient(order)
        bills = OrderV1.BillsClient(order)
        prices = PricingV1.PricesClient(pricing)
    }

    package func register(in router: inout Router) {
        router.handle(RefundV1.Refunds.quoteRefund, quoteRefund)
        router.handle(RefundV1.Refunds.quoteRenewalRefund, quoteRenewalRefund)
        router.handle(RefundV1.Refunds.getRefund, getRefund)
        router.handle(RefundV1.Refunds.listRefunds, listRefunds)
        router.handle(RefundV1.Refunds.confirmRefund, confirmRefund)
        router.handle(RefundV1.Refunds.auditRefunds, auditRefunds)
        router.handle(RefundV1.RefundSteps.openRefund, openRefund)
        router.handle(RefundV1.RefundSteps.payRefund, payRefund)
        router.handle(RefundV1.RefundSteps.closeRefund, closeRefund)
        router.handle(RefundV1.RefundSteps.noteRefund, noteRefund)
        router.requireAll(RefundV1.Refunds.all)
        router.requireAll(RefundV1.RefundSteps.all)

        ParticipationService { request, limit in
            try await database.keptSteps(
                in: try Partition.range(request.partitionFrom, request.partitionTo),
                after: (request.afterAccount, request.afterSaga, request.afterStep), limit: limit,
                map: CommonV1.KeptStep.init(account:sagaID:step:state:maxEpoch:))
        }.register(in: &router)
    }
}
