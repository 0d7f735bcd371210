import BillingAPI
import RPC

struct BillHandlers: Sendable {
    let forwarding: Forwarding

    func register(in router: inout Router) {
        router.handle(GatewayV1.Bills.listBill, listBill)
        router.requireAll(GatewayV1.Bills.all)
    }

    func listBill(
        _ request: OrderV1.ListBillRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListBillReply> {
        try await forwarding.read(.order, OrderV1.Bills.listBill, request, call)
    }
}
