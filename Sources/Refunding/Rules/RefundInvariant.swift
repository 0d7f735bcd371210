import BillingCore

/// M6 over the refunds of one account: none gives back more than was paid, each is what domain 7 makes of its inputs,
/// and a group or an order is given back once.
struct RefundInvariant: Sendable {
    private(set) var checked: Int64 = 0
    /// A sentence for each breach.
    private(set) var breaches: [String] = []

    mutating func check(_ refunds: [Refund]) {
        var groups: [String: RefundID] = [:]
        var orders: [String: RefundID] = [:]
        for refund in refunds {
            checked += 1
            checkAmounts(of: refund)
            switch refund.state {
            case .open, .posted, .closed: break
            case .dropped: continue
            }
            if let other = groups.updateValue(refund.id, forKey: refund.groupID) {
                breaches.append("Group \(refund.groupID) has two refunds, \(other) and \(refund.id).")
            }
            for order in refund.orders {
                if let other = orders.updateValue(refund.id, forKey: order.orderID) {
                    breaches.append("Order \(order.orderID) is given back twice, by \(other) and \(refund.id).")
                }
            }
        }
    }

    private mutating func checkAmounts(of refund: Refund) {
        for order in refund.orders {
            if order.refund > order.cashPaid {
                breaches.append(
                    "Refund \(refund.id) gives back \(order.refund) of order \(order.orderID), for which "
                        + "\(order.cashPaid) was paid.")
            }
            if order.refund != max(.zero, order.cashPaid - order.consumed) || order.usedDays > order.termDays {
                breaches.append("Refund \(refund.id) does not follow from what it says of order \(order.orderID).")
            }
        }
        let sum = refund.orders.map(\.refund).reduce(.zero, +)
        if sum != refund.amount || refund.amount <= .zero {
            breaches.append("The orders of refund \(refund.id) add up to \(sum), and it is of \(refund.amount).")
        }
        switch refund.state {
        case .posted, .closed: break
        case .open, .dropped:
            if refund.isOnlineConfirmed { breaches.append("Refund \(refund.id) arrived before it was posted.") }
        }
    }
}
