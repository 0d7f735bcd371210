import BillingAPI
import BillingCore
import RPC
import Storage

/// `billing audit`: what the services find in their own data, and what only shows when two of them are compared.
struct AuditHandlers: Sendable {
    /// Partitions that one call looks at.
    static let slice = 16
    private static let examples = 5
    /// How often an account that looks broken is read again before it is reported.
    private static let readings = 3

    let forwarding: Forwarding
    let database: any Database

    func register(in router: inout Router) {
        router.handle(GatewayV1.Operations.audit, audit)
    }

    /// One slice of the accounts. The cursor is the first partition of the next one.
    func audit(_ request: GatewayV1.AuditRequest, _ call: CallContext) async throws -> Response<GatewayV1.AuditReply> {
        guard let first = request.cursor.isEmpty ? 0 : Int(request.cursor), (0..<Partition.count).contains(first) else {
            throw PageError.cursor(request.cursor)
        }
        let range = first..<min(first + Self.slice, Partition.count)
        let instant = try forwarding.clock.instant(for: call)
        let slice = AuditSlice(
            forwarding: forwarding, call: call, instant: instant, from: UInt32(range.lowerBound),
            to: UInt32(range.upperBound))
        var findings = try await slice.money() + slice.refunds()
        let timelines = try await slice.timelines()
        findings += timelines.findings
        let accounts = try await slice.accounts()
        findings += try await coverage(of: accounts, timelines.segments, slice)
        findings += try await sagas(of: accounts, slice)
        let next = range.upperBound == Partition.count ? "" : String(range.upperBound)
        return Response(GatewayV1.AuditReply(findings: merged(findings), nextCursor: next))
    }

    /// P1, P2 and S3: the bills of the accounts against their timelines. An account that moves between the two readings
    /// is read again; one whose saga is under way is judged when that has ended.
    private func coverage(
        of accounts: [String], _ segments: [MeteringV1.BilledSegment], _ slice: AuditSlice
    ) async throws -> [CommonV1.AuditFinding] {
        let byAccount = Dictionary(grouping: segments, by: \.accountID)
        var usage = CommonV1.AuditFinding(
            invariant: "P1", title: "Every second of pay-as-you-go is billed exactly once")
        var terms = CommonV1.AuditFinding(
            invariant: "P2", title: "No second of a subscription is covered twice, or longer than it is paid for")
        var entitlements = CommonV1.AuditFinding(
            invariant: "S3", title: "Every paid subscription order is exactly one term, and every term is paid for")
        for account in Set(accounts).union(byAccount.keys).sorted() {
            var comparison = try await slice.compare(account, byAccount[account] ?? [])
            for _ in 0..<Self.readings where !comparison.agrees {
                if try await database.read({ try $0.hasUnfinishedSaga(account: account) }) {
                    comparison = CoverageComparison(segments: [], billed: [])
                    break
                }
                comparison = try await slice.compare(account, try await slice.segments(of: account))
            }
            usage.checked += Int64(comparison.payAsYouGoChecked)
            terms.checked += Int64(comparison.subscriptionsChecked)
            entitlements.checked += Int64(comparison.subscriptionsChecked)
            for breach in comparison.payAsYouGoBreaches { usage.add("\(account): \(breach)") }
            for breach in comparison.subscriptionBreaches { terms.add("\(account): \(breach)") }
            for breach in comparison.entitlementBreaches { entitlements.add("\(account): \(breach)") }
        }
        return [usage, terms, entitlements]
    }

