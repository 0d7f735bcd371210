import BillingAPI
import BillingCore
import RPC
import Storage

extension RefundingService {
    /// Checks the refunds of some accounts of partitions `[from, to)` against M6: by themselves, against what order posted
    /// and was paid, and against the price list.
    ///
    /// Refunds go on meanwhile. Ours are read before those of order, which posts a refund before we note that; one that
    /// order has and we had not is looked up once more, since it was opened before order posted it.
    /// - Throws: `PageError` for a range that is none; `RPCError` when order or pricing cannot be asked.
    func auditRefunds(
        _ request: RefundV1.AuditRefundsRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.AuditRefundsReply> {
        let partitions = try Partition.range(request.partitionFrom, request.partitionTo)
        var own = try await database.read { transaction in
            try transaction.accountsWithRefunds(
                partitions: partitions, after: request.afterAccount, limit: Self.accountsPerPage
            ).map {
                RefundsOfAccount(account: $0, refunds: try RefundStore(transaction: transaction, account: $0).all())
            }
        }
        let last = own.count == Self.accountsPerPage ? own.last?.account.text : nil
        let posted = try await postedRefunds(request, through: last, call)
        own = try await adding(posted, to: own)

        var invariant = RefundInvariant()
        var comparison = RefundComparison()
        for account in own {
            invariant.check(account.refunds)
            var rest = posted[account.account.text] ?? [:]
            for refund in account.refunds {
                let found = rest.removeValue(forKey: refund.id.text)
                comparison.compare(refund, with: found)
                if let found { try await compare(refund, with: found, in: &comparison, call) }
            }
            for id in rest.keys.sorted() { comparison.compare(nil, with: rest[id]) }
        }
        var reply = RefundV1.AuditRefundsReply(findings: [CommonV1.AuditFinding(invariant, comparison)])
        if let last {
            reply.nextAccount = last
            reply.nextPartition = UInt32(Partition.of(last))
        }
        return Response(reply)
    }

    static let accountsPerPage = 500

    /// What order posted, by account and refund.
    /// - Parameter last: the account to stop after; `nil`: the last one of the range.
    private func postedRefunds(
        _ request: RefundV1.AuditRefundsRequest, through last: String?, _ call: CallContext
    ) async throws -> [String: [String: PostedRefund]] {
        let bound = last.map { (Partition.of($0), $0) }
        var lines: [OrderV1.PostedRefund] = []
        var asked = OrderV1.ListPostedRefundsRequest(
            afterAccount: request.afterAccount, partitionFrom: request.partitionFrom,
            partitionTo: bound.map { UInt32($0.0) + 1 } ?? request.partitionTo,
            // After all lines of that account: their ids begin with a letter.
            afterLine: request.afterAccount.isEmpty ? "" : "~")
        repeat {
            let page = try await bills.listPostedRefunds(asked, call.onward).message
            lines += page.refunds
            (asked.afterAccount, asked.partitionFrom, asked.afterLine) =
                (page.nextAccount, page.nextPartition, page.nextLine)
        } while !asked.afterAccount.isEmpty
        if let bound { lines.removeAll { (Partition.of($0.accountID), $0.accountID) > bound } }
        return try Dictionary(grouping: lines, by: \.accountID).mapValues { lines in
            try Dictionary(grouping: lines, by: \.refundID).mapValues { try PostedRefund($0) }
        }
    }

    /// Our refunds, with those that order knew by now and we did not before.
    private func adding(
        _ posted: [String: [String: PostedRefund]], to own: [RefundsOfAccount]
    ) async throws -> [RefundsOfAccount] {
        var all = Dictionary(uniqueKeysWithValues: own.map { ($0.account.text, $0) })
        for (account, refunds) in posted {
            let known = Set(all[account]?.refunds.map(\.id.text) ?? [])
            let missing = Set(refunds.keys).subtracting(known)
            guard !missing.isEmpty else { continue }
            let id = try AccountID(account)
            let late = try await database.read { transaction in
                try RefundStore(transaction: transaction, account: id).all().filter { missing.contains($0.id.text) }
            }
            all[account, default: RefundsOfAccount(account: id, refunds: [])].refunds += late
        }
        return all.values.sorted { $0.account.text < $1.account.text }
    }

    /// Asks pricing what it makes of a refund that was posted.
    private func compare(
        _ refund: Refund, with posted: PostedRefund, in comparison: inout RefundComparison, _ call: CallContext
    ) async throws {
        // Nothing is used of a pending renewal, or of a group that never came up; refunds of the first release kept no list
        // price.
        let orders = refund.orders.filter { order in
            switch order.inFull {
            case .pendingRenewal, .creationFailed: false
            case .unconditional, nil: order.term.listNanos > 0
            }
        }
        guard !orders.isEmpty else { return }
        let request = PricingV1.ConsumedRequest(
            at: refund.at.milliseconds, terms: orders.map { PricingV1.PaidTerm($0.id, $0.term) })
        do throws(RPCError) {
            let priced = try await prices.consumed(request, call.onward).message
            comparison.compare(refund, with: PricedRefund(priced), posted)
        } catch {
            guard error.status == .invalidArgument || error.status == .notFound else { throw error }
            comparison.note(refund, refusedBecause: error.message)
        }
    }
}

private struct RefundsOfAccount: Sendable {
    let account: AccountID
    var refunds: [Refund]
}

extension RefundStore {
    fileprivate func all() throws -> [Refund] {
        try refunds(ofGroup: "", after: .start, limit: .max)
    }
}

extension PricedRefund {
    fileprivate init(_ reply: PricingV1.ConsumedReply) {
        var uses: [String: Use] = [:]
        for term in reply.terms {
            uses[term.orderID] = Use(use: TermUse(term), consumed: Money(micros: term.consumedMicros))
        }
        self.init(unconditionalDays: reply.unconditionalRefundDays, uses: uses)
    }
}

extension PostedRefund {
    /// - Parameter lines: of one refund; never empty.
    /// - Throws: `RefundError.unusableAnswer` for an amount that nothing can be of.
    fileprivate init(_ lines: [OrderV1.PostedRefund]) throws(RefundError) {
        let first = lines[0]
        var orders: [PostedRefundOrder] = []
        for line in lines { orders.append(try PostedRefundOrder(line)) }
        self.init(
            id: first.refundID, at: Timestamp(milliseconds: first.at),
            parts: RefundParts(
                toBalance: try Money(posted: first.toBalanceMicros), online: try Money(posted: first.onlineMicros)),
            isConfirmed: first.confirmedAt != 0, orders: orders)
    }
}

extension PostedRefundOrder {
    fileprivate init(_ line: OrderV1.PostedRefund) throws(RefundError) {
        guard (Timestamp.earliest.milliseconds...Timestamp.latest.milliseconds).contains(line.paidAt) else {
            throw .unusableAnswer("order \(line.orderID) was paid at \(line.paidAt)")
        }
        self.init(
            id: line.orderID, groupID: line.groupID, isNew: line.newOrder,
            paidAt: Timestamp(milliseconds: line.paidAt),
            paid: PaidParts(
                balance: try Money(posted: line.balanceMicros), online: try Money(posted: line.paidOnlineMicros),
                coupon: try Money(posted: line.couponMicros)), paymentID: line.paymentID,
            term: BoughtTerm(
                start: Timestamp(milliseconds: line.termStart), end: Timestamp(milliseconds: line.termEnd),
                months: line.months, listNanos: line.listNanos, priceListVersion: line.priceListVersion),
            amount: try Money(posted: line.amountMicros), restored: try Money(posted: line.restoredMicros))
    }
}

extension Money {
    /// - Throws: `RefundError.unusableAnswer` for more than money comes in.
    fileprivate init(posted micros: Int64) throws(RefundError) {
        guard micros.magnitude <= Money.largestInput.micros.magnitude else {
            throw .unusableAnswer("order posted \(micros) millionths of a dollar")
        }
        self.init(micros: micros)
    }
}

extension CommonV1.AuditFinding {
    fileprivate init(_ invariant: RefundInvariant, _ comparison: RefundComparison) {
        let breaches = invariant.breaches + comparison.breaches
        self.init(
            invariant: "M6",
            title: "Refunds follow from what was paid and used, give back once, and are what order posted",
            checked: invariant.checked + comparison.checked, breaches: Int64(breaches.count),
            examples: Array(breaches.prefix(5)))
    }
}
