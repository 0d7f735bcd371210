package import BillingCore

/// One stretch of a group's life, billed one way throughout. Segments of a group follow each other without an overlap
/// (domain 6.3), and without a gap except while the account is overdue or the group expired.
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

    /// - Precondition: a segment begins at the end of the last one or later, and nothing else comes without a segment.
    package mutating func apply(_ change: TimelineChange) {
        switch change {
        case .begin(let segment):
            precondition(
                segments.last.map { last in last.end.map { $0 <= segment.start } ?? false } ?? true,
                "a beginning before the end")
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
}
