import BillingAPI
package import BillingCore
import Logging
package import RPC
package import Storage

/// The order service: accounts, ledger, payments, orders, bill lines and settlement. All money is posted here and
/// nowhere else. It calls nobody, keeps no timers and reads no clock: instants come with the calls (design 1, 2).
package struct OrderingService: Sendable {
    let database: any Database
    let identifiers: any IdentifierGenerator
    let logger = Logger(label: "billing.order")

    package init(database: any Database, identifiers: any IdentifierGenerator) {
        self.database = database
        self.identifiers = identifiers
    }

    package func register(in router: inout Router) {
        router.handle(OrderV1.Accounts.openAccount, openAccount)
        router.handle(OrderV1.Accounts.getAccount, getAccount)
        router.handle(OrderV1.Accounts.listAccounts, listAccounts)
        router.handle(OrderV1.Accounts.topUp, topUp)
        router.handle(OrderV1.Accounts.adjust, adjust)
        router.handle(OrderV1.Accounts.listNotices, listNotices)
        router.handle(OrderV1.Accounts.listStatement, listStatement)

        router.handle(OrderV1.Coupons.grantCoupon, grantCoupon)
        router.handle(OrderV1.Coupons.listCoupons, listCoupons)
        router.handle(OrderV1.Coupons.listStartingCoupons, listStartingCoupons)

        router.handle(OrderV1.Payments.registerPayment, registerPayment)
        router.handle(OrderV1.Payments.confirmPayment, confirmPayment)
        router.handle(OrderV1.Payments.returnPayment, returnPayment)
        router.handle(OrderV1.Payments.listPayments, listPayments)

        router.handle(OrderV1.Orders.placeOrder, placeOrder)
        router.handle(OrderV1.Orders.cancelOrder, cancelOrder)
        router.handle(OrderV1.Orders.getOrder, getOrder)
        router.handle(OrderV1.Orders.listOrders, listOrders)
        router.handle(OrderV1.Orders.expireOrders, expireOrders)
        router.handle(OrderV1.Orders.closeMonths, closeMonths)
        router.handle(OrderV1.Orders.recordNotices, recordNotices)
        router.handle(OrderV1.Orders.nextDue, nextDue)

        router.handle(OrderV1.OrderSteps.claimOverdue, claimOverdue)
        router.handle(OrderV1.OrderSteps.payOrder, payOrder)
        router.handle(OrderV1.OrderSteps.autoRenew, autoRenew)
        router.handle(OrderV1.OrderSteps.startCoupon, startCoupon)
        router.handle(OrderV1.OrderSteps.cancelUnpaid, cancelUnpaid)
        router.handle(OrderV1.OrderSteps.acknowledgeRecovery, acknowledgeRecovery)
        router.handle(OrderV1.OrderSteps.refundInFull, refundInFull)
        router.handle(OrderV1.OrderSteps.postRefund, postRefund)

        router.handle(OrderV1.Bills.postUsage, postUsage)
        router.handle(OrderV1.Bills.getLine, getLine)
        router.handle(OrderV1.Bills.listBill, listBill)
        router.handle(OrderV1.Bills.confirmRefund, confirmRefund)
        router.handle(OrderV1.Bills.auditMoney, auditMoney)
        router.handle(OrderV1.Bills.auditCoverage, auditCoverage)
        router.handle(OrderV1.Bills.listPostedRefunds, listPostedRefunds)

        for service in [
            OrderV1.Accounts.all, OrderV1.Coupons.all, OrderV1.Payments.all, OrderV1.Orders.all, OrderV1.OrderSteps.all,
            OrderV1.Bills.all,
        ] {
            router.requireAll(service)
        }

        ParticipationService { request, limit in
            try await database.keptSteps(
                in: try Partition.range(request.partitionFrom, request.partitionTo),
                after: (request.afterAccount, request.afterSaga, request.afterStep), limit: limit,
                map: CommonV1.KeptStep.init(account:sagaID:step:state:maxEpoch:))
        }.register(in: &router)
    }
}
