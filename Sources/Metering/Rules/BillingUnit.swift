package import BillingCore

/// How use is committed to, counted from an anchor: pinned when a group is created (domain 1). The raw values are
/// stored.
package enum BillingUnit: Int64, Hashable, Sendable, CaseIterable {
    /// Groups created before 2025-05-06 00:00 in the billing time zone.
    case second = 1
    case fourHours = 2

    package var milliseconds: Int64 {
        switch self {
        case .second: .millisecondsPerSecond
        case .fourHours: 4 * .millisecondsPerHour
        }
    }

    /// Where billing ends when a group is released at `released`: at the end of the unit that is running then, at least
    /// one unit after `anchor` (domain 2.2). A release exactly at a unit's end pays for that unit only.
    /// - Precondition: `released >= anchor`.
    package func end(anchor: Timestamp, released: Timestamp) -> Timestamp {
        precondition(released >= anchor, "a release at \(released) before the anchor \(anchor)")
        let units = Rounding.ceiling.divide(Int128(released - anchor), by: Int128(milliseconds))
        return anchor.adding(milliseconds: max(1, units) * milliseconds)
    }
}