    /// S1: every saga ends. S2: no lock outlives its saga (reliability 2.1).
    private func sagas(of accounts: [String], _ slice: AuditSlice) async throws -> [CommonV1.AuditFinding] {
        var atomic = CommonV1.AuditFinding(invariant: "S1", title: "Every saga has ended, or is at work")
        var orphans = CommonV1.AuditFinding(invariant: "S2", title: "Every lock belongs to a saga at work")
        for account in accounts {
            let unfinished = try await database.read { transaction in
                try transaction.sagas(
                    account: account, states: [(.running, true), (.undoing, true)], after: .start, limit: 100)
            }
            atomic.checked += 1
            for saga in unfinished {
                atomic.add("\(saga.sagaID) of \(account) is parked at \(saga.step): \(saga.lastError)")
            }
            for group in try await slice.lockedGroups(of: account) {
                orphans.checked += 1
                guard try await isOrphan(group, of: account, slice) else { continue }
                orphans.add("\(group.groupID) of \(account) is held by \(group.lockedBy), which is not at work")
            }
        }
        return [atomic, orphans]
    }

    /// Whether a group is still held by a saga that has ended: one that ends while the audit reads has let go of it.
    private func isOrphan(
        _ group: MeteringV1.InstanceGroup, of account: String, _ slice: AuditSlice
    ) async throws -> Bool {
        let id = group.lockedBy
        let saga = try await database.read { try $0.saga(id: id, account: account) }
        guard saga?.status.isFinished ?? true else { return false }
        return try await slice.group(group.groupID, of: account).lockedBy == id
    }

    /// The findings of each check added up, in the order of the invariants. An invariant may have several checks, one
    /// for each service that keeps a part of it.
    private func merged(_ findings: [CommonV1.AuditFinding]) -> [CommonV1.AuditFinding] {
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
        if examples.count < 5 { examples.append(breach) }
    }
}

/// What one audit call asks the services about a range of partitions.
struct AuditSlice: Sendable {
    let forwarding: Forwarding
    let call: CallContext
    let instant: Timestamp
    let from: UInt32
    let to: UInt32

    func money() async throws -> [CommonV1.AuditFinding] {
        var findings: [CommonV1.AuditFinding] = []
        var request = OrderV1.AuditMoneyRequest(partitionFrom: from, partitionTo: to)
        while true {
            let page = try await forwarding.ask(.order, OrderV1.Bills.auditMoney, request, call, at: instant)
            findings += page.findings
            if page.nextAccount.isEmpty { return findings }
            (request.afterAccount, request.partitionFrom) = (page.nextAccount, page.nextPartition)
        }
    }

    func refunds() async throws -> [CommonV1.AuditFinding] {
        var findings: [CommonV1.AuditFinding] = []
        var request = RefundV1.AuditRefundsRequest(partitionFrom: from, partitionTo: to)
        while true {
            let page = try await forwarding.ask(.refund, RefundV1.Refunds.auditRefunds, request, call, at: instant)
            findings += page.findings
            if page.nextAccount.isEmpty { return findings }
            (request.afterAccount, request.partitionFrom) = (page.nextAccount, page.nextPartition)
        }
    }

    func timelines() async throws -> (findings: [CommonV1.AuditFinding], segments: [MeteringV1.BilledSegment]) {
        try await timelines(from, to)
    }

    /// One account's timelines, read again with those of its partition.
    func segments(of account: String) async throws -> [MeteringV1.BilledSegment] {
        let partition = UInt32(Partition.of(account))
        return try await timelines(partition, partition + 1).segments.filter { $0.accountID == account }
    }

    private func timelines(
        _ from: UInt32, _ to: UInt32
    ) async throws -> (findings: [CommonV1.AuditFinding], segments: [MeteringV1.BilledSegment]) {
        var findings: [CommonV1.AuditFinding] = []
        var segments: [MeteringV1.BilledSegment] = []
        var request = MeteringV1.AuditTimelinesRequest(partitionFrom: from, partitionTo: to)
        while true {
            let page = try await forwarding.ask(.metering, MeteringV1.Cuts.auditTimelines, request, call, at: instant)
            findings += page.findings
            segments += page.segments
            if page.nextAccount.isEmpty { return (findings, segments) }
            (request.afterAccount, request.partitionFrom) = (page.nextAccount, page.nextPartition)
        }
    }

