import BillingCore

/// A refund and its life.
struct Refund: Hashable, Sendable {
    enum State: Int64, Hashable, Sendable, CaseIterable {
        /// Can go to `posted` when the money is, or to `dropped` when its saga is undone.
        case open = 1
        /// Can go to `closed` when the group has ended.
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
    /// T, the instant of unsubscription.
    let at: Timestamp
    let toBalance: Money
    let online: Money
    let orders: [RefundedAmount]
    private(set) var state: State
    private(set) var isOnlineConfirmed: Bool

    var amount: Money { toBalance + online }

    init(opening id: RefundID, account: AccountID, _ quote: RefundQuote) {
        self.init(
            id: id, account: account, groupID: quote.groupID, at: quote.at, toBalance: quote.toBalance,
            online: quote.online, orders: quote.orders.map(RefundedAmount.init), state: .open, isOnlineConfirmed: false)
    }

    /// As it was kept.
    init(
        id: RefundID, account: AccountID, groupID: String, at: Timestamp, toBalance: Money, online: Money,
        orders: [RefundedAmount], state: State, isOnlineConfirmed: Bool
    ) {
        self.id = id
        self.account = account
        self.groupID = groupID
        self.at = at
        self.toBalance = toBalance
        self.online = online
        self.orders = orders
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
        guard online > .zero else { throw .notOnline(id.text) }
        guard !isOnlineConfirmed else { throw .confirmed(id.text) }
        isOnlineConfirmed = true
    }
}

/// What a refund keeps of each order.
struct RefundedAmount: Hashable, Sendable {
    let orderID: String
    let cashPaid: Money
    let consumed: Money
    let refund: Money
    let usedDays: UInt32
    let termDays: UInt32
}

extension RefundedAmount {
    init(_ order: RefundedOrder) {
        self.init(
            orderID: order.id, cashPaid: order.cashPaid, consumed: order.consumed, refund: order.refund,
            usedDays: order.usedDays, termDays: order.termDays)
    }
}
