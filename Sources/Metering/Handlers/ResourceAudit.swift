import BillingAPI
import BillingCore

/// What one page of the audit has found about value-added resources.
struct ResourceAudit {
    // These are counted in with those of groups, which have the titles.
    private(set) var contiguous = CommonV1.AuditFinding(invariant: "P3")
    private(set) var due = CommonV1.AuditFinding(invariant: "P1")
    private(set) var stopped = CommonV1.AuditFinding(invariant: "O1")

    /// Looks at the resources of one account.
    /// - Parameter accruing: the starts of the stretches that the cut knows, for each resource.
    mutating func add(_ uses: [KeptUse], _ progress: AccountProgress, accruing: [ResourceID: Set<Timestamp>]) {
        for kept in uses {
            let name = "\(kept.resource.account)/\(kept.resource.id)"
            let faults = kept.timeline.faults(of: kept.resource)
            contiguous.checked += 1
            if !faults.isEmpty { contiguous.breach("\(name): \(faults.joined(separator: "; "))") }
            addDue(kept.timeline, name, progress, accruing[kept.resource.id] ?? [])
            addStopped(kept.resource, name, progress)
        }
    }

    private mutating func addDue(
        _ timeline: UseTimeline, _ name: String, _ progress: AccountProgress, _ accruing: Set<Timestamp>
    ) {
        due.checked += 1
        for use in timeline.uses {
            let isOpen = use.end.map { $0 > max(use.start, progress.cutThrough ?? use.start) } ?? true
            if isOpen, !accruing.contains(use.start) {
                due.breach("\(name) is not billed from \(use.start) and no cut knows it")
            }
        }
        if !accruing.isEmpty, progress.dueAt == nil { due.breach("\(name) accrues and no cut is due") }
    }

    private mutating func addStopped(_ resource: ValueAddedResource, _ name: String, _ progress: AccountProgress) {
        stopped.checked += 1
        switch resource.state {
        case .active:
            if let since = progress.overdueAt {
                stopped.breach("\(name) is active and its account overdue since \(since)")
            }
        case .overdue(let since):
            if since != progress.overdueAt {
                stopped.breach("\(name) is overdue since \(since) and its account is not")
            }
        case .released: break
        }
    }
}
