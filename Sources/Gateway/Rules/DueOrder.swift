package import BillingCore

/// The earliest instants at which each kind of work is due, as the owners of the work tell; what is missing is not due,
/// ever.
package struct DueInstants: Hashable, Sendable {
    private let instants: [DueStop.Work: Timestamp]

    package init(_ instants: [DueStop.Work: Timestamp] = [:]) { self.instants = instants }

    /// `nil` when nothing is due, ever.
    package var earliest: Timestamp? { instants.values.min() }

    /// Without the instants that are not after `instant`: the clock was there already.
    package func after(_ instant: Timestamp) -> DueInstants { DueInstants(instants.filter { $0.value > instant }) }

    /// Where a clock that moves to `target` stops next; `nil` when nothing is due on the way.
    package func nextStop(notAfter target: Timestamp) -> DueStop? {
        guard let at = earliest, at <= target else { return nil }
        return DueStop(at: at, work: DueStop.Work.allCases.filter { instants[$0] == at })
    }
}

/// An instant at which the clock stops, and the work that is due there. Calls stamped at the instant come after all of
/// it.
package struct DueStop: Hashable, Sendable {
    /// In the order of domain 10. Coupons that expire and price versions that start need no work: whoever uses them
    /// compares instants.
    package enum Work: Hashable, Sendable, CaseIterable {
        case expireTerms
        /// Coupons that become effective pay what is outstanding.
        case startCoupons
        /// Slices up to the instant, their settlement, the month close of the accounts cut, overdue found.
        case cut
        /// The month close of the accounts that no cut of this instant settled, and what recovers by it.
        case closeMonths
        case release
        case autoRenew
        case expireOrders
        case recordNotices
    }

    package let at: Timestamp
    package let work: [Work]

    /// - Precondition: `work` is in the order of the cases.
    package init(at: Timestamp, work: [Work]) {
        self.at = at
        self.work = work
    }

    /// Everything that could be due at `at`: what a gateway does that does not know how far its predecessor came. All of
    /// it is idempotent.
    package static func everything(at: Timestamp) -> DueStop { DueStop(at: at, work: Work.allCases) }

    /// How far a cut at this stop goes: the last top of the hour.
    package var cutThrough: Timestamp { BillingCalendar.hour(of: at) }
}
