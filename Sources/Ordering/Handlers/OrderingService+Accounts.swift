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
        let instant = call.effectiveAt
        return try await database.read { Response(try $0.accountReply($0.account(id), at: instant)) }
    }

    /// The operator's list of all accounts; a call for one account lists that one alone.
    func listAccounts(
        _ request: OrderV1.ListAccountsRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListAccountsReply> {
        let limit = try PageCursor.limit(request.limit)
        let instant = call.effectiveAt
        guard call.account.isEmpty else {
            let id = try call.accountID()
            return try await database.read {
                Response(OrderV1.ListAccountsReply(accounts: [try $0.wireAccount($0.account(id), at: instant)]))
            }
        }
        let cursor = request.cursor
        if !cursor.isEmpty {
            do throws(IdentifierError) { _ = try AccountID(cursor) } catch { throw PageError.cursor(cursor) }
        }
        let first = cursor.isEmpty ? 0 : Partition.of(cursor)
        return try await database.read { transaction in
            let accounts = try transaction.accounts(
                partitions: first..<Partition.count, after: cursor, limit: limit + 1)
            let page = accounts.prefix(limit)
            return Response(
                OrderV1.ListAccountsReply(
                    accounts: try page.map { try transaction.wireAccount($0, at: instant) },
                    nextCursor: accounts.count > limit ? page.last?.id.text ?? "" : ""))
        }
    }

    /// Adds money to the balance, where it pays outstanding bills first (domain 3.4). With a reference it is only
    /// announced: an online payment counts when it is confirmed (domain 3.5).
    /// - Throws: `MoneyError`; `OrderError.referenceUsed`.
    func topUp(_ request: OrderV1.TopUpRequest, _ call: CallContext) async throws -> Response<OrderV1.TopUpReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        let paymentID = PaymentID(from: identifiers)
        return try await write(request.step, call, request) { transaction in
            let amount = try Money.input(micros: request.amountMicros)
            var account = try transaction.account(id)
            let at = try account.takeEffect(at: instant)
            var reply = OrderV1.TopUpReply()
            if request.reference.isEmpty {
                let credited = try transaction.credit(amount, to: &account) { settled in
                    try .topUp(amount, settled: settled, reference: "cash")
                }
                reply.settledMicros = credited.settled.micros
                reply.recovered = credited.recovered
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

    /// Corrects a closed matter by a line of now (domain 9.4): charges the balance, or credits as a top-up would.
    /// - Throws: `OrderError.adjustmentMalformed`; `.adjustmentTooLarge` for a charge that the balance does not cover.
    func adjust(_ request: OrderV1.AdjustRequest, _ call: CallContext) async throws -> Response<OrderV1.AdjustReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        let adjustment = AdjustmentID(from: identifiers)
        return try await write(request.step, call, request) { transaction in
            let amount = Money(micros: request.amountMicros)
            let size = try Adjustment.size(of: amount, reason: request.reason)
            var account = try transaction.account(id)
            let at = try account.takeEffect(at: instant)
            let sequence = account.nextSequence
            var credited = Credited(settled: .zero, sequence: sequence, recovered: false)
            if amount > .zero {
                guard account.balance >= amount else {
                    throw OrderError.adjustmentTooLarge(amount, balance: account.balance)
                }
                try transaction.post(.charge(size, adjustment: adjustment.text), to: &account)
            } else {
                credited = try transaction.credit(size, to: &account) { settled in
                    try .credit(size, settled: settled, adjustment: adjustment.text)
                }
            }
            let source = BillSource.adjustment(adjustment, reason: request.reason, at: at)
            let line = BillLine(
                start: at, end: at, source: try transaction.insert(source, of: id), priceListVersion: 0,
                listPrice: UnitPrice(nanos: 0), amounts: try .line(gross: amount, paid: amount), sequence: sequence,
                postedAt: at)
            _ = try transaction.insert(line, about: source, of: account)
            try transaction.update(account)
            return Response(
                OrderV1.AdjustReply(
                    account: try transaction.wireAccount(account), adjustmentID: adjustment.text,
                    lineID: line.id(of: id), settledMicros: credited.settled.micros, recovered: credited.recovered),
                effectiveAt: at)
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
    /// - Parameter instant: at which coupons count that can be used then; `nil`: the account's latest one.
    func wireAccount(_ account: Account, at instant: Timestamp? = nil) throws -> OrderV1.Account {
        let instant = max(instant ?? account.lastAt, account.lastAt)
        let coupons = try usableCoupons(of: account.id, at: instant)
        func left(_ coupons: [Coupon]) -> Money { coupons.reduce(.zero) { $0 + $1.remaining } }
        return OrderV1.Account(
            account, unpaidOrders: try unpaidOrders(of: account.id).count, coupons: left(coupons),
            availableCredit: account.balance + left(coupons.filter { $0.paysUsage(at: instant) }))
    }

    func accountReply(_ account: Account, at instant: Timestamp? = nil) throws -> OrderV1.AccountReply {
        OrderV1.AccountReply(account: try wireAccount(account, at: instant))
    }
}
