import BillingAPI
import BillingCore
import RPC
import Storage

extension OrderingService {
    /// What was billed to the accounts of a range of keys, line by line, for the audit to compare with their timelines and
    /// with the price list. A page may end within an account.
    /// - Throws: `PageError` for a range that is none.
    func auditCoverage(
        _ request: OrderV1.AuditCoverageRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.AuditCoverageReply> {
        let partitions = try Partition.range(request.partitionFrom, request.partitionTo)
        return try await database.read { transaction in
            var page = CoveragePage()
            if request.afterSource != 0 {
                let after = LineKey(
                    start: Timestamp(milliseconds: request.afterStart), source: request.afterSource)
                try page.add(try transaction.account(try AccountID(request.afterAccount)), after: after, transaction)
            }
            var last = (partition: partitions.lowerBound, account: request.afterAccount)
            while !page.isFull {
                let accounts = try transaction.accounts(
                    partitions: last.partition..<max(last.partition, partitions.upperBound), after: last.account,
                    limit: CoveragePage.accountsAtOnce)
                for account in accounts {
                    let key = (Partition.of(account.id.text), account.id.text)
                    if !request.throughAccount.isEmpty,
                        key > (Partition.of(request.throughAccount), request.throughAccount)
                    {
                        return Response(page.reply)
                    }
                    guard !page.isFull else { break }
                    try page.add(account, after: nil, transaction)
                    last = key
                }
                if accounts.count < CoveragePage.accountsAtOnce, !page.isFull { return Response(page.reply) }
            }
            page.endBeforeTheLast()
            return Response(page.reply)
        }
    }
}

/// One page of lines, as the columns that it is sent as.
private struct CoveragePage {
    /// Accounts that are read by one query.
    static let accountsAtOnce = 100

    private(set) var reply = OrderV1.AuditCoverageReply()
    private var indexOfPrice: [OrderV1.AppliedPriceKey: UInt32] = [:]
    private var lastAccount = ""
    private var lastLine: LineKey?

    var isFull: Bool {
        reply.source.count == WireLimits.batch.items || reply.accounts.count == WireLimits.batch.items
    }

    /// Takes the lines of an account that come after a key, as many as there is room for.
    mutating func add(_ account: Account, after: LineKey?, _ transaction: any Transaction) throws {
        let index = UInt32(reply.accounts.count)
        reply.accounts.append(
            OrderV1.CoveredAccount(
                accountID: account.id.text, overdueAt: account.overdueAt?.milliseconds ?? 0))
        (lastAccount, lastLine) = (account.id.text, nil)
        let sources = try transaction.sources(of: account.id)
        guard !sources.isEmpty else { return }
        let givenBack = try transaction.ordersGivenBack(of: account.id)
        var indexOfSource: [Int64: UInt32] = [:]
        try transaction.forEachLine(
            of: account.id, from: .earliest, to: Timestamp(milliseconds: .max), after: after
        ) { line in
            guard !isFull else { return false }
            lastLine = LineKey(start: line.start, source: line.source)
            guard let source = sources[line.source], source.isCoverage else { return true }
            if indexOfSource[line.source] == nil {
                indexOfSource[line.source] = UInt32(reply.sources.count)
                reply.sources.append(
                    OrderV1.CoveredSource(
                        account: index, thingID: source.coveredThing,
                        orderID: source.kind == .subscriptionOrder ? source.orderID : "",
                        givenBack: givenBack.contains(source.orderID)))
            }
            reply.source.append(indexOfSource[line.source] ?? 0)
            reply.start.append(source.usageStart(of: line).milliseconds)
            reply.end.append(line.end.milliseconds)
            reply.price.append(price(of: line))
            reply.grossMicros.append(line.amounts.gross.micros)
            return true
        }
    }

    private mutating func price(of line: BillLine) -> UInt32 {
        let key = OrderV1.AppliedPriceKey(version: line.priceListVersion, nanos: line.listPrice.nanos)
        if let known = indexOfPrice[key] { return known }
        let index = UInt32(reply.prices.count)
        indexOfPrice[key] = index
        reply.prices.append(
            PricingV1.AppliedPrice(priceListVersion: UInt32(clamping: key.version), hourlyNanos: key.nanos))
        return index
    }

    /// The page is full: the next one goes on after the last line.
    mutating func endBeforeTheLast() {
        reply.more = true
        reply.nextPartition = UInt32(Partition.of(lastAccount))
        reply.nextAccount = lastAccount
        reply.nextStart = lastLine?.start.milliseconds ?? 0
        reply.nextSource = lastLine?.source ?? 0
    }
}

extension OrderV1 {
    fileprivate struct AppliedPriceKey: Hashable {
        let version: Int
        let nanos: Int64
    }
}

extension BillSource {
    /// Whether its lines cover time: use, or a paid term.
    fileprivate var isCoverage: Bool {
        switch kind {
        case .payAsYouGoBill: !isRoundDown
        case .subscriptionOrder: true
        case .refund, .adjustment: false
        }
    }

    /// The group; a value-added resource stands where a group does.
    fileprivate var coveredThing: String { groupID.isEmpty ? resourceID : groupID }
}

extension Transaction {
    /// The orders of an account of which money was given back.
    fileprivate func ordersGivenBack(of account: AccountID) throws -> Set<String> {
        Set(
            try all(
                """
                SELECT order_id FROM customer_order
                WHERE partition = ? AND account = ? AND (refunded <> 0 OR refunded_at IS NOT NULL)
                """, accountKey(account)
            ) { $0.text(0) })
    }
}
