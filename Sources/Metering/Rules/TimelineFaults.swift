package import BillingCore

/// A stretch in which an account was overdue; `end` is `nil` while it is.
package struct OverdueInterval: Hashable, Sendable {
    package let start: Timestamp
    package let end: Timestamp?

    package init(start: Timestamp, end: Timestamp?) {
        self.start = start
        self.end = end
    }
}

extension Timeline {
    /// What is wrong with the timeline of a group in `state`, for a person; empty when each instant from its beginning
    /// to its end is covered once, but for those in which the account was overdue or the group expired (invariant P3).
    package func faults(
        of state: GroupState, createdAt: Timestamp?, overdue: [OverdueInterval] = []
    ) -> [String] {
        var faults: [String] = []
        for segment in segments {
            if let end = segment.end, end < segment.start { faults.append("ends \(end) before it starts") }
        }
        for (earlier, later) in zip(segments, segments.dropFirst()) {
            if !isFollowed(earlier, by: later, overdue) {
                let end = earlier.end.map(\.description) ?? "open"
                faults.append("one segment ends \(end) and the next starts \(later.start)")
            }
            if earlier.method == .subscription, later.method == .payAsYouGo {
                faults.append("pay-as-you-go after a subscription at \(later.start)")
            }
        }
        return faults + beginningFaults(state, createdAt) + endFaults(state)
    }

    private func isFollowed(_ earlier: Segment, by later: Segment, _ overdue: [OverdueInterval]) -> Bool {
        guard let end = earlier.end else { return false }
        switch (earlier.method, later.method) {
        case (.payAsYouGo, .payAsYouGo):
            // What began while the cut was under way ends where it starts, after the hour of the cut.
            let isUnused = end == earlier.start
            return isUnused && end == later.start
                || overdue.contains { interval in
                    interval.end == later.start && (interval.start == end || isUnused && interval.start < end)
                }
        case (.payAsYouGo, .subscription): return end == later.start
        case (.subscription, .subscription):
            return end <= later.start && later.start <= BillingCalendar.releaseAt(since: end)
        case (.subscription, .payAsYouGo): return end <= later.start
        }
    }

    private func beginningFaults(_ state: GroupState, _ createdAt: Timestamp?) -> [String] {
        guard let first = segments.first else {
            switch state {
            case .creating(.payAsYouGo): return []
            case .released(let release) where release.cause == .creationFailed && release.billing.method == .payAsYouGo:
                return []
            case .creating(.subscription), .active, .overdue, .expired, .released: return ["has no segment"]
            }
        }
        guard first.method == .payAsYouGo, first.start != createdAt else { return [] }
        return ["created \(createdAt.map(\.description) ?? "never") but billed from \(first.start)"]
    }

    private func endFaults(_ state: GroupState) -> [String] {
        guard let last = segments.last else { return [] }
        let expected: Timestamp?
        switch state {
        case .creating(.payAsYouGo): return []
        case .active(.payAsYouGo, _): expected = nil
        case .creating(.subscription(let subscription)), .active(.subscription(let subscription), _),
            .expired(let subscription, _):
            expected = subscription.current.end
        case .overdue(_, let anchor, let since): expected = max(anchor, since)
        case .released(let release): expected = Timeline.end(of: release)
        }
        guard last.end != expected else { return [] }
        let (found, wanted) = (last.end.map(\.description) ?? "open", expected.map(\.description) ?? "open")
        return ["ends \(found) where \(wanted) is due"]
    }

    private static func end(of release: Release) -> Timestamp? {
        switch release.billing {
        case .payAsYouGo(let unit, let anchor?):
            release.stoppedAt.map { max(anchor, $0) } ?? unit.end(anchor: anchor, released: release.at)
        case .payAsYouGo(_, nil): nil
        case .subscription(let subscription):
            max(subscription.current.start, min(release.at, subscription.current.end))
        }
    }
}
