package import BillingCore

extension InstanceGroup {
    /// What in the stored life of the group cannot have come about along the edges of `GroupState`, for a person
    /// (invariant T1); empty when nothing does.
    /// - Parameter lastAt: the latest instant at which anything happened to the account.
    package func orderFaults(lastAt: Timestamp?) -> [String] {
        var faults: [String] = []
        let releasedAt: Timestamp?
        switch state {
        case .creating:
            releasedAt = nil
            if let createdAt { faults.append("creating, yet created \(createdAt)") }
        case .active, .overdue, .expired:
            releasedAt = nil
            if createdAt == nil { faults.append("\(state.status), yet never created") }
        case .released(let release):
            releasedAt = release.at
            if release.cause == .creationFailed, let createdAt {
                faults.append("its creation failed, yet it was created \(createdAt)")
            }
        }
        if switchedAt != nil, state.billing.method == .payAsYouGo { faults.append("switched, yet paid as it goes") }
        let life = [
            ("requested", requestedAt), ("created", createdAt), ("switched", switchedAt), ("released", releasedAt),
            ("the account's last instant", lastAt),
        ].compactMap { name, instant in instant.map { (name, $0) } }
        for (earlier, later) in zip(life, life.dropFirst()) where later.1 < earlier.1 {
            faults.append("\(earlier.0) \(earlier.1), \(later.0) \(later.1)")
        }
        return faults
    }
}
