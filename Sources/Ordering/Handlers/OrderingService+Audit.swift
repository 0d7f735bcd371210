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
}

extension CommonV1.AuditFinding {
    fileprivate init(_ invariant: MoneyInvariant, _ result: AuditResult) {
        self.init(
            invariant: invariant.rawValue, title: invariant.title, checked: result.checked, breaches: result.breaches,
            examples: result.examples)
    }
}
