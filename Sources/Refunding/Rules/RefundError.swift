import BillingCore

/// What the refund service refuses, and what to do about it.
enum RefundError: BillingError, Hashable {
    /// Nothing was paid in advance, so nothing comes back; such a group is released.
    case payAsYouGo(group: String)
    /// The term is over (domain 7.6).
    case expired(group: String, at: Timestamp)
    case notActive(group: String, is: SubscribedGroup.State)
    /// Pay or cancel these orders first.
    case unpaidOrders([String], group: String)
    /// All that was paid is used up (domain 7.6).
    case zero(group: String)
    /// A coupon alone paid the renewal.
    case zeroRenewal(order: String)
    /// Nothing is bought beyond the current term.
    case noPendingRenewal(group: String)
    /// The amount is not the one that was told: ask for a new quote (domain 7.7).
    case quoteChanged(quoted: Money, now: Money)
    case tokenMalformed(String)
    /// Also for a refund of another account.
    case notFound(String)
    /// Also for a group of another account.
    case groupNotFound(String)
    case groupMissing
    /// Another refund of the group is under way or done.
    case groupHasRefund(group: String, refund: String)
    /// Another refund of the renewal is under way or done.
    case orderHasRefund(group: String, refund: String)
    /// The refund's id is taken by another one.
    case identifierTaken(String)
    case outOfTurn(refund: String, is: Refund.State, Refund.Event)
    case notPosted(String, is: Refund.State)
    case notOnline(String)
    case confirmed(String)
    /// Another service answered what it never should; its log and ours have to be looked at.
    case unusableAnswer(String)
    case stepMissing

    var status: Status {
        switch self {
        case .payAsYouGo, .expired, .notActive, .unpaidOrders, .zero, .zeroRenewal, .noPendingRenewal,
            .quoteChanged, .groupHasRefund, .orderHasRefund, .outOfTurn, .notPosted, .notOnline, .confirmed:
            .failedPrecondition
        case .tokenMalformed, .groupMissing, .stepMissing: .invalidArgument
        case .notFound, .groupNotFound: .notFound
        case .identifierTaken: .alreadyExists
        case .unusableAnswer: .internalError
        }
    }

    var reason: String {
        switch self {
        case .payAsYouGo: "refund.pay_as_you_go"
        case .expired: "refund.expired"
        case .notActive: "refund.not_active"
        case .unpaidOrders: "refund.unpaid_order"
        case .zero, .zeroRenewal: "refund.zero"
        case .noPendingRenewal: "refund.no_pending_renewal"
        case .quoteChanged: "refund.quote_changed"
        case .tokenMalformed: "refund.token_malformed"
        case .notFound: "refund.not_found"
        case .groupNotFound: "group.not_found"
        case .groupMissing: "refund.group_missing"
        case .groupHasRefund, .orderHasRefund: "refund.already_open"
        case .identifierTaken: "refund.identifier_taken"
        case .outOfTurn: "refund.out_of_turn"
        case .notPosted: "refund.not_posted"
        case .notOnline: "refund.not_online"
        case .confirmed: "refund.confirmed"
        case .unusableAnswer: "refund.unusable_answer"
        case .stepMissing: "saga.step_missing"
        }
    }

    var message: String {
        switch self {
        case .payAsYouGo(let group):
            "Group '\(group)' is billed pay-as-you-go, so there is nothing to refund; release it instead."
        case .expired(let group, let end):
            "The subscription of group '\(group)' expired at \(BillingCalendar.format(end)), and nothing of it is left "
                + "to refund."
        case .notActive(let group, let state):
            "Group '\(group)' is \(state.rawValue); only an active group can be unsubscribed."
        case .unpaidOrders(let orders, let group):
            "Group '\(group)' has an unpaid order, \(orders.joined(separator: ", ")); pay or cancel it first."
        case .zero(let group):
            "Unsubscribing group '\(group)' would refund 0.00 USD; keep it until its term ends."
        case .zeroRenewal(let order):
            "Cancelling renewal '\(order)' would refund 0.00 USD, as a coupon paid all of it; let it be."
        case .noPendingRenewal(let group):
            "Group '\(group)' has no pending renewal; only a renewal whose term has not begun can be cancelled by itself."
        case .quoteChanged(let quoted, let now):
            quoted == now
                ? "The token confirms \(quoted.shortDescription) USD of another group or order; ask for a quote of this "
                    + "one and confirm that."
                : "The quote was of \(quoted.shortDescription) USD, and by now \(now.shortDescription) USD would come "
                    + "back; ask for a new quote and confirm that."
        case .tokenMalformed(let text):
            "'\(text)' is no token of a refund quote; ask for a quote first and send the token that comes with it."
        case .notFound(let id): "There is no refund '\(id)'."
        case .groupNotFound(let id): "There is no group '\(id)'."
        case .groupMissing: "This method needs the group that is to be unsubscribed."
        case .groupHasRefund(let group, let refund): "Group '\(group)' is given back already, by refund \(refund)."
        case .orderHasRefund(let group, let refund):
            "The last renewal of group '\(group)' is given back already, by refund \(refund)."
        case .identifierTaken(let id): "There is another refund '\(id)'; a new one takes a new id."
        case .outOfTurn(let refund, let state, let event):
            "Refund '\(refund)' is \(state), so it cannot become \(event.rawValue)."
        case .notPosted(let refund, let state): "Refund '\(refund)' is \(state); its money is not on its way."
        case .notOnline(let refund): "Refund '\(refund)' went to the balance at once; there is nothing to confirm."
        case .confirmed(let refund): "Refund '\(refund)' was confirmed before."
        case .unusableAnswer(let detail): "Another service gave an answer that cannot be used: \(detail)."
        case .stepMissing: "This method is a step of a saga; the request has to name it."
        }
    }

    var field: String {
        switch self {
        case .payAsYouGo, .expired, .notActive, .zero, .zeroRenewal, .noPendingRenewal, .groupNotFound,
            .groupMissing, .groupHasRefund, .orderHasRefund:
            "group"
        case .quoteChanged, .tokenMalformed: "token"
        case .notFound, .identifierTaken, .outOfTurn, .notPosted, .notOnline, .confirmed: "refund_id"
        // The orders are no field of a request.
        case .unpaidOrders, .unusableAnswer: ""
        case .stepMissing: "step"
        }
    }

    var value: String {
        switch self {
        case .payAsYouGo(let text), .expired(let text, _), .notActive(let text, _), .zero(let text),
            .zeroRenewal(let text), .noPendingRenewal(let text), .orderHasRefund(let text, _),
            .tokenMalformed(let text), .notFound(let text), .groupNotFound(let text), .groupHasRefund(let text, _),
            .identifierTaken(let text), .outOfTurn(let text, _, _), .notPosted(let text, _), .notOnline(let text),
            .confirmed(let text), .unusableAnswer(let text):
            text
        case .unpaidOrders(let orders, _): orders.joined(separator: ", ")
        case .quoteChanged(let quoted, _): quoted.description
        case .groupMissing, .stepMissing: ""
        }
    }
}
