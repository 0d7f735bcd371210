/// Subscription terms that follow each other without a gap. Their ends count months from the nominal day, that of the
/// first term's start, so that one that starts on January 31 goes February 28, March 31 (domain 5.3).
public struct TermChain: Hashable, Sendable {
    /// Where the first of the terms starts.
    public let start: Timestamp
    /// All their months together.
    public let months: Int

    public init(start: Timestamp, months: Int) {
        self.start = start
        self.months = months
    }

    /// The end of the last term.
    public var end: Timestamp { BillingCalendar.termEnd(start: start, months: months) }

    /// Another term after the last one.
    public func extended(months more: Int) -> TermChain { TermChain(start: start, months: months + more) }

    /// The term that a renewal paid at `instant` buys, and the terms that it belongs to: while they run it starts at their
    /// end; once they are over, at the payment, with a new nominal day.
    /// - Parameter paidThrough: the end of the last paid term.
    public func renewal(
        months more: Int, paidAt instant: Timestamp, paidThrough: Timestamp
    ) -> (term: Period, chain: TermChain) {
        let chain = instant < paidThrough ? extended(months: more) : TermChain(start: instant, months: more)
        return (Period(max(instant, paidThrough), chain.end), chain)
    }
}
