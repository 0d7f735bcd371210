import BillingCore

/// How an order was paid, which is the way its money goes back (domain 7.5).
enum PaymentWay: Int64, Hashable, Sendable {
    case balance = 1
    case online = 2
}

/// One effective order of a group: what was paid for it, and how much of that is used up.
struct RefundedOrder: Hashable, Sendable {
    let id: String
    let cashPaid: Money
    let way: PaymentWay
    let consumed: Money
    let usedDays: UInt32
    let termDays: UInt32
    let termEnd: Timestamp

    /// Never less than nothing, never more than was paid (domain 7.2).
    var refund: Money { max(.zero, cashPaid - consumed) }
}

/// What unsubscribing a group at an instant gives back, and what is lost (domain 7.7).
struct RefundQuote: Hashable, Sendable {
    let groupID: String
    let instances: UInt32
    /// T, the instant of unsubscription.
    let at: Timestamp
    let orders: [RefundedOrder]

    /// - Throws: `RefundError.zero` when nothing would come back.
    init(_ group: SubscribedGroup, at instant: Timestamp, orders: [RefundedOrder]) throws(RefundError) {
        groupID = group.id
        instances = group.instances
        at = instant
        self.orders = orders
        guard amount > .zero else { throw .zero(group: group.id) }
    }

    var amount: Money { toBalance + online }
    var toBalance: Money { sum(.balance) }
    /// Goes to the online payments it came from; pending until confirmed.
    var online: Money { sum(.online) }
    var token: RefundToken { RefundToken(self) }

    /// The act confirms what its owner was told.
    /// - Throws: `RefundError.tokenMalformed`, or `.quoteChanged` when the amount, the orders or the group are others.
    func requireConfirmed(by text: String) throws(RefundError) {
        let given = try RefundToken(text)
        guard given == token else { throw .quoteChanged(quoted: given.amount, now: amount) }
    }

    /// What is lost, a sentence each.
    var losses: [String] {
        orders.flatMap(\.losses) + [
            "All data of the \(counted(instances, "cloud phone")) of group \(groupID) is deleted and cannot be "
                + "recovered."
        ]
    }

    private func sum(_ way: PaymentWay) -> Money {
        orders.filter { $0.way == way }.map(\.refund).reduce(.zero, +)
    }
}

extension RefundedOrder {
    fileprivate var losses: [String] {
        let kept = cashPaid - refund
        var losses: [String] = []
        if termDays > usedDays {
            losses.append(
                "The remaining \(counted(termDays - usedDays, "day")) of the term to "
                    + "\(BillingCalendar.format(termEnd)) are given up.")
        }
        if kept > .zero {
            losses.append(
                "\(kept.shortDescription) USD of the \(cashPaid.shortDescription) USD paid for order \(id) do not come "
                    + "back: \(usedDays) of \(counted(termDays, "day")) are used.")
        }
        return losses
    }
}

private func counted(_ count: UInt32, _ noun: String) -> String { count == 1 ? "1 \(noun)" : "\(count) \(noun)s" }
