import BillingAPI
import BillingCore
import Logging
import RPC
import Storage

extension OrderingService {
    /// Posts the rated slices of a cut and settles each account (domain 2.8). A line is named by its resource and start,
    /// so a repeat posts nothing again, whatever part of the batch was posted before.
    ///
    /// Accounts are independent: they are written in units of about `linesPerUnit` lines, so that single calls need not
    /// wait for a whole batch. When one unit fails the others may be posted; the caller repeats the batch.
    /// - Throws: `OrderError.usageMalformed`, `.accountNotFound`; `.usageChanged` for a line that was posted with another
    ///   content, which is an alarm.
    func postUsage(
        _ request: OrderV1.PostUsageRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.PostUsageReply> {
        let batch = try UsageBatch(request)
        var units: [ArraySlice<UsageBatch.Share>] = []
        var first = 0
        var lines = 0
        for (index, share) in batch.shares.enumerated() {
            lines += share.lines.count
            if lines >= Self.linesPerUnit || index == batch.shares.count - 1 {
                units.append(batch.shares[first...index])
                (first, lines) = (index + 1, 0)
            }
        }
        do {
            var reply = OrderV1.PostUsageReply()
            try await withThrowingTaskGroup(of: UsageOutcome.self) { group in
                for unit in units {
                    group.addTask {
                        try await database.write(.bulk) { transaction in
                            var outcome = UsageOutcome()
                            for share in unit { try transaction.post(share, of: batch, into: &outcome) }
                            return outcome
                        }
                    }
                }
                for try await outcome in group {
                    reply.posted += outcome.posted
                    reply.repeatedLines += outcome.repeated
                    reply.overdueAccounts += outcome.overdue
                }
            }
            reply.overdueAccounts.sort()
            return Response(reply, effectiveAt: batch.cutAt)
        } catch let error as OrderError {
            if case .usageChanged = error {
                logger.critical("usage was posted before with another content", metadata: ["detail": "\(error)"])
            }
            throw error
        }
    }

    /// What the writer does at a time, about 5 ms.
    private static let linesPerUnit = 512
}

private struct UsageOutcome: Sendable {
    var posted: UInt32 = 0
    var repeated: UInt32 = 0
    var overdue: [String] = []
}

extension Transaction {
    /// Posts the new lines of one account with one ledger transaction, paid from coupons and then the balance while they
    /// last; then the month is closed if it is over, and the account tested for overdue (domain 2.8).
    fileprivate func post(
        _ share: UsageBatch.Share, of batch: UsageBatch, into outcome: inout UsageOutcome
    ) throws {
        var account = try account(share.account)
        // The account may be ahead of a cut that comes late; what the cut finds it finds at its own instant, as metering
        // does, which stops all use there.
        let cut = batch.cutAt
        _ = account.follow(cut)
        let coupons = try usableCoupons(of: account.id, at: cut).filter { $0.paysUsage(at: cut) }
        var settlement = Settlement(funds: account.balance, coupons: coupons)
        var uses: [(line: LineKey, part: CouponPart)] = []
        let posted = try insert(share.lines, of: batch, for: account, paidBy: &settlement, noting: &uses)
        outcome.repeated += UInt32(share.lines.count) - posted
        defer { if account.isOverdue { outcome.overdue.append(account.id.text) } }
        guard posted > 0 else {
            // Found overdue at this cut, it may have recovered before metering could stop it there: it does so first.
            if try !account.isOverdue && wasFoundOverdue(account.id, at: cut) {
                outcome.overdue.append(account.id.text)
            }
            return
        }
        outcome.posted += posted
        if try settlement.paid.adding(settlement.outstanding).adding(settlement.couponPaid) > .zero {
            let sequence = try post(
                .usage(
                    paid: settlement.paid, coupon: settlement.couponPaid, outstanding: settlement.outstanding,
                    reference: "cut-\(batch.cutAt.description)"), to: &account)
            for (line, part) in uses {
                try noteUse(of: part.coupon, part.amount, for: line, of: account.id, sequence: sequence)
            }
            if !uses.isEmpty {
                for (before, after) in zip(Coupon.ranked(coupons), settlement.coupons) where before != after {
                    try update(after)
                }
            }
        }
        // A slice that was held back may be of a month before that of the last one.
        for line in [share.lines.first, share.lines.last] {
            account.closeAt = account.closeAt ?? line.map { BillingCalendar.monthEnd(of: $0.start) }
            if let closeAt = account.closeAt, closeAt <= cut { try closeMonth(of: &account, at: cut) }
        }
        let credit = account.balance + settlement.coupons.reduce(.zero) { $0 + $1.remaining }
        let notices = [
            account.noteCredit(credit, burnPerHourNanos: batch.burnPerHourNanos(of: share), at: cut),
            account.findOverdue(at: cut),
        ]
        try record(notices.compactMap { $0 }, of: account.id)
        try update(account)
    }

