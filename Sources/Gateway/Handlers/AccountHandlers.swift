import BillingAPI
import BillingCore
import RPC

struct AccountHandlers: Sendable {
    let forwarding: Forwarding
    let engine: SagaEngine

    func register(in router: inout Router) {
        router.handle(GatewayV1.Accounts.openAccount, openAccount)
        router.handle(GatewayV1.Accounts.getAccount, getAccount)
        router.handle(GatewayV1.Accounts.listAccounts, listAccounts)
        router.handle(GatewayV1.Accounts.topUp, topUp)
        router.handle(GatewayV1.Accounts.adjust, adjust)
        router.handle(GatewayV1.Accounts.listNotices, listNotices)
        router.handle(GatewayV1.Accounts.grantCoupon, grantCoupon)
        router.handle(GatewayV1.Accounts.listCoupons, listCoupons)
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

    /// Adds money, which may end the account's being overdue. With a reference it only announces an online payment.
    func topUp(_ request: OrderV1.TopUpRequest, _ call: CallContext) async throws -> Response<OrderV1.TopUpReply> {
        guard request.reference.isEmpty else {
            var announced = request
            announced.step = nil
            return try await forwarding.write(.order, OrderV1.Accounts.topUp, announced, call)
        }
        return try await settle(.topUp, request, call)
    }

    func adjust(_ request: OrderV1.AdjustRequest, _ call: CallContext) async throws -> Response<OrderV1.AdjustReply> {
        try await settle(.adjust, request, call)
    }

    func grantCoupon(
        _ request: OrderV1.GrantCouponRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.GrantCouponReply> {
        try await settle(.grantCoupon, request, call, dueAt: request.effectiveAt)
    }

    func listCoupons(
        _ request: OrderV1.ListCouponsRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListCouponsReply> {
        try await forwarding.read(.order, OrderV1.Coupons.listCoupons, request, call)
    }

    func listNotices(
        _ request: OrderV1.ListNoticesRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListNoticesReply> {
        try await forwarding.read(.order, OrderV1.Accounts.listNotices, request, call)
    }

    func listStatement(
        _ request: OrderV1.ListStatementRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListStatementReply> {
        try await forwarding.read(.order, OrderV1.Accounts.listStatement, request, call)
    }

    /// Runs a write that may clear the account's debt as a saga about the account.
    /// - Parameter dueAt: when something is due that it makes, in milliseconds; 0: nothing is.
    private func settle<Request: WireMessage, Reply: WireMessage>(
        _ definition: SagaDefinition, _ request: Request, _ call: CallContext, dueAt: Int64 = 0
    ) async throws -> Response<Reply> {
        _ = try call.accountID()
        if let earlier: Response<Reply> = try await engine.earlier(call, request) { return earlier }
        return try await forwarding.clock.stamped(call) { instant in
            try await forwarding.clock.cutBefore(call, at: instant)
            if dueAt != 0 { forwarding.clock.expectDue(at: Timestamp(milliseconds: dueAt)) }
            return try await engine.run(
                definition, group: "", input: FrozenMessages(request), call, request, at: instant)
        }
    }
}
