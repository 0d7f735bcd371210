import BillingCore

/// M6 between services: what was recorded here is what order posted, of what was paid to order, and what pricing makes of
/// it. Each service may be right by itself and the two still disagree.
struct RefundComparison: Sendable {
    /// Refunds that order posted and that are unknown here.
    private(set) var checked: Int64 = 0
    /// A sentence for each breach.
    private(set) var breaches: [String] = []

    /// - Parameters:
    ///   - refund: `nil` when there is none here.
    ///   - posted: `nil` when order posted none; read after `refund`, so that order is never behind.
    mutating func compare(_ refund: Refund?, with posted: PostedRefund?) {
        switch (refund, posted) {
        case (nil, nil): break
        case (nil, let posted?):
            checked += 1
            if !posted.isOfFailedCreation {
                breaches.append("Order posted refund \(posted.id), which is unknown here.")
            }
        case (let refund?, nil):
            switch refund.state {
            case .open, .dropped: break
            case .posted, .closed:
                breaches.append("Refund \(refund.id) is posted, and order posted nothing of it.")
            }
        case (let refund?, let posted?): compare(refund, posted)
        }
    }

    private mutating func compare(_ refund: Refund, _ posted: PostedRefund) {
        if refund.state == .dropped { breaches.append("Refund \(refund.id) is dropped, and order posted it.") }
        if refund.parts != posted.parts || refund.at != posted.at {
            breaches.append(
                "Refund \(refund.id) is of \(refund.parts.toBalance) and \(refund.parts.online) online at \(refund.at); "
                    + "order posted \(posted.parts.toBalance) and \(posted.parts.online) online at \(posted.at).")
        }
        // Order books the arrival first.
        if refund.isOnlineConfirmed, !posted.isConfirmed {
            breaches.append("Refund \(refund.id) arrived, and order does not know.")
        }
        var rest: [String: PostedRefundOrder] = [:]
        for order in posted.orders { rest[order.id] = order }
        for order in refund.orders where order.refund > .zero || rest[order.id] != nil {
            guard let found = rest.removeValue(forKey: order.id) else {
                breaches.append("Refund \(refund.id) gives back order \(order.id), and order posted nothing of that.")
                continue
            }
            compare(order, found, of: refund)
        }
        for id in rest.keys.sorted() {
            breaches.append("Refund \(refund.id) does not name order \(id), of which order gave something back.")
        }
    }

    private mutating func compare(_ order: RefundedOrder, _ posted: PostedRefundOrder, of refund: Refund) {
        // A coupon comes back where a creation failed, and nowhere else (domain 3.2).
        let restored = order.inFull == .creationFailed ? order.paid.coupon : .zero
        if order.refund != posted.amount || posted.restored != restored {
            breaches.append(
                "Refund \(refund.id) gives back \(order.refund) of order \(order.id); order posted \(posted.amount), and "
                    + "\(posted.restored) of a coupon.")
        }
        if order.paid != posted.paid {
            breaches.append(
                "Refund \(refund.id) has order \(order.id) paid with \(order.paid.phrase); order has "
                    + "\(posted.paid.phrase).")
        }
        // Refunds of the first release kept neither payment nor term.
        let isFirstRelease = order.term.listNanos == 0
        if posted.groupID != refund.groupID
            || !isFirstRelease && (order.term != posted.term || order.paymentID != posted.paymentID)
        {
            breaches.append(
                "Refund \(refund.id) knows another group, payment or term of order \(order.id) than order does.")
        }
    }

    /// Looks at what the refund kept back once more: the days and the discount that the price list tells, and the policy
    /// that gave all of it back.
    mutating func compare(_ refund: Refund, with priced: PricedRefund, _ posted: PostedRefund) {
        for order in refund.orders {
            guard let now = priced.uses[order.id] else { continue }
            if order.use != now.use || order.inFull == nil && order.consumed != now.consumed {
                breaches.append(
                    "Refund \(refund.id) keeps \(order.consumed) of order \(order.id) for \(order.use.usedDays) days at "
                        + "\(order.use.factorMillionths) millionths; by the price list it is \(now.consumed) for "
                        + "\(now.use.usedDays) at \(now.use.factorMillionths).")
            }
            guard order.inFull == .unconditional, let paid = posted.orders.first(where: { $0.id == order.id }) else {
                continue
            }
            let days = Int64(priced.unconditionalDays)
            if !paid.isNew || refund.at >= paid.paidAt.adding(milliseconds: days * .millisecondsPerDay) {
                breaches.append(
                    "Refund \(refund.id) gives back all of order \(order.id), paid at \(paid.paidAt), which the policy of "
                        + "\(days) days does not.")
            }
        }
    }

    /// Pricing refuses what the refund says of its orders.
    mutating func note(_ refund: Refund, refusedBecause message: String) {
        breaches.append("Pricing refuses the orders of refund \(refund.id): \(message)")
    }
}

extension PaidParts {
    fileprivate var phrase: String { "\(balance), \(online) online and \(coupon) of a coupon" }
}
