package import BillingCore

/// Auto-renewal of a subscription that is switched on (domain 5.5).
package struct AutoRenewal: Hashable, Sendable {
    /// `nil`: as many as were bought last.
    package let months: Int?
    /// Only attempts after this instant are made: where it was switched on, or the last attempt that is over.
    package private(set) var after: Timestamp

    package init(months: Int?, after: Timestamp) {
        self.months = months
        self.after = after
    }

    /// The durations that are sold (domain 5.1).
    package static let durations = [1, 2, 3, 6, 12]

    /// - Parameter months: 0: as many as were bought last.
    /// - Throws: `GroupError.renewalMonths` for a duration that is not sold.
    package static func checked(months: UInt32) throws(GroupError) -> Int? {
        guard months != 0 else { return nil }
        guard durations.contains(Int(months)) else { throw .renewalMonths(months) }
        return Int(months)
    }

    /// 08:00 on days T-3, T-1, T, T+6 and T+14, where T is the day on which the last paid term ends.
    package static func attempts(paidThrough: Timestamp) -> [Timestamp] {
        let morning = BillingCalendar.day(of: paidThrough).adding(milliseconds: 8 * .millisecondsPerHour)
        return [-3, -1, 0, 6, 14].map { morning.adding(milliseconds: $0 * .millisecondsPerDay) }
    }

    /// - Parameter termStart: of the current term; attempts before it would have been another term's.
    func next(paidThrough: Timestamp, termStart: Timestamp) -> Timestamp? {
        AutoRenewal.attempts(paidThrough: paidThrough).first { $0 > max(after, termStart) }
    }

    mutating func skip(through attempt: Timestamp) { after = max(after, attempt) }
}
