import BillingAPI
import BillingCore
import RPC
import Storage

extension OrderingService {
    /// Opens an account with a new id; the call itself is for no account. A repeat with the same key gets the same one.
    func openAccount(
        _ request: OrderV1.OpenAccountRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.AccountReply> {
        let instant = try call.instant()
        let id = AccountID(from: identifiers)
        return try await database.write(once: call, request) { transaction in
            let account = try Account.opening(id: id, name: request.name, at: instant)
            try transaction.insert(account)
            return Response(try transaction.accountReply(account), effectiveAt: instant)
        }
    }

    func getAccount(
        _ request: OrderV1.GetAccountRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.AccountReply> {
        let id = try call.accountID()
        return try await database.read { Response(try $0.accountReply($0.account(id))) }
    }

    /// The operator's list of all accounts; a call for one account lists that one alone.
    func listAccounts(
        _ request: OrderV1.ListAccountsRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListAccountsReply> {
        let limit = try PageCursor.limit(request.limit)
        guard call.account.isEmpty else {
            let id = try call.accountID()
            return try await database.read {
                Response(OrderV1.ListAccountsReply(accounts: [try $0.wireAccount($0.account(id))]))
            }
        }
        let cursor = request.cursor
        guard cursor.isEmpty || (try? AccountID(cursor)) != nil else { throw PageError.cursor(cursor) }
        let first = cursor.isEmpty ? 0 : Partition.of(cursor)
        return try await database.read { transaction in
            let accounts = try transaction.accounts(
                partitions: first..<Partition.count, after: cursor, limit: limit + 1)
            let page = accounts.prefix(limit)
            return Response(
                OrderV1.ListAccountsReply(
                    accounts: try page.map { try transaction.wireAccount($0) },
                    nextCursor: accounts.count > limit ? page.last?.id.text ?? "" : ""))
        }
    }

    /// Adds money to the balance, where it pays outstanding bills first (domain 3.4). With a reference it is only
    /// announced: an online payment counts when it is confirmed (domain 3.5).
    /// - Throws: `MoneyError`; `OrderError.referenceUsed`.
    func topUp(_ request: OrderV1.TopUpRequest, _ call: CallContext) async throws -> Response<OrderV1.TopUpReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        let paymentID = PaymentID(from: identifiers)
        return try await database.write(once: call, request) { transaction in
            let amount = try Money.input(micros: request.amountMicros)
            var account = try transaction.account(id)
            let at = try account.takeEffect(at: instant)
            var reply = OrderV1.TopUpReply()
            if request.reference.isEmpty {
                let settled = try transaction.credit(amount, to: &account) { settled in
                    try .topUp(amount, settled: settled, reference: "cash")
                }
                reply.settledMicros = settled.micros
            } else {
                let payment = try Payment(
                    id: paymentID, account: id, reference: request.reference, orderID: nil, amount: amount,
                    registeredAt: at)
                try transaction.insert(payment)
                reply.payment = OrderV1.Payment(payment)
            }
            try transaction.update(account)
            reply.account = try transaction.wireAccount(account)
            return Response(reply, effectiveAt: at)
        }
    }

    /// The journal of the account, each transaction with the sums after it.
    func listStatement(
        _ request: OrderV1.ListStatementRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListStatementReply> {
        let id = try call.accountID()
        let limit = try PageCursor.limit(request.limit)
        return try await database.read { transaction in
            let account = try transaction.account(id)
            let posted = try transaction.statement(of: account.id, after: request.afterSequence, limit: limit + 1)
            let page = posted.prefix(limit)
            return Response(
                OrderV1.ListStatementReply(
                    transactions: page.map { OrderV1.LedgerTransaction($0) },
                    nextSequence: posted.count > limit ? page.last?.sequence ?? 0 : 0))
        }
    }
}

extension Transaction {
    func wireAccount(_ account: Account) throws -> OrderV1.Account {
        OrderV1.Account(account, unpaidOrders: try unpaidOrders(of: account.id).count)
    }

    func accountReply(_ account: Account) throws -> OrderV1.AccountReply {
        OrderV1.AccountReply(account: try wireAccount(account))
    }
}
