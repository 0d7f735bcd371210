import BillingAPI
import BillingCore
import RPC
import Storage

extension OrderingService {
    /// Bill lines, or sums over them by period and grouping, of one account, or of all when the call is for none. All
    /// views of one filter add up to the same total (domain 9.2).
    /// - Throws: `BillError.rangeTooLong`. Where the start is open the first page finds out, and the others follow it.
    func listBill(
        _ request: OrderV1.ListBillRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListBillReply> {
        let owner = call.account.isEmpty ? nil : try call.accountID()
        let (filter, now) = (try BillFilter(request), try call.instant())
        try filter.requireRange(now: now)
        let isFirstPage = request.cursor.isEmpty
        let limit = try PageCursor.limit(request.limit)
        let withTotal = !request.withoutTotal
        func sums(_ period: StatisticalPeriod) async throws -> Response<OrderV1.ListBillReply> {
            let after = try SumCursor(request.cursor)
            let grouping = BillGrouping(request.groupBy)
            return try await database.read { transaction in
                if isFirstPage { try transaction.requireRange(of: owner, filter, now: now) }
                let (summary, total) = try transaction.summary(of: owner, filter, period, grouping)
                let rows = summary.rows().drop { !after.isBefore($0) }.prefix(limit + 1)
                let page = rows.prefix(limit)
                return Response(
                    OrderV1.ListBillReply(
                        lines: page.map { OrderV1.BillLine($0, period: period, grouping: grouping, now: now) },
                        total: withTotal ? OrderV1.BillLine(sumOf: total) : nil,
                        nextCursor: rows.count > limit ? page.last.map { SumCursor($0).text } ?? "" : ""))
            }
        }
        switch request.period {
        case .details:
            let cursor = LineName(request.cursor)
            guard cursor != nil || request.cursor.isEmpty else { throw PageError.cursor(request.cursor) }
            return try await database.read { transaction in
                if isFirstPage { try transaction.requireRange(of: owner, filter, now: now) }
                var page = DetailPage(after: cursor, limit: limit, withTotal: withTotal, now: now)
                // Without a total nothing before the page is looked at, and nothing after it.
                try transaction.forEachBillLine(of: owner, filter, after: withTotal ? nil : cursor) { try page.add($0) }
                return Response(page.reply)
            }
        case .unspecified, .month: return try await sums(.month)
        case .day: return try await sums(.day)
        case .total: return try await sums(.total)
        }
    }

    /// Whoever runs the payments tells that the online part of a refund arrived (domain 7.5). The call is for the
    /// refund's account, or for none.
    /// - Throws: `OrderError.refundNotFound`, `.refundNotOnline`, `.refundConfirmed`.
    func confirmRefund(
        _ request: OrderV1.ConfirmRefundRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.RefundPostedReply> {
        let instant = try call.instant()
        let owner = call.account.isEmpty ? nil : try call.accountID()
        return try await database.write(once: call, request) { transaction in
            var refund = try transaction.refund(request.refundID, of: owner)
            var account = try transaction.account(refund.account)
            let at = try account.takeEffect(at: instant)
            try refund.confirm(at: at)
            try transaction.post(.refundConfirmed(refund.online, refund: refund.id.text), to: &account)
            try transaction.update(refund)
            try transaction.update(account)
            return Response(OrderV1.RefundPostedReply(refund), effectiveAt: at)
        }
    }
}

extension Transaction {
    /// - Throws: `BillError.rangeTooLong` when the start is open and there is a line that starts too early.
    fileprivate func requireRange(of owner: AccountID?, _ filter: BillFilter, now: Timestamp) throws {
        guard let suspects = filter.suspects(now: now) else { return }
        try forEachBillLine(of: owner, suspects, after: nil) { found in
            try filter.requireRange(now: now, first: found.line.start)
            return true
        }
    }

    /// Sums over the lines that a filter admits, and the sum of all.
    fileprivate func summary(
        of owner: AccountID?, _ filter: BillFilter, _ period: StatisticalPeriod, _ grouping: BillGrouping
    ) throws -> (summary: BillSummary, total: BillAmounts) {
        var summary = BillSummary(period: period)
        var total = BillAmounts()
        // Of the sources of one account, and not of too many.
        var numbers: [Int64: Int] = [:]
        var account: AccountID?
        try forEachBillLine(of: owner, filter, after: nil) { found in
            if found.account != account || numbers.count == FoundSources.most {
                account = found.account
                numbers.removeAll(keepingCapacity: true)
            }
            let number: Int
            if let known = numbers[found.line.source] {
                number = known
            } else {
                number = summary.number(of: grouping.text(found.source, account: found.account.text))
                numbers[found.line.source] = number
            }
            try summary.add(found.line.amounts, start: found.line.start, grouping: number)
            try total.add(found.line.amounts)
            return true
        }
        return (summary, total)
    }
}

/// Collects one page of lines, and the total over all.
private struct DetailPage {
    private let after: LineName?
    private let limit: Int
    private let withTotal: Bool
    private let now: Timestamp
    private var total = BillAmounts()
    private var lines: [OrderV1.BillLine] = []
    private var last: LineName?
    private var hasMore = false

    init(after: LineName?, limit: Int, withTotal: Bool, now: Timestamp) {
        self.after = after
        self.limit = limit
        self.withTotal = withTotal
        self.now = now
    }

    /// - Returns: whether it has a use for more.
    mutating func add(_ found: FoundLine) throws -> Bool {
        if withTotal { try total.add(found.line.amounts) }
        let place = LineName(
            account: found.account, key: LineKey(start: found.line.start, source: found.line.source))
        if let after, !(after < place) { return true }
        guard lines.count < limit else {
            hasMore = true
            return withTotal
        }
        lines.append(OrderV1.BillLine(found, now: now))
        last = place
        return true
    }

    var reply: OrderV1.ListBillReply {
        OrderV1.ListBillReply(
            lines: lines, total: withTotal ? OrderV1.BillLine(sumOf: total) : nil,
            nextCursor: hasMore ? last?.text ?? "" : "")
    }
}

/// A place among sums: the period and the grouping of the last row told.
private struct SumCursor {
    private let place: (period: Int64, grouping: String)?

    init(_ row: BillSummary.Row) { place = (row.period, row.grouping) }

    init(_ text: String) throws(PageError) {
        guard !text.isEmpty else {
            place = nil
            return
        }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let period = Int64(parts[0]) else { throw .cursor(text) }
        place = (period, String(parts[1]))
    }

    var text: String { place.map { "\($0.period)/\($0.grouping)" } ?? "" }

    func isBefore(_ row: BillSummary.Row) -> Bool {
        guard let place else { return true }
        return place < (row.period, row.grouping)
    }
}

extension BillFilter {
    /// - Throws: `PageError` for an end before the start.
    fileprivate init(_ request: OrderV1.ListBillRequest) throws {
        self.init()
        if request.start != 0 { start = Timestamp(milliseconds: request.start) }
        if request.end != 0 { end = Timestamp(milliseconds: request.end) }
        guard start <= end else {
            throw PageError(field: "end", value: String(request.end), why: "is before the start")
        }
        groupID = request.groupID
        region = request.region
        specification = request.specification
        kinds = request.itemKinds.filter(ItemKind.self)
        if !request.billingMethods.isEmpty {
            let methods = request.billingMethods.filter(BillingMethod.self)
            kinds = kinds.filter { $0.method.map(methods.contains) ?? false }
        }
        if !request.statuses.isEmpty { statuses = Set(request.statuses.compactMap { BillAmounts.Status($0) }) }
        if request.outstanding { statuses.remove(.paid) }
    }
}

extension BillAmounts.Status {
    fileprivate init?(_ status: OrderV1.LineStatus) {
        switch status {
        case .unspecified: return nil
        case .paid: self = .paid
        case .partlyPaid: self = .partlyPaid
        case .unpaid: self = .unpaid
        }
    }
}

extension BillGrouping {
    fileprivate init(_ grouping: OrderV1.BillGrouping) {
        switch grouping {
        case .unspecified: self = .none
        case .group: self = .group
        case .item: self = .item
        case .specification: self = .specification
        case .region: self = .region
        case .billingMethod: self = .billingMethod
        case .specificationAndRegion: self = .specificationAndRegion
        case .product: self = .product
        case .account: self = .account
        }
    }
}