    /// Posts the lines that are not posted yet.
    /// - Returns: how many those are.
    private func insert(
        _ lines: [UsageLine], of batch: UsageBatch, for account: Account, paidBy settlement: inout Settlement,
        noting uses: inout [(line: LineKey, part: CouponPart)]
    ) throws -> UInt32 {
        var numbers: [Int: Int64] = [:]
        var posted: UInt32 = 0
        for line in lines {
            let source = batch.resources[line.resource].source
            let number = try numbers[line.resource] ?? number(of: source, line, account)
            numbers[line.resource] = number
            var after = settlement
            let share = try after.settle(line.gross, of: source.product)
            let isNew = try insert(
                BillLine(
                    start: line.start, end: line.end, source: number, priceListVersion: line.price.priceListVersion,
                    listPrice: line.price.hourly,
                    amounts: try .line(gross: line.gross, coupon: share.coupon, paid: share.paid),
                    sequence: line.gross == .zero ? 0 : account.nextSequence, postedAt: account.lastAt),
                about: source, of: account)
            guard isNew else {
                try requireUnchanged(line, number, source, account)
                continue
            }
            settlement = after
            posted += 1
            let key = LineKey(start: line.start, source: number)
            uses += share.coupons.map { (key, $0) }
        }
        return posted
    }

    /// The number of a resource as a source, which is made at its first line.
    /// - Throws: `OrderError.usageChanged` when the resource was described otherwise before.
    private func number(of source: BillSource, _ line: UsageLine, _ account: Account) throws -> Int64 {
        guard let known = try self.source(source.kind, source.id, of: account.id) else {
            return try insert(source, of: account.id)
        }
        guard known.source == source else { throw OrderError.usageChanged(resource: source.id, start: line.start) }
        return known.number
    }

    private func requireUnchanged(
        _ line: UsageLine, _ number: Int64, _ source: BillSource, _ account: Account
    ) throws {
        let known = try postedUsage(LineKey(start: line.start, source: number), of: account.id)
        guard let known, known.end == line.end, known.price == line.price, known.gross == line.gross else {
            throw OrderError.usageChanged(resource: source.id, start: line.start)
        }
    }
}

extension UsageBatch {
    /// - Throws: `OrderError.usageMalformed`; `IdentifierError`.
    fileprivate init(_ request: OrderV1.PostUsageRequest) throws {
        let resources = try request.resources.enumerated().map { index, resource in
            func check(_ holds: Bool, _ field: String, _ value: String, _ why: String) throws {
                guard holds else {
                    throw OrderError.usageMalformed(field: "resources[\(index)].\(field)", value: value, why: why)
                }
            }
            let unit = BillingUnit(wire: resource.billingUnit)
            try check(unit != nil, "billing_unit", resource.billingUnit.wireName, "is unknown")
            try check(!resource.resourceID.isEmpty, "resource_id", "", "is missing")
            let product = Product(item: resource.item)
            guard let product, let unit else {
                throw OrderError.usageMalformed(
                    field: "resources[\(index)].item", value: resource.item, why: "is none that is sold")
            }
            let size: Int64
            if product == .cloudPhone {
                try check(!resource.groupID.isEmpty, "group_id", "", "is missing")
                size = Int64(resource.instances)
                try check((1...100).contains(size), "instances", String(size), "is not 1 to 100")
            } else {
                size = resource.quantity
                try check((1...1_000_000).contains(size), "quantity", String(size), "is not 1 to 1000000")
            }
            return UsageResource(
                account: try AccountID(resource.accountID),
                source: .metered(
                    resource.resourceID, group: resource.groupID, product: product,
                    specification: resource.specification, region: resource.region, network: resource.network,
                    size: Int(size), createdAt: Timestamp(milliseconds: resource.createdAt),
                    anchor: Timestamp(milliseconds: resource.anchor), unit: unit))
        }
        let prices = request.prices.map {
            UsagePrice(priceListVersion: Int($0.priceListVersion), hourly: UnitPrice(nanos: $0.hourlyNanos))
        }
        try self.init(
            cutAt: Timestamp(milliseconds: request.cutAt), resources: resources, prices: prices,
            resource: request.resource, start: request.start, end: request.end, price: request.price,
            gross: request.grossMicros)
    }
}
