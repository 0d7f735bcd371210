import BillingAPI
import BillingCore
import RPC
import Storage

/// `billing audit`: what the services find in their own data, and what only shows when two of them are compared.
struct AuditHandlers: Sendable {
    let forwarding: Forwarding
    let database: any Database
    let time: any TimeSource

    func register(in router: inout Router) {
        router.handle(GatewayV1.Operations.audit, audit)
    }

    /// A part of the accounts: as many as half of the caller's time suffices for, at most those of some partitions.
    func audit(_ request: GatewayV1.AuditRequest, _ call: CallContext) async throws -> Response<GatewayV1.AuditReply> {
        let place = try AuditPlace(request.cursor)
        let soon = Deadline.after(milliseconds: call.deadline.remainingMilliseconds / 2)
        let source = AuditSource(
            forwarding: forwarding, call: call, instant: try forwarding.clock.instant(for: call),
            partitions: place.partitions)
        var findings = AuditFindings()
        if place.account.isEmpty {
            findings.add(try await source.money())
            findings.add(try await source.refunds())
            findings.add(try await SagaAudit(source: source, database: database).findings())
        }
        var coverage = CoverageAudit(
            source: source, database: database, time: time, duesSeenThrough: forwarding.clock.duesSeenThrough)
        let reached = try await coverage.run(after: place.account, until: soon)
        findings.add(coverage.findings)
        let next = reached.map { AuditPlace(after: $0) } ?? place.nextPartitions
        return Response(GatewayV1.AuditReply(findings: findings.merged, nextCursor: next?.cursor ?? ""))
    }
}

/// Where an audit stands: at the beginning of some partitions, or after an account of the first of them.
struct AuditPlace: Hashable, Sendable {
    /// Partitions that one call looks at.
    private static let partitionsAtOnce = 16

    let partitions: Range<Int>
    let account: String

    private init(partition: Int, account: String) {
        let end = (partition / Self.partitionsAtOnce + 1) * Self.partitionsAtOnce
        partitions = partition..<min(end, Partition.count)
        self.account = account
    }

    init(after account: String) { self.init(partition: Partition.of(account), account: account) }

    /// - Throws: `PageError` for what is no cursor of an audit.
    init(_ cursor: String) throws {
        let parts = cursor.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = cursor.isEmpty ? 0 : Int(parts[0]), (0..<Partition.count).contains(first) else {
            throw PageError.cursor(cursor)
        }
        self.init(partition: first, account: parts.count == 2 ? String(parts[1]) : "")
        guard account.isEmpty || Partition.of(account) == first else { throw PageError.cursor(cursor) }
    }

    /// The next partitions from their beginning; `nil` after the last.
    var nextPartitions: AuditPlace? {
        partitions.upperBound == Partition.count ? nil : AuditPlace(partition: partitions.upperBound, account: "")
    }

    var cursor: String {
        account.isEmpty ? String(partitions.lowerBound) : "\(partitions.lowerBound)/\(account)"
    }
}

/// Findings added up. An invariant may have several checks, one for each service that keeps a part of it.
struct AuditFindings: Sendable {
    static let examples = 5

    private var findings: [CommonV1.AuditFinding] = []

    mutating func add(_ more: [CommonV1.AuditFinding]) { findings += more }

    /// One for each check, in the order of the invariants.
    var merged: [CommonV1.AuditFinding] {
        var merged: [CommonV1.AuditFinding] = []
        for finding in findings.sorted(by: { ($0.invariant, $0.title) < ($1.invariant, $1.title) }) {
            if var last = merged.last, last.invariant == finding.invariant, last.title == finding.title {
                last.checked += finding.checked
                last.breaches += finding.breaches
                last.examples = Array((last.examples + finding.examples).prefix(Self.examples))
                merged[merged.count - 1] = last
            } else {
                merged.append(finding)
            }
        }
        return merged
    }
}

extension CommonV1.AuditFinding {
    mutating func add(_ breach: String) {
        breaches += 1
        if examples.count < AuditFindings.examples { examples.append(breach) }
    }
}
