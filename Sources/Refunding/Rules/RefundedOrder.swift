import BillingCore

/// Why all that was paid for an order comes back.
enum FullRefundCause: Int64, Hashable, Sendable, CaseIterable {
    /// Its term has not begun (domain 7.3).
    case pendingRenewal = 1
    /// The policy `unconditional_refund_days` (domain 7.4).
    case unconditional = 2
    /// Its group never came up (domain 7.4).
    case creationFailed = 3

    /// As the wire has it.
    var text: String {
        switch self {
        case .pendingRenewal: "pending renewal"
        case .unconditional: "unconditional"
        case .creationFailed: "creation failed"
        }
    }
}

/// What comes back of one order, with all that it follows from.
struct RefundedOrder: Hashable, Sendable {
    let id: String
    let paid: PaidParts
    let paymentID: String
    let term: BoughtTerm
    let use: TermUse
    /// `nil` when the used part is kept.
    let inFull: FullRefundCause?
    /// Nothing where all comes back.
    let consumed: Money
    /// Never less than nothing, never more than was paid in cash (domain 7.2).
    let refund: Money
    let parts: RefundParts

    /// As it was kept.
    init(
        id: String, paid: PaidParts, paymentID: String, term: BoughtTerm, use: TermUse, inFull: FullRefundCause?,
        consumed: Money, refund: Money, parts: RefundParts
    ) {
        self.id = id
        self.paid = paid
        self.paymentID = paymentID
        self.term = term
        self.use = use
        self.inFull = inFull
        self.consumed = consumed
        self.refund = refund
        self.parts = parts
    }

    /// Keeps back what is consumed.
    init(_ order: PaidOrder, use: TermUse, consumed: Money) {
        self.init(order, use: use, inFull: nil, consumed: consumed)
    }

    /// Gives back all that was paid in cash.
    init(_ order: PaidOrder, use: TermUse, inFull cause: FullRefundCause) {
        self.init(order, use: use, inFull: cause, consumed: .zero)
    }

    private init(_ order: PaidOrder, use: TermUse, inFull: FullRefundCause?, consumed: Money) {
        let refund = max(.zero, order.paid.cash - consumed)
        self.init(
            id: order.id, paid: order.paid, paymentID: order.paymentID, term: order.term, use: use, inFull: inFull,
            consumed: consumed, refund: refund, parts: order.paid.split(refund))
    }
}
