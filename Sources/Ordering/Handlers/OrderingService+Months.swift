import BillingAPI
import BillingCore
import RPC
import Storage

extension OrderingService {
    /// Rounds down what the pay-as-you-go lines of each month that is over cost (domain 2.9): at most 1,024 accounts a
    /// call. A repeat rounds nothing again and names the recoveries again that nobody has acknowledged.
    func closeMonths(
        _ request: OrderV1.CloseMonthsRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.CloseMonthsReply> {
        let through = try DueWork.through(request.through)
        let uncut = Set(request.uncutAccounts)
        var reply = OrderV1.CloseMonthsReply(more: true)
        for _ in 0..<DueWork.units where reply.more {
            let closed = try await database.write(.bulk) { transaction in
                let due = try transaction.accountsToClose(
                    through: through, except: uncut, limit: DueWork.accountsPerUnit)
                for account in due {
                    var account = account
                    _ = account.follow(through)
                    try transaction.closeMonth(of: &account, at: through)
                    try transaction.update(account)
                }
                return due.count
            }
            reply.accounts += UInt32(closed)
            reply.more = closed == DueWork.accountsPerUnit
        }
        reply.recoveries = try await database.read { try $0.recoveries(limit: DueWork.accountsPerCall) }
        return Response(reply, effectiveAt: through)
    }

    /// Records the reminders and release warnings that are due: at most 1,024 accounts a call.
    func recordNotices(
        _ request: OrderV1.RecordNoticesRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.RecordNoticesReply> {
        let through = try DueWork.through(request.through)
        var reply = OrderV1.RecordNoticesReply(more: true)
        for _ in 0..<DueWork.units where reply.more {
            let (accounts, notices) = try await database.write(.bulk) { transaction in
                let due = try transaction.accountsToRemind(through: through, limit: DueWork.accountsPerUnit)
                var recorded = 0
                for account in due {
                    var account = account
                    let id = account.id
                    let notices = try account.takeReminders(through: through) {
                        try transaction.hasGroupsToRelease(id)
                    }
                    if let last = notices.last { _ = account.follow(last.at) }
                    try transaction.record(notices, of: account.id)
                    try transaction.update(account)
                    recorded += notices.count
                }
                return (due.count, recorded)
            }
            reply.notices += UInt32(notices)
            reply.more = accounts == DueWork.accountsPerUnit
        }
        return Response(reply, effectiveAt: through)
    }

    /// The notices of an account, in order.
    func listNotices(
        _ request: OrderV1.ListNoticesRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListNoticesReply> {
        let id = try call.accountID()
        let limit = try PageCursor.limit(request.limit)
        return try await database.read { transaction in
            let account = try transaction.account(id)
            let found = try transaction.notices(of: account.id, after: request.afterSequence, limit: limit + 1)
            let page = found.prefix(limit)
            return Response(
                OrderV1.ListNoticesReply(
                    notices: page.map { sequence, notice in
                        OrderV1.Notice(
                            sequence: sequence, at: notice.at.milliseconds, kind: notice.kind.wire(),
                            amountMicros: notice.amount.micros, groupID: notice.groupID,
                            releaseAt: Timestamp.wire(notice.releaseAt))
                    }, nextSequence: found.count > limit ? page.last?.sequence ?? 0 : 0))
        }
    }
}

/// How due work of all accounts is cut into units.
enum DueWork {
    static let accountsPerUnit = 128
    static let units = 8
    static let accountsPerCall = accountsPerUnit * units

    /// - Throws: `OrderError.throughMalformed`.
    static func through(_ milliseconds: Int64) throws(OrderError) -> Timestamp {
        guard (Timestamp.earliest.milliseconds...Timestamp.latest.milliseconds).contains(milliseconds) else {
            throw .throughMalformed(milliseconds)
        }
        return Timestamp(milliseconds: milliseconds)
    }
}

extension Transaction {
    /// Closes the month of an account that is over: posts the round-down line and credits the fraction. The account
    /// itself is kept by `update`.
    /// - Parameter instant: of the cut or the call that closes it.
    func closeMonth(of account: inout Account, at instant: Timestamp) throws {
        guard let end = account.closeAt else { return }
        account.closeAt = nil
        let month = BillingCalendar.month(of: end.adding(milliseconds: -1))
        let net = try usageNet(of: account.id, month: month, before: account.nextSequence)
        let close = MonthClose(month: month, net: net)
        let isFirst = try execute(
            """
            INSERT INTO month_close (partition, account, month, closed_at, fraction, recovered, sequence)
            VALUES (?, ?, ?, ?, ?, 0, ?) ON CONFLICT DO NOTHING
            """,
            accountKey(account.id) + [
                .instant(month), .instant(instant), .money(close.fraction), .integer(account.nextSequence - 1),
            ])
        // A slice that a saga held back may come after the close; it costs what it costs.
        guard isFirst == 1, close.fraction > .zero else { return }
        let source = BillSource.roundDown(close)
        let sequence = account.nextSequence
        let credited = try credit(close.fraction, to: &account) { settled in
            try .roundDown(close.fraction, settled: settled, reference: source.id)
        }
        let line = BillLine(
            start: close.lineAt, end: close.lineAt, source: try insert(source, of: account.id), priceListVersion: 0,
            listPrice: UnitPrice(nanos: 0),
            amounts: try .line(gross: .zero, roundDown: close.fraction, paid: -close.fraction), sequence: sequence,
            postedAt: account.lastAt)
        _ = try insert(line, about: source, of: account)
        guard credited.recovered else { return }
        try execute(
            "UPDATE month_close SET recovered = 1 WHERE partition = ? AND account = ? AND month = ?",
            accountKey(account.id) + [.instant(month)])
    }

    /// The recoveries by month closes that nobody has acknowledged, the earliest first.
    fileprivate func recoveries(limit: Int) throws -> [OrderV1.Recovery] {
        try all(
            """
            SELECT account, closed_at FROM month_close WHERE recovered = 1 ORDER BY closed_at, partition, account LIMIT ?
            """, .integer(limit)
        ) { OrderV1.Recovery(accountID: $0.text(0), at: $0.integer(1)) }
    }

    /// Takes note that metering learns of a recovery: 2 is one that somebody has seen to.
    func acknowledgeRecovery(of account: AccountID, at instant: Timestamp) throws {
        try execute(
            "UPDATE month_close SET recovered = 2 WHERE partition = ? AND account = ? AND closed_at = ? AND recovered = 1",
            accountKey(account) + [.instant(instant)])
    }
}