    /// The accounts whose partition is in the slice.
    func accounts() async throws -> [String] {
        var found: [String] = []
        var request = OrderV1.ListAccountsRequest(limit: 200)
        while true {
            let page = try await forwarding.ask(.order, OrderV1.Accounts.listAccounts, request, call, at: instant)
            found += page.accounts.map(\.accountID).filter { (Int(from)..<Int(to)).contains(Partition.of($0)) }
            if page.nextCursor.isEmpty { return found }
            request.cursor = page.nextCursor
        }
    }

    func lockedGroups(of account: String) async throws -> [MeteringV1.InstanceGroup] {
        var locked: [MeteringV1.InstanceGroup] = []
        var request = MeteringV1.ListGroupsRequest(statuses: [.active, .creating, .expired, .overdue], limit: 200)
        while true {
            let page = try await forwarding.ask(
                .metering, MeteringV1.Groups.listGroups, request, asAccount(account), at: instant)
            locked += page.groups.filter { !$0.lockedBy.isEmpty }
            if page.nextCursor.isEmpty { return locked }
            request.cursor = page.nextCursor
        }
    }

    func group(_ id: String, of account: String) async throws -> MeteringV1.InstanceGroup {
        try await forwarding.ask(
            .metering, MeteringV1.Groups.getGroup, MeteringV1.GetGroupRequest(groupID: id), asAccount(account),
            at: instant
        ).group ?? MeteringV1.InstanceGroup()
    }

    /// The timelines of an account against all that was billed to it.
    func compare(_ account: String, _ segments: [MeteringV1.BilledSegment]) async throws -> CoverageComparison {
        let (segments, billed) = (segments.map(CoveredSpan.init), try await billed(account))
        let comparison = CoverageComparison(segments: segments, billed: billed)
        var givenBack: Set<String> = []
        for id in comparison.unappliedOrders {
            let order = try await forwarding.ask(
                .order, OrderV1.Orders.getOrder, OrderV1.GetOrderRequest(orderID: id), asAccount(account), at: instant
            ).order
            if let order, order.refundedMicros > 0 || order.refundedAt > 0 { givenBack.insert(id) }
        }
        guard !givenBack.isEmpty else { return comparison }
        return CoverageComparison(segments: segments, billed: billed, givenBack: givenBack)
    }

    /// What was billed to an account: its slices and paid terms.
    private func billed(_ account: String) async throws -> [CoveredSpan] {
        var spans: [CoveredSpan] = []
        var request = OrderV1.AuditCoverageRequest(accountID: account)
        while true {
            let page = try await forwarding.ask(
                .order, OrderV1.Bills.auditCoverage, request, asAccount(account), at: instant)
            spans += page.coverages.map(CoveredSpan.init)
            if page.nextGroup.isEmpty { return spans }
            request.afterGroup = page.nextGroup
        }
    }

    private func asAccount(_ account: String) -> CallContext {
        var call = call
        call.account = account
        return call
    }
}

extension CoveredSpan {
    init(_ segment: MeteringV1.BilledSegment) {
        self.init(
            segment.resourceID.isEmpty ? segment.groupID : segment.resourceID, segment.billingMethod, segment.orderID,
            start: segment.start, end: segment.billedThrough)
    }

    /// A value-added resource stands where a group does.
    init(_ coverage: OrderV1.Coverage) {
        self.init(
            coverage.groupID, coverage.billingMethod, coverage.orderID, start: coverage.start, end: coverage.end)
    }

    private init(_ group: String, _ method: CommonV1.BillingMethod, _ order: String, start: Int64, end: Int64) {
        let covered: Method =
            switch method {
            case .subscription: .subscription(orderID: order)
            case .payAsYouGo, .unspecified: .payAsYouGo
            }
        // What is billed through an instant before it starts is not billed at all.
        let period = Period(
            Timestamp(milliseconds: start), Timestamp(milliseconds: max(start, end)))
        self.init(group: group, method: covered, period: period)
    }
}
