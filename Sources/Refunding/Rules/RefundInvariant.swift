import BillingCore

/// M6 over the refunds of one account: none gives back more than was paid, each is what domain 7 makes of its stored
/// inputs, and a group, an order and the unconditional refund of a year are given once.
struct RefundInvariant: Sendable {
    private(set) var checked: Int64 = 0
    /// A sentence for each breach.
    private(set) var breaches: [String] = []

    mutating func check(_ refunds: [Refund]) {
        var groups: [String: RefundID] = [:]
        var orders: [String: RefundID] = [:]
        var years: [Int: RefundID] = [:]
        for refund in refunds {
            checked += 1
            checkAmounts(of: refund)
            switch refund.state {
            case .open, .posted, .closed: break
            case .dropped: continue
            }
            if !refund.isRenewalOnly, let other = groups.updateValue(refund.id, forKey: refund.groupID) {
                breaches.append("Group \(refund.groupID) has two refunds, \(other) and \(refund.id).")
            }
            if refund.isUnconditional, let other = years.updateValue(refund.id, forKey: refund.year) {
                breaches.append("Both \(other) and \(refund.id) are the unconditional refund of \(refund.year).")
            }
            for order in refund.orders {
                if let other = orders.updateValue(refund.id, forKey: order.id) {
                    breaches.append("Order \(order.id) is given back twice, by \(other) and \(refund.id).")
                }
            }
        }
    }

    private mutating func checkAmounts(of refund: Refund) {
        for order in refund.orders {
            if order.refund > order.paid.cash {
                breaches.append(
                    "Refund \(refund.id) gives back \(order.refund) of order \(order.id), for which "
                        + "\(order.paid.cash) was paid.")
            }
            if !order.follows(at: refund.at) {
                breaches.append("Refund \(refund.id) does not follow from what it says of order \(order.id).")
            }
        }
        let sum = refund.orders.map(\.parts).reduce(.zero, +)
        if sum != refund.parts || refund.amount <= .zero {
            breaches.append(
                "The orders of refund \(refund.id) add up to \(sum.toBalance) and \(sum.online) online, and it is of "
                    + "\(refund.parts.toBalance) and \(refund.parts.online).")
        }
        switch refund.state {
        case .posted, .closed: break
        case .open, .dropped:
            if refund.isOnlineConfirmed { breaches.append("Refund \(refund.id) arrived before it was posted.") }
        }
    }
}

extension RefundedOrder {
    /// Whether use, consumed, refund and split are what domain 7 makes of the order and the instant.
    fileprivate func follows(at instant: Timestamp) -> Bool {
        guard refund == max(.zero, paid.cash - consumed), parts == paid.split(refund), use.usedDays <= use.termDays
        else { return false }
        switch inFull {
        case .pendingRenewal: return consumed == .zero && instant < term.start
        case .unconditional, .creationFailed: return consumed == .zero
        case nil: break
        }
        // Refunds of the first release kept no list price.
        guard term.listNanos > 0 else { return true }
        return use == term.use(at: instant, factorMillionths: use.factorMillionths)
            && consumed == term.consumed(by: use)
    }
}
