import BillingAPI
import BillingCore
import RPC
import Storage

extension OrderingService {
    /// Checks the data of some accounts of partitions `[from, to)` against the invariants: as many accounts as come to
    /// about `rowsPerPage` rows, one at least.
    /// - Throws: `PageError` for a range that is none.
    func auditMoney(
        _ request: OrderV1.AuditMoneyRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.AuditMoneyReply> {
        let partitions = try Partition.range(request.partitionFrom, request.partitionTo)
        return try await database.read { transaction in
            var sums: [MoneyInvariant: AuditResult] = [:]
            var rows: Int64 = 0
            let accounts = try transaction.accounts(partitions: partitions, after: request.afterAccount, limit: 100)
            var done = 0
            for account in accounts where rows < Self.rowsPerPage {
                let (results, seen) = try transaction.auditMoney(of: account)
                for (invariant, result) in results { sums[invariant, default: AuditResult()].add(result) }
                rows += seen
                done += 1
            }
            var reply = OrderV1.AuditMoneyReply(
                findings: MoneyInvariant.allCases.map { CommonV1.AuditFinding($0, sums[$0] ?? AuditResult()) })
            if done > 0, done < accounts.count || accounts.count == 100 {
                let last = accounts[done - 1].id.text
                reply.nextAccount = last
                reply.nextPartition = UInt32(Partition.of(last))
            }
            return Response(reply)
        }
    }

    /// About 50 ms of reading.
    private static let rowsPerPage: Int64 = 50_000

    /// What was billed for the groups of an account: pay-as-you-go lines merged where they are contiguous, and the terms
    /// of paid orders. Pages end between groups; one of more rows than a page holds is cut short, which a sound group
    /// never is.
    func auditCoverage(
        _ request: OrderV1.AuditCoverageRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.AuditCoverageReply> {
        let id = try AccountID(request.accountID)
        return try await database.read { transaction in
            let account = try transaction.account(id)
            let coverages = try transaction.coverages(of: account.id, after: request.afterGroup)
            var reply = OrderV1.AuditCoverageReply()
            for (group, rows) in coverages.sorted(by: { $0.key < $1.key }) {
                let limit = WireLimits.batch.items
                if !reply.coverages.isEmpty, reply.coverages.count + rows.count > limit {
                    reply.nextGroup = reply.coverages.last?.groupID ?? ""
                    break
                }
                reply.coverages += rows.prefix(limit).map { row in
                    OrderV1.Coverage(
                        groupID: group, billingMethod: row.orderID.isEmpty ? .payAsYouGo : .subscription,
                        start: row.run.period.start.milliseconds, end: row.run.period.end.milliseconds,
                        lines: row.run.lines, orderID: row.orderID)
                }
            }
            return Response(reply)
        }
    }
}

extension Transaction {
    fileprivate typealias CoverageRow = (run: CoverageRun, orderID: String)

    /// By group.
    fileprivate func coverages(of account: AccountID, after group: String) throws -> [String: [CoverageRow]] {
        let sources = try sources(of: account).filter {
            ($0.value.groupID.isEmpty ? $0.value.resourceID : $0.value.groupID) > group
        }
        var metered: [String: [CoverageRun]] = [:]
        var terms: [String: [CoverageRow]] = [:]
        try forEachLine(of: account, from: .earliest, to: Timestamp(milliseconds: .max)) { line in
            guard let source = sources[line.source] else { return true }
            let period = Period(source.usageStart(of: line), line.end)
            switch source.kind {
            case .payAsYouGoBill:
                guard !source.isRoundDown else { break }
                metered[source.groupID.isEmpty ? source.resourceID : source.groupID, default: []].append(period)
            case .subscriptionOrder:
                terms[source.groupID, default: []].append((CoverageRun(period: period, lines: 1), source.orderID))
            case .refund, .adjustment: break
            }
            return true
        }
        var rows: [String: [CoverageRow]] = metered.mapValues { $0.map { ($0, "") } }
        for (group, terms) in terms { rows[group, default: []] += terms }
        return rows
    }
}

extension CommonV1.AuditFinding {
    fileprivate init(_ invariant: MoneyInvariant, _ result: AuditResult) {
        self.init(
            invariant: invariant.rawValue, title: invariant.title, checked: result.checked, breaches: result.breaches,
            examples: result.examples)
    }
}
