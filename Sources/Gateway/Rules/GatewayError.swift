package import BillingCore

/// What the gateway itself refuses; everything else is the owner's word.
package enum GatewayError: BillingError, Hashable {
    case keyMissing
    case keyReused(String)
    /// Only whole groups are unsubscribed (domain 7.1).
    case partialInstances([String])
    case partialQuantity(UInt32)
    case tokenMissing
    case paymentMethodReference(String)
    /// Only an order that waits for its payment is paid.
    case orderNotUnpaid(String)
    case orderKindNotPayable(String)
    /// An order names its term.
    case durationMissing
    case groupNotActive(String, status: String)
    case groupNotPayAsYouGo(String)
    case groupNotSubscription(String)
    /// Only an active or expired subscription is renewed.
    case groupNotRenewable(String, status: String)
    /// With `without_coupon` no coupon is named.
    case couponNamedAndDeclined(String)
    /// Only beside an online payment a part is taken from the balance.
    case balancePart(Money)
    case accountOverdue(outstanding: Money)
    /// Another saga holds the group; redo the operation when it ended.
    case groupLocked(String, by: String)
    /// The saga was given up since its services did not answer in time; nothing happened.
    case sagaGivenUp(String, lastError: String)
    /// The saga goes on; ask again with the same key.
    case sagaUnderWay(String, step: String)
    /// This process stops; ask again with the same key.
    case sagaLeft(String)
    case sagaNotFound(String)
    case sagaFinished(String)

    package var status: Status {
        switch self {
        case .keyMissing, .partialInstances, .partialQuantity, .tokenMissing, .paymentMethodReference,
            .durationMissing, .couponNamedAndDeclined, .balancePart:
            .invalidArgument
        case .orderKindNotPayable: .unimplemented
        case .orderNotUnpaid, .keyReused, .groupNotActive, .groupNotPayAsYouGo, .groupNotSubscription,
            .groupNotRenewable, .accountOverdue, .sagaFinished:
            .failedPrecondition
        case .groupLocked, .sagaGivenUp: .aborted
        case .sagaUnderWay: .deadlineExceeded
        case .sagaLeft: .unavailable
        case .sagaNotFound: .notFound
        }
    }

    package var reason: String {
        switch self {
        case .keyMissing: "call.key_missing"
        case .keyReused: "call.key_reused"
        case .partialInstances, .partialQuantity: "refund.partial"
        case .tokenMissing: "refund.token_missing"
        case .paymentMethodReference: "payment.reference"
        case .orderNotUnpaid: "order.not_unpaid"
        case .orderKindNotPayable: "order.kind"
        case .durationMissing: "price.unknown_duration"
        // As the metering service names the states that something can be done about.
        case .groupNotActive(_, let status), .groupNotRenewable(_, let status):
            switch status {
            case "overdue": "group.overdue"
            case "expired": "group.expired"
            default: "group.not_active"
            }
        case .groupNotPayAsYouGo: "group.not_pay_as_you_go"
        case .groupNotSubscription: "group.not_subscription"
        case .couponNamedAndDeclined: "payment.coupon_choice"
        case .balancePart: "payment.balance_part"
        case .accountOverdue: "account.overdue"
        case .groupLocked: "group.locked"
        case .sagaGivenUp: "saga.given_up"
        case .sagaUnderWay: "saga.under_way"
        case .sagaLeft: "saga.left"
        case .sagaNotFound: "saga.not_found"
        case .sagaFinished: "saga.finished"
        }
    }

    package var message: String {
        switch self {
        case .keyMissing: "This method changes something, so it needs an idempotency key."
        case .keyReused(let key): "The key \(key) was used for another request; a new operation takes a new key."
        case .partialInstances(let ids):
            "Only a whole instance group can be unsubscribed, but the request names \(ids.count) instances. Leave "
                + "them out to unsubscribe the group with all of them."
        case .partialQuantity(let quantity):
            "Only a whole instance group can be unsubscribed, but the request names a quantity (\(quantity)). Leave it "
                + "out to unsubscribe the group with all its instances."
        case .tokenMissing:
            "Unsubscribing needs the token of a refund quote, as the confirmation that its owner saw what is lost."
        case .paymentMethodReference(let text): text
        case .orderNotUnpaid(let order): "The order \(order) was paid or cancelled before; it cannot be paid."
        case .orderKindNotPayable(let order): "The order \(order) is of a kind that this version cannot pay."
        case .durationMissing: "A subscription lasts 1, 2, 3, 6 or 12 months; the request names 0."
        case .groupNotActive(let group, let status):
            "The group \(group) is \(status); only an active group can do that."
        case .groupNotPayAsYouGo(let group):
            "The group \(group) is a subscription already; only a pay-as-you-go group is switched."
        case .groupNotSubscription(let group):
            "The group \(group) is billed as it is used; only a subscription is renewed. Switch it to one first."
        case .groupNotRenewable(let group, let status):
            "The group \(group) is \(status); only an active or expired subscription is renewed."
        case .couponNamedAndDeclined(let coupon):
            "The request names coupon \(coupon) and asks for a payment without a coupon; do one of the two."
        case .balancePart(let part):
            "A payment from the balance takes all from there, so the request's balance part of "
                + "\(part.shortDescription) USD says nothing; leave it out, or pay the rest online."
        case .accountOverdue(let outstanding):
            "The account owes \(outstanding.shortDescription) USD; it buys again when that is paid."
        case .groupLocked(let group, let saga):
            "Another operation (\(saga)) is at work on group \(group); do this again when it ended."
        case .sagaGivenUp(let saga, let lastError):
            "The operation \(saga) was given up and undone since a service did not answer in time (\(lastError)). "
                + "Nothing happened; try it again."
        case .sagaUnderWay(let saga, let step):
            "The operation \(saga) is at step \(step) and goes on; ask again with the same key."
        case .sagaLeft(let saga):
            "The operation \(saga) goes on when the gateway runs again; ask again with the same key."
        case .sagaNotFound(let saga): "There is no saga '\(saga)'."
        case .sagaFinished(let saga): "The saga \(saga) has ended; there is nothing to retry."
        }
    }

    package var field: String {
        switch self {
        case .keyMissing, .keyReused: "key"
        case .partialInstances: "instance_ids"
        case .partialQuantity: "quantity"
        case .tokenMissing: "token"
        case .paymentMethodReference: "reference"
        case .orderNotUnpaid, .orderKindNotPayable: "order_id"
        case .durationMissing: "months"
        case .groupNotActive, .groupNotPayAsYouGo, .groupNotSubscription, .groupNotRenewable, .groupLocked: "group_id"
        case .couponNamedAndDeclined: "coupon_id"
        case .balancePart: "balance_micros"
        case .sagaUnderWay, .sagaLeft, .sagaGivenUp, .sagaNotFound, .sagaFinished: "saga_id"
        case .accountOverdue: ""
        }
    }

    package var value: String {
        switch self {
        case .keyMissing, .tokenMissing, .paymentMethodReference: ""
        case .keyReused(let key): key
        case .orderNotUnpaid(let order), .orderKindNotPayable(let order): order
        case .durationMissing: "0"
        case .partialInstances(let ids): ids.joined(separator: ",")
        case .partialQuantity(let quantity): String(quantity)
        case .groupNotActive(let group, _), .groupNotPayAsYouGo(let group), .groupNotSubscription(let group),
            .groupNotRenewable(let group, _), .groupLocked(let group, _):
            group
        case .couponNamedAndDeclined(let coupon): coupon
        case .balancePart(let part): String(part.micros)
        case .accountOverdue(let outstanding): outstanding.description
        case .sagaGivenUp(let saga, _), .sagaUnderWay(let saga, _), .sagaLeft(let saga), .sagaNotFound(let saga),
            .sagaFinished(let saga):
            saga
        }
    }
}
