package import BillingCore

/// The earliest instants at which something is due, as their owners tell; `nil`: nothing of that kind, ever.
package struct DueInstants: Hashable, Sendable {
    package var termEnds: Timestamp?
    package var cut: Timestamp?
    package var orderDeadline: Timestamp?

    package init(termEnds: Timestamp? = nil, cut: Timestamp? = nil, orderDeadline: Timestamp? = nil) {
        self.termEnds = termEnds
        self.cut = cut
        self.orderDeadline = orderDeadline
    }

    /// `nil` when nothing is due, ever.
    package var earliest: Timestamp? { [termEnds, cut, orderDeadline].compactMap { $0 }.min() }

    /// Where a clock that moves to `target` stops next; `nil` when nothing is due on the way.
    package func nextStop(notAfter target: Timestamp) -> DueStop? {
        guard let at = earliest, at <= target else { return nil }
        let due: [(Timestamp?, DueStop.Work)] = [
            (termEnds, .expireTerms), (cut, .cut), (orderDeadline, .expireOrders),
        ]
        return DueStop(at: at, work: due.filter { $0.0 == at }.map { $0.1 })
    }
}

/// An instant at which the clock stops, and the work that is due there in the order of domain 10: terms that end, then
/// slices cut and settled, then order deadlines. Calls stamped at the instant come after all of it.
package struct DueStop: Hashable, Sendable {
    package enum Work: Hashable, Sendable, CaseIterable {
        case expireTerms
        case cut
        case expireOrders
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
