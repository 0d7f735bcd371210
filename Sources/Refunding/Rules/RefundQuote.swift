import BillingCore

/// What giving back a group, or its last pending renewal, at an instant pays, and what is lost (domain 7.7).
struct RefundQuote: Hashable, Sendable {
    let groupID: String
    let instances: UInt32
    /// T, the instant of unsubscription.
    let at: Timestamp
    /// In order of their terms.
    let orders: [RefundedOrder]
    /// Whether the group goes on and one pending renewal alone is cancelled.
    let isRenewalOnly: Bool

    /// - Throws: `RefundError.zero` or `.zeroRenewal` when nothing would come back.
    init(
        _ group: SubscribedGroup, at instant: Timestamp, orders: [RefundedOrder], isRenewalOnly: Bool
    ) throws(RefundError) {
        groupID = group.id
        instances = group.instances
        at = instant
        self.orders = orders
        self.isRenewalOnly = isRenewalOnly
        guard amount > .zero else {
            guard isRenewalOnly, let order = orders.first else { throw .zero(group: group.id) }
            throw .zeroRenewal(order: order.id)
        }
    }

    var parts: RefundParts { orders.map(\.parts).reduce(.zero, +) }
    var amount: Money { parts.amount }
    var isUnconditional: Bool { orders.contains { $0.inFull == .unconditional } }
    var token: RefundToken { RefundToken(self) }

    /// The act confirms what its owner was told.
    /// - Throws: `RefundError.tokenMalformed`, or `.quoteChanged` when the amount, the orders or the group are others.
    func requireConfirmed(by text: String) throws(RefundError) {
        let given = try RefundToken(text)
        guard given == token else { throw .quoteChanged(quoted: given.amount, now: amount) }
    }

    /// What is lost, a sentence each.
    var losses: [String] {
        let ofOrders = orders.flatMap(\.losses)
        guard !isRenewalOnly else { return ofOrders }
        return ofOrders + [
            "All data of the \(counted(instances, "cloud phone")) of group \(groupID) is deleted and cannot be "
                + "recovered."
        ]
    }
}

extension RefundedOrder {
    fileprivate var losses: [String] {
        var losses: [String] = []
        if inFull == .pendingRenewal {
            losses.append(
                "The renewal of \(counted(term.months, "month")) from \(BillingCalendar.format(term.start)) to "
                    + "\(BillingCalendar.format(term.end)) is cancelled (order \(id)).")
        } else if use.termDays > use.usedDays {
            losses.append(
                "The remaining \(counted(use.termDays - use.usedDays, "day")) of the term to "
                    + "\(BillingCalendar.format(term.end)) are given up.")
        }
        let kept = paid.cash - refund
        if kept > .zero {
            losses.append(
                "\(kept.shortDescription) USD of the \(paid.cash.shortDescription) USD paid for order \(id) do not "
                    + "come back: \(use.usedDays) of \(counted(use.termDays, "day")) are used.")
        }
        if paid.coupon > .zero {
            losses.append(
                "The \(paid.coupon.shortDescription) USD that a coupon paid for order \(id) are lost: coupons are not "
                    + "refunded.")
        }
        return losses
    }
}

private func counted(_ count: UInt32, _ noun: String) -> String { count == 1 ? "1 \(noun)" : "\(count) \(noun)s" }
