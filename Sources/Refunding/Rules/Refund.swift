import BillingCore

/// A refund and its life.
struct Refund: Hashable, Sendable {
    enum State: Int64, Hashable, Sendable, CaseIterable {
        /// Can go to `posted` when the money is, or to `dropped` when its saga is undone.
        case open = 1
        /// Can go to `closed` when the group has ended, or the renewal is dropped.
        case posted = 2
        case closed = 3
        case dropped = 4
    }

    enum Event: String, Hashable, Sendable, CaseIterable {
        case posted
        case closed
        case dropped
    }

    let id: RefundID
    let account: AccountID
    let groupID: String
    /// T, the instant of unsubscription; of a creation that failed, when that was reported.
    let at: Timestamp
    let parts: RefundParts
    let orders: [RefundedOrder]
    /// Whether one pending renewal alone was cancelled, and the group goes on.
    let isRenewalOnly: Bool
    private(set) var state: State
    private(set) var isOnlineConfirmed: Bool

    var amount: Money { parts.amount }
    /// Whether it is the account's unconditional refund of its year (domain 7.4).
    var isUnconditional: Bool { cause == .unconditional }
    /// Why everything comes back; `nil` when it does not, or each order has its own reason.
    var cause: FullRefundCause? {
        orders.lazy.compactMap(\.inFull).first { cause in
            switch cause {
            case .unconditional, .creationFailed: true
            case .pendingRenewal: false
            }
        }
    }
    /// The calendar year of T.
    var year: Int { BillingCalendar.date(of: at).year }

    init(opening id: RefundID, account: AccountID, _ quote: RefundQuote) {
        self.init(
            id: id, account: account, groupID: quote.groupID, at: quote.at, parts: quote.parts, orders: quote.orders,
            isRenewalOnly: quote.isRenewalOnly, state: .open, isOnlineConfirmed: false)
    }

    /// All that was paid in cash for a group that never came up. Order has posted it, and the group is gone.
    init(noting id: RefundID, account: AccountID, groupID: String, order: PaidOrder, at instant: Timestamp) {
        let use = TermUse(
            usedDays: 0, termDays: order.term.days, factorMillionths: TermUse.fullPriceMillionths)
        let whole = RefundedOrder(order, use: use, inFull: .creationFailed)
        self.init(
            id: id, account: account, groupID: groupID, at: instant, parts: whole.parts, orders: [whole],
            isRenewalOnly: false, state: .closed, isOnlineConfirmed: false)
    }

    /// As it was kept.
    init(
        id: RefundID, account: AccountID, groupID: String, at: Timestamp, parts: RefundParts, orders: [RefundedOrder],
        isRenewalOnly: Bool, state: State, isOnlineConfirmed: Bool
    ) {
        self.id = id
        self.account = account
        self.groupID = groupID
        self.at = at
        self.parts = parts
        self.orders = orders
        self.isRenewalOnly = isRenewalOnly
        self.state = state
        self.isOnlineConfirmed = isOnlineConfirmed
    }

    /// - Throws: `RefundError.outOfTurn`; nothing changes then.
    mutating func apply(_ event: Event) throws(RefundError) {
        switch (state, event) {
        case (.open, .posted): state = .posted
        case (.open, .dropped): state = .dropped
        case (.posted, .closed): state = .closed
        case (.open, .closed), (.posted, .posted), (.posted, .dropped), (.closed, .posted), (.closed, .closed),
            (.closed, .dropped), (.dropped, .posted), (.dropped, .closed), (.dropped, .dropped):
            throw .outOfTurn(refund: id.text, is: state, event)
        }
    }

    /// The online part arrived.
    /// - Throws: `RefundError.notPosted`, `.notOnline` when there is no such part, `.confirmed` when that is known.
    mutating func confirmOnline() throws(RefundError) {
        switch state {
        case .posted, .closed: break
        case .open, .dropped: throw .notPosted(id.text, is: state)
        }
        guard parts.online > .zero else { throw .notOnline(id.text) }
        guard !isOnlineConfirmed else { throw .confirmed(id.text) }
        isOnlineConfirmed = true
    }
}
