import BillingAPI
import BillingCore
import RPC

/// What one page of the audit has found.
struct TimelineAudit {
    /// Groups of one account that are told as late.
    private static let fewLate = 100

    private let instant: Timestamp
    private var accounts: [MeteringV1.AuditedAccount] = []
    private var segments: [MeteringV1.BilledSegment] = []
    private var resources = ResourceAudit()
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
    private var monotone = CommonV1.AuditFinding(
        invariant: "T1", title: "Groups only go along the edges of their states, in the order of time")
    private var last: AccountID?
    /// Where the last account goes on in the next page; `nil` if all of it was told.
    private var next: SegmentPlace?

    init(at instant: Timestamp) { self.instant = instant }

    var isFull: Bool { next != nil }

    /// Takes an account, if there is room for it; the first of a page always has as much as there is.
    /// - Returns: whether all of it was taken.
    mutating func begin(_ audited: AuditedAccount) -> Bool {
        let billed = audited.segments
        guard segments.count + billed.count <= WireLimits.batch.items || accounts.isEmpty && segments.isEmpty else {
            return false
        }
        check(audited)
        take(billed, of: audited.account)
        return next == nil
    }

    /// Takes the segments of an account that come after a place. Its checks were made when it began.
    mutating func goOn(_ audited: AuditedAccount, after place: SegmentPlace) {
        take(audited.segments.filter { $0.place > place }, of: audited.account)
    }

    private mutating func take(
        _ billed: [(place: SegmentPlace, billed: MeteringV1.BilledSegment)], of account: AccountID
    ) {
        let room = WireLimits.batch.items - segments.count
        segments += billed.prefix(room).map(\.billed)
        last = account
        next = billed.count > room ? billed[room - 1].place : nil
    }

    private mutating func check(_ audited: AuditedAccount) {
        let progress = audited.progress
        var account = MeteringV1.AuditedAccount(
            accountID: audited.account.text, cutThrough: progress.cutThrough?.milliseconds ?? 0,
            overdueAt: progress.overdueAt?.milliseconds ?? 0)
        for kept in audited.timelines {
            let group = kept.group
            let isAccruing = audited.accruing.contains(group.id)
            addTimeline(kept, audited.overdue)
            addDue(kept, progress, isAccruing: isAccruing)
            addOverdue(group, progress, isAccruing: isAccruing)
            addOrder(group, progress)
            if let lock = group.state.lock {
                account.held.append(MeteringV1.HeldGroup(groupID: group.id.text, sagaID: lock.text))
            } else if let due = group.state.leaves, due <= instant, account.late.count < Self.fewLate {
                account.late.append(
                    MeteringV1.LateGroup(
                        groupID: group.id.text, status: MeteringV1.GroupStatus(group.state.status),
                        dueAt: due.milliseconds))
            }
        }
        addLocks(audited.account, audited.timelines, progress)
        if !audited.uses.isEmpty { resources.add(audited.uses, progress, accruing: audited.accruingUses) }
        accounts.append(account)
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

    private mutating func addOrder(_ group: InstanceGroup, _ progress: AccountProgress) {
        monotone.checked += 1
        let faults = group.orderFaults(lastAt: progress.clock.lastAt)
        if !faults.isEmpty { monotone.breach("\(group.account)/\(group.id): \(faults.joined(separator: "; "))") }
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
                overdue.adding(resources.stopped), monotone,
            ],
            segments: segments,
            nextAccount: isLast ? "" : last?.text ?? "",
            nextPartition: isLast ? 0 : last.map { UInt32(Partition.of($0.text)) } ?? 0,
            accounts: accounts, nextThing: isLast ? "" : next?.thing ?? "",
            nextNumber: isLast ? 0 : next?.number ?? 0)
    }
}

extension GroupState {
    /// When the state ends by itself: the group is released, or its last term is over.
    fileprivate var leaves: Timestamp? {
        switch self {
        case .active(.subscription(let subscription), _): subscription.current.end
        case .overdue, .expired: releaseAt
        case .creating, .active(.payAsYouGo, _), .released: nil
        }
    }
}

extension MeteringV1.BilledSegment {
    init(_ segment: Segment, of group: InstanceGroup, _ progress: AccountProgress) {
        self.init(
            accountID: group.account.text, groupID: group.id.text,
            billingMethod: CommonV1.BillingMethod(segment.method), start: segment.start.milliseconds)
        switch segment.billing {
        case .payAsYouGo:
            billedThrough = progress.billed(from: segment.start, to: segment.end).milliseconds
            (specification, region, instances) = (group.specification, group.region, UInt32(group.instances))
        case .subscription(let order):
            billedThrough = (segment.end ?? segment.start).milliseconds
            orderID = order.text
        }
    }

    init(_ use: ResourceUse, of resource: ValueAddedResource, _ progress: AccountProgress) {
        self.init(
            accountID: resource.account.text, billingMethod: .payAsYouGo, start: use.start.milliseconds,
            billedThrough: progress.billed(from: use.start, to: use.end).milliseconds, resourceID: resource.id.text,
            region: resource.region, item: resource.id.kind.item, quantity: use.quantity)
    }
}

extension AccountProgress {
    /// Where the bills of use from `start` to `end` must have come to.
    fileprivate func billed(from start: Timestamp, to end: Timestamp?) -> Timestamp {
        let cursor = max(start, cutThrough ?? start)
        return min(cursor, end ?? cursor)
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
