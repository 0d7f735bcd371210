import BillingCore

/// A paid order of a group, as order tells it.
struct PaidOrder: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case new
        case `switch`
        case renewal
    }

    let id: String
    let kind: Kind
    let paidAt: Timestamp
    let paid: PaidParts
    /// The online payment that paid it or a part of it; empty when there was none.
    let paymentID: String
    let specification: String
    let region: String
    let term: BoughtTerm
    /// Whether it was given back before, in part or whole.
    let isRefunded: Bool
}

/// How an order was paid: its price is the sum of the three.
struct PaidParts: Hashable, Sendable {
    let balance: Money
    let online: Money
    /// Never given back (domain 3.2).
    let coupon: Money

    /// What can come back at most.
    var cash: Money { balance + online }

    /// Splits what comes back over the ways it was paid (domain 7.5): pro rata, each part floored to the cent, what is
    /// left of the cents to the larger way, online if they are equal. What was paid in one way goes back that way, and all
    /// of it as it was paid: a payment gives back no more than it took, though the balance's part may be no whole cents.
    func split(_ refund: Money) -> RefundParts {
        guard refund != cash else { return RefundParts(toBalance: balance, online: online) }
        guard online > .zero else { return RefundParts(toBalance: refund, online: .zero) }
        guard balance > .zero else { return RefundParts(toBalance: .zero, online: refund) }
        let (toBalance, toOnline) = (share(balance, of: refund), share(online, of: refund))
        let rest = refund - toBalance - toOnline
        return online >= balance
            ? RefundParts(toBalance: toBalance, online: toOnline + rest)
            : RefundParts(toBalance: toBalance + rest, online: toOnline)
    }

    private func share(_ part: Money, of refund: Money) -> Money {
        let cents = Rounding.floor.divide(
            Int128(refund.micros) * Int128(part.micros), by: Int128(cash.micros) * Int128(Money.microsPerCent))
        return Money(micros: cents * Money.microsPerCent)
    }
}

/// Where refunded money goes.
struct RefundParts: Hashable, Sendable {
    let toBalance: Money
    /// To the online payment it came from; pending until confirmed.
    let online: Money

    var amount: Money { toBalance + online }

    static let zero = RefundParts(toBalance: .zero, online: .zero)

    static func + (left: RefundParts, right: RefundParts) -> RefundParts {
        RefundParts(toBalance: left.toBalance + right.toBalance, online: left.online + right.online)
    }
}
