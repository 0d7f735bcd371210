package import BillingCore

/// The paid terms of a group: the current one and those that wait for its end.
package struct Subscription: Hashable, Sendable {
    package private(set) var current: Term
    /// Paid renewals whose terms have not begun. Each starts where the one before it ends.
    package private(set) var pending: [Term]
    /// The terms that follow each other without a gap, whose first day is the nominal day of them all.
    package private(set) var chain: TermChain
    /// `nil` while it is switched off.
    package var autoRenewal: AutoRenewal?

    package init(current: Term, pending: [Term], chain: TermChain, autoRenewal: AutoRenewal?) {
        self.current = current
        self.pending = pending
        self.chain = chain
        self.autoRenewal = autoRenewal
    }

    /// The first term of a group.
    package init(_ term: Term, autoRenewal: AutoRenewal? = nil) {
        self.init(
            current: term, pending: [], chain: TermChain(start: term.start, months: term.months),
            autoRenewal: autoRenewal)
    }

    /// The end of the last paid term.
    package var paidThrough: Timestamp { pending.last?.end ?? current.end }

    /// When it is released if nothing more is paid (domain 5.4).
    package var releaseAt: Timestamp { BillingCalendar.releaseAt(since: paidThrough) }

    /// Months that auto-renewal buys: as many as were bought last unless set.
    package var renewalMonths: Int { autoRenewal?.months ?? (pending.last ?? current).months }

    /// The next attempt of auto-renewal; `nil` when there is none.
    package var attemptAt: Timestamp? { autoRenewal?.next(paidThrough: paidThrough, termStart: current.start) }

    /// The attempt at `attempt` failed. One that is not the next changes nothing: it is past.
    package mutating func noteAttempt(_ attempt: Timestamp) {
        if attempt == attemptAt { autoRenewal?.skip(through: attempt) }
    }

    /// Attempts of auto-renewal up to `instant` are past.
    package mutating func skipAttempts(through instant: Timestamp) { autoRenewal?.skip(through: instant) }

    /// The next term becomes current.
    /// - Returns: that term; `nil` when none is pending.
    package mutating func advance() -> Term? {
        guard !pending.isEmpty else { return nil }
        current = pending.removeFirst()
        return current
    }

    /// Whether `term` follows the last paid one, counted from the same nominal day.
    package func isFollowed(by term: Term) -> Bool {
        term.start == paidThrough && term.end == chain.extended(months: term.months).end
    }

    /// Whether `term` starts anew, when or after the last paid one ended.
    package func isRestarted(by term: Term) -> Bool {
        term.start >= paidThrough && term.end == TermChain(start: term.start, months: term.months).end
    }

    /// A renewal before the end: it waits for its turn. The attempts of this cycle are over.
    package mutating func append(_ term: Term) {
        endCycle()
        pending.append(term)
        chain = chain.extended(months: term.months)
    }

    /// A renewal after the end. The attempts of this cycle are over.
    /// - Precondition: no renewal is pending.
    package mutating func restart(_ term: Term) {
        precondition(pending.isEmpty, "a subscription starts anew while a renewal is pending")
        endCycle()
        current = term
        chain = TermChain(start: term.start, months: term.months)
    }

    /// Takes back the last pending renewal (domain 7.3). The attempts that it ended are not made after all.
    /// - Returns: whether `order` paid for it; if not, nothing is changed.
    package mutating func dropLast(_ order: OrderID) -> Bool {
        guard let last = pending.last, last.order == order else { return false }
        pending.removeLast()
        chain = TermChain(start: chain.start, months: chain.months - last.months)
        return true
    }

    /// The group ends: what has not begun is refunded (domain 7.3).
    package mutating func dropPending() {
        chain = TermChain(start: chain.start, months: chain.months - pending.reduce(0) { $0 + $1.months })
        pending = []
    }

    private mutating func endCycle() {
        if let last = AutoRenewal.attempts(paidThrough: paidThrough).last { autoRenewal?.skip(through: last) }
    }
}
