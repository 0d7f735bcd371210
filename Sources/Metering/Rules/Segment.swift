package import BillingCore

/// One stretch of a group's life, billed one way throughout. Segments of a group follow each other without a gap and
/// without an overlap (domain 6.3).
package struct Segment: Hashable, Sendable {
    package let billing: Billing
    package let start: Timestamp
    /// Where billing ends, which for a released group is the end of its last unit; `nil` while that is open.
    package var end: Timestamp?

    package enum Billing: Hashable, Sendable {
        case payAsYouGo(BillingUnit)
        case subscription(OrderID)
    }

    package init(_ billing: Billing, start: Timestamp, end: Timestamp?) {
        self.billing = billing
        self.start = start
        self.end = end
    }

    /// Pay-as-you-go from an anchor; units are counted from there.
    package static func payAsYouGo(_ unit: BillingUnit, from anchor: Timestamp) -> Segment {
        Segment(.payAsYouGo(unit), start: anchor, end: nil)
    }

    package static func subscription(_ term: Term) -> Segment {
        Segment(.subscription(term.order), start: term.start, end: term.end)
    }

    package var method: BillingMethod {
        switch billing {
        case .payAsYouGo: .payAsYouGo
        case .subscription: .subscription
        }
    }
}

/// What an event does to a group's timeline.
package enum TimelineChange: Hashable, Sendable {
    case begin(Segment)
    /// The last segment ends there.
    case end(at: Timestamp)
    /// The last segment ends where the new one begins.
    case succeed(Segment)
}

/// The segments of a group in order.
package struct Timeline: Hashable, Sendable {
    package private(set) var segments: [Segment]

    package init(_ segments: [Segment] = []) { self.segments = segments }

    /// - Precondition: `begin` comes first, and nothing else comes without a segment.
    package mutating func apply(_ change: TimelineChange) {
        switch change {
        case .begin(let segment):
            precondition(segments.isEmpty, "a second beginning of a timeline")
            segments.append(segment)
        case .end(let instant):
            precondition(!segments.isEmpty, "the end of a timeline that never began")
            segments[segments.count - 1].end = instant
        case .succeed(let segment):
            precondition(!segments.isEmpty, "a successor in a timeline that never began")
            segments[segments.count - 1].end = segment.start
            segments.append(segment)
        }
    }

    /// What is wrong with the timeline of a group in `state`, for a person; empty when each instant from its beginning
    /// to its end is covered once (invariant P3).
    package func faults(of state: GroupState, createdAt: Timestamp?) -> [String] {
        var faults: [String] = []
        for segment in segments {
            if let end = segment.end, end < segment.start { faults.append("ends \(end) before it starts") }
        }
        for (earlier, later) in zip(segments, segments.dropFirst()) {
            if earlier.end != later.start {
                let end = earlier.end.map(\.description) ?? "open"
                faults.append("one segment ends \(end) and the next starts \(later.start)")
            }
            if earlier.method == .subscription, later.method == .payAsYouGo {
                faults.append("pay-as-you-go after a subscription at \(later.start)")
            }
        }
        return faults + beginningFaults(state, createdAt) + endFaults(state)
    }

    private func beginningFaults(_ state: GroupState, _ createdAt: Timestamp?) -> [String] {
        guard let first = segments.first else {
            switch state {
            case .creating(.payAsYouGo), .released(.payAsYouGo, _, .creationFailed): return []
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
        case .creating(.payAsYouGo), .overdue: return []
        case .active(.payAsYouGo, _): expected = nil
        case .creating(.subscription(let term)), .active(.subscription(let term), _), .expired(let term):
            expected = term.end
        case .released(.payAsYouGo(let unit, let anchor), let at, _):
            expected = anchor.map { unit.end(anchor: $0, released: at) }
        case .released(.subscription(let term), let at, _): expected = max(term.start, min(at, term.end))
        }
        guard last.end != expected else { return [] }
        let (found, wanted) = (last.end.map(\.description) ?? "open", expected.map(\.description) ?? "open")
        return ["ends \(found) where \(wanted) is due"]
    }
}
