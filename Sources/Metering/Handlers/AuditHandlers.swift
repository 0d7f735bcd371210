package import BillingAPI
import BillingCore
package import RPC
import Storage

extension MeteringService {
    /// Checks the timelines of some accounts, and tells what of them should be on bills by now. Whole accounts, as many as
    /// fit one reply.
    /// - Throws: `CutError.auditTooLarge` for an account that does not fit a reply by itself.
    package func auditTimelines(
        _ request: MeteringV1.AuditTimelinesRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.AuditTimelinesReply> {
        let partitions = try Partition.range(request.partitionFrom, request.partitionTo)
        // An account in each reply takes at least one segment, so no page has more accounts than this.
        let largestPage = 512
        return Response(
            try await database.read { transaction in
                let store = TimelineStore(transaction)
                let accounts = try store.accounts(in: partitions, after: request.afterAccount, limit: largestPage)
                var page = TimelineAudit()
                for account in accounts {
                    let timelines = try store.timelines(of: account)
                    let uses = try store.uses(of: account)
                    let segments =
                        timelines.reduce(0) { $0 + $1.billed.count }
                        + uses.reduce(0) { $0 + $1.timeline.stretches.count }
                    guard segments <= WireLimits.batch.items else {
                        throw CutError.auditTooLarge(account, segments: segments)
                    }
                    if page.count + segments > WireLimits.batch.items { return page.reply(isLast: false) }
                    let progress = try AccountStore(transaction, account).progress()
                    page.add(
                        account, timelines, progress, accruing: try store.accruing(of: account),
                        overdue: try store.overdueIntervals(of: account))
                    if !uses.isEmpty {
                        page.resources.add(uses, progress, accruing: try store.accruingUses(of: account))
                    }
                }
                return page.reply(isLast: accounts.count < largestPage)
            })
    }
}

/// What one page of the audit has found.
private struct TimelineAudit {
    private var segments: [MeteringV1.BilledSegment] = []
    var resources = ResourceAudit()
    private var contiguous = CommonV1.AuditFinding(
        invariant: "P3",
        title: "Groups and resources are covered from creation to release, once, with gaps only while overdue"
    )
    private var due = CommonV1.AuditFinding(
        invariant: "P1", title: "Every group and resource that is not billed to its end is due to be cut")
    // Whether a lock is an orphan is for the gateway to say, which knows the sagas.
    private var locks = CommonV1.AuditFinding(
        invariant: "S2", title: "An account waits exactly while a saga holds one of its groups")
    private var overdue = CommonV1.AuditFinding(
        invariant: "O1", title: "Use stops while an account is overdue, and what is overdue is released after 15 days")
    private var last: AccountID?

    /// Segments of groups and stretches of use of resources.
    var count: Int { segments.count + resources.segments.count }

    mutating func add(
        _ account: AccountID, _ timelines: [KeptTimeline], _ progress: AccountProgress, accruing: Set<GroupID>,
        overdue intervals: [OverdueInterval]
    ) {
        for kept in timelines {
            addTimeline(kept, intervals)
            addDue(kept, progress, isAccruing: accruing.contains(kept.group.id))
            addOverdue(kept.group, progress, isAccruing: accruing.contains(kept.group.id))
            for segment in kept.billed { addSegment(segment, kept.group, progress) }
        }
        addLocks(account, timelines, progress)
        last = account
    }

    private mutating func addTimeline(_ kept: KeptTimeline, _ overdue: [OverdueInterval]) {
        let faults = kept.timeline.faults(of: kept.group.state, createdAt: kept.group.createdAt, overdue: overdue)
        contiguous.checked += 1
        if !faults.isEmpty {
            contiguous.breach("\(kept.group.account)/\(kept.group.id): \(faults.joined(separator: "; "))")
        }
    }

    private mutating func addDue(_ kept: KeptTimeline, _ progress: AccountProgress, isAccruing: Bool) {
        due.checked += 1
        let isOpen = kept.timeline.segments.contains { segment in
            guard segment.method == .payAsYouGo else { return false }
            guard let end = segment.end else { return true }
            return segment.start < end && end > (progress.cutThrough ?? segment.start)
        }
        let name = "\(kept.group.account)/\(kept.group.id)"
        if isOpen, !isAccruing { due.breach("\(name) is not billed to its end and no cut knows it") }
        if isAccruing, progress.dueAt == nil { due.breach("\(name) accrues and no cut is due") }
    }

    private mutating func addOverdue(_ group: InstanceGroup, _ progress: AccountProgress, isAccruing: Bool) {
        overdue.checked += 1
        let name = "\(group.account)/\(group.id)"
        switch group.state {
        case .overdue(_, _, let since):
            if since != progress.overdueAt {
                overdue.breach("\(name) is overdue since \(since) and its account is not")
            }
        case .active(.payAsYouGo, _):
            if let since = progress.overdueAt {
                overdue.breach("\(name) is active and its account overdue since \(since)")
            }
        case .released(let release) where release.cause == .overdue || release.cause == .expired:
            if let since = release.since, release.at < BillingCalendar.releaseAt(since: since) {
                overdue.breach("\(name) was released \(release.at), less than 15 days after \(since)")
            }
        case .creating, .active, .expired, .released: break
        }
        if isAccruing, progress.overdueAt != nil { overdue.breach("\(name) accrues while its account is overdue") }
    }

    private mutating func addSegment(_ segment: Segment, _ group: InstanceGroup, _ progress: AccountProgress) {
        var billed = MeteringV1.BilledSegment(
            accountID: group.account.text, groupID: group.id.text,
            billingMethod: CommonV1.BillingMethod(segment.method), start: segment.start.milliseconds)
        switch segment.billing {
        case .payAsYouGo:
            let cursor = max(segment.start, progress.cutThrough ?? segment.start)
            billed.billedThrough = min(cursor, segment.end ?? cursor).milliseconds
        case .subscription(let order):
            billed.billedThrough = (segment.end ?? segment.start).milliseconds
            billed.orderID = order.text
        }
        segments.append(billed)
    }

    private mutating func addLocks(_ account: AccountID, _ timelines: [KeptTimeline], _ progress: AccountProgress) {
        let held = timelines.filter { $0.group.state.lock != nil }.count
        locks.checked += 1
        if held != progress.locks { locks.breach("\(account) counts \(progress.locks) locks and has \(held)") }
    }

    func reply(isLast: Bool) -> MeteringV1.AuditTimelinesReply {
        MeteringV1.AuditTimelinesReply(
            findings: [
                contiguous.adding(resources.contiguous), due.adding(resources.due), locks,
                overdue.adding(resources.stopped),
            ],
            segments: segments + resources.segments,
            nextAccount: isLast ? "" : last?.text ?? "",
            nextPartition: isLast ? 0 : last.map { UInt32(Partition.of($0.text)) } ?? 0)
    }
}

extension CommonV1.AuditFinding {
    /// Counts a breach, and tells it while there are few.
    mutating func breach(_ example: String) {
        breaches += 1
        if examples.count < 10 { examples.append(example) }
    }

    /// The same check of other things, counted in.
    fileprivate func adding(_ other: CommonV1.AuditFinding) -> CommonV1.AuditFinding {
        var sum = self
        sum.checked += other.checked
        sum.breaches += other.breaches
        sum.examples = Array((examples + other.examples).prefix(10))
        return sum
    }
}
