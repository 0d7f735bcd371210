package import BillingCore

/// What is billed by use.
package enum AccruingThing: Hashable, Sendable {
    case group(GroupID, specification: String, instances: Int, BillingUnit)
    /// Billed by the clock hour at this size: Mbps of shared bandwidth, GiB of OSS, 1 for the others.
    case resource(ResourceID, network: String, quantity: Int64)

    package var id: String {
        switch self {
        case .group(let id, _, _, _): id.text
        case .resource(let id, _, _): id.text
        }
    }
}

/// A stretch of use that still has something to bill: a pay-as-you-go segment of a group, or use of a value-added resource
/// at one size.
package struct AccruingSegment: Hashable, Sendable {
    package let thing: AccruingThing
    package let region: String
    /// Of the group or the resource.
    package let createdAt: Timestamp
    /// The stretch's start: for a group the anchor of its units and of its amounts (domain 2.5).
    package let anchor: Timestamp
    /// Where billing ends; `nil` while that is open.
    package let end: Timestamp?

    package init(_ thing: AccruingThing, region: String, createdAt: Timestamp, anchor: Timestamp, end: Timestamp?) {
        self.thing = thing
        self.region = region
        self.createdAt = createdAt
        self.anchor = anchor
        self.end = end
    }
}

/// What one account is billed for at the top of one hour: each of its segments' part of that hour, split where billing
/// starts or ends, never at a unit's end (domain 2.4, 2.6). After a release the rest of the unit is cut hour by hour.
package struct CutPlan: Hashable, Sendable {
    package struct Slice: Hashable, Sendable {
        /// Into the segments that the plan was made from.
        package let segment: Int
        package let period: Period
    }

    /// In the order of settlement: slice start, then creation, then id (domain 2.8).
    package let slices: [Slice]
    /// The segments that are billed to their end when the hour is.
    package let finished: [Int]
    /// The top of the hour at which the account is due next; `nil` when nothing is left to bill.
    package let nextDue: Timestamp?

    /// - Parameter hour: a top of the hour; the plan is for the hour that ends there.
    package init(_ segments: [AccruingSegment], hourEnding hour: Timestamp) {
        let start = hour.adding(milliseconds: -.millisecondsPerHour)
        var slices: [Slice] = []
        var finished: [Int] = []
        for (index, segment) in segments.enumerated() {
            let from = max(start, segment.anchor)
            let to = min(hour, segment.end ?? hour)
            if from < to { slices.append(Slice(segment: index, period: Period(from, to))) }
            if let end = segment.end, end <= hour { finished.append(index) }
        }
        slices.sort { left, right in
            let (first, second) = (segments[left.segment], segments[right.segment])
            if left.period.start != right.period.start { return left.period.start < right.period.start }
            if first.createdAt != second.createdAt { return first.createdAt < second.createdAt }
            return first.thing.id < second.thing.id
        }
        self.slices = slices
        self.finished = finished
        let open = segments.filter { segment in segment.end.map { $0 > hour } ?? true }
        nextDue = open.map { CutPlan.due(cutThrough: hour, anchor: $0.anchor) }.min()
    }

    /// The top of the hour at which a segment is due, of an account that was cut through another one.
    package static func due(cutThrough cursor: Timestamp, anchor: Timestamp) -> Timestamp {
        BillingCalendar.hour(of: max(cursor, anchor)).adding(milliseconds: .millisecondsPerHour)
    }
}
