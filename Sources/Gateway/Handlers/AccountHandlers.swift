import BillingAPI
import RPC

struct AccountHandlers: Sendable {
    let forwarding: Forwarding

    func register(in router: inout Router) {
        router.handle(GatewayV1.Accounts.openAccount, openAccount)
        router.handle(GatewayV1.Accounts.getAccount, getAccount)
        router.handle(GatewayV1.Accounts.listAccounts, listAccounts)
        router.handle(GatewayV1.Accounts.topUp, topUp)
        router.handle(GatewayV1.Accounts.listStatement, listStatement)
        router.requireAll(GatewayV1.Accounts.all)
    }

    func openAccount(
        _ request: OrderV1.OpenAccountRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.AccountReply> {
        try await forwarding.write(.order, OrderV1.Accounts.openAccount, request, call, cutsFirst: false)
    }

    func getAccount(
        _ request: OrderV1.GetAccountRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.AccountReply> {
        try await forwarding.read(.order, OrderV1.Accounts.getAccount, request, call)
    }

    func listAccounts(
        _ request: OrderV1.ListAccountsRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListAccountsReply> {
        try await forwarding.read(.order, OrderV1.Accounts.listAccounts, request, call)
    }

    func topUp(_ request: OrderV1.TopUpRequest, _ call: CallContext) async throws -> Response<OrderV1.TopUpReply> {
        try await forwarding.write(.order, OrderV1.Accounts.topUp, request, call)
    }

    func listStatement(
        _ request: OrderV1.ListStatementRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListStatementReply> {
        try await forwarding.read(.order, OrderV1.Accounts.listStatement, request, call)
    }
}
