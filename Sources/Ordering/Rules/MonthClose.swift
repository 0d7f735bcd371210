import BillingCore

/// The close of an account's month: what its pay-as-you-go lines cost net of coupons is rounded down to the cent, once
/// (domain 2.9).
struct MonthClose: Hashable, Sendable {
    /// 00:00 of the first day.
    let month: Timestamp
    /// What is given back.
    let fraction: Money

    /// - Parameter net: gross less discount and what coupons paid of the month's lines so far, so that no coupon turns
    ///   into cash; never negative.
    init(month: Timestamp, net: Money) {
        self.month = month
        fraction = net - net.roundedToCent(.floor)
    }

    /// The instant of the round-down line: the last millisecond of the month, so that it falls on its last day.
    var lineAt: Timestamp { BillingCalendar.monthEnd(of: month).adding(milliseconds: -1) }
}
