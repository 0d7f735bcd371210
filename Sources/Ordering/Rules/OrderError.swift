import BillingCore

/// What the order service refuses, and why. Each case says what to change before a new attempt.
enum OrderError: BillingError, Hashable {
    case accountNotFound(String)
    case accountNameMalformed(String)
    /// Bills are outstanding: a top-up of that much comes first (domain 4.2).
    case accountOverdue(outstanding: Money)
    /// An instant more than 5 s before the latest one of the account (design 2.2).
    case orderNotFound(String)
    /// One of these orders is to be paid or cancelled first (domain 6.1).
    case unpaidOrders([String])
    /// Only an unpaid order can be paid or cancelled (domain 8.1).
    case notUnpaid(order: String, is: String)
    case insufficientBalance(price: Money, balance: Money)
    /// What is bought, or its price, is none that the pricing service quotes.
    case quoteMalformed(field: String, value: String, why: String)
    case paymentMethodMissing
    case referenceMalformed(String)
    /// An external reference names one payment for ever (domain 3.5).
    case referenceUsed(String)
    case paymentNotFound(String)
    case paymentNotPending(reference: String, is: String)
    /// Only a confirmed payment that is not used yet pays its order or is returned.
    case paymentNotConfirmed(payment: String, is: String)
    /// The payment is of another order, or of another amount than the price.
    case paymentMismatch(payment: String, order: String)
    case refundNotFound(String)
    /// More would be given back than was paid and not yet given back (M6).
    case refundTooLarge(order: String, amount: Money, left: Money)
    case refundMalformed(field: String, value: String, why: String)
    case refundNotOnline(String)
    case refundConfirmed(String)
    case usageMalformed(field: String, value: String, why: String)
    /// A line that was posted is sent again with another content. Nothing is posted; somebody has to look.
    case usageChanged(resource: String, start: Timestamp)
    case stepMissing
    case adjustmentMalformed(field: String, value: String, why: String)
    /// A correction charges no more than the balance.
    case adjustmentTooLarge(Money, balance: Money)
    case throughMalformed(Int64)
    /// A coupon and the part from the balance pay the whole order.
    case nothingToPay(order: String)
    case balancePartMalformed(Money)
    /// The account is not overdue since that instant (any more): nothing is released (O1).
    case notOverdueSince(Timestamp)
    case lineNotFound(String)

    var status: Status {
        switch self {
        case .accountNotFound, .orderNotFound, .paymentNotFound, .refundNotFound, .lineNotFound: .notFound
        case .accountNameMalformed, .quoteMalformed, .paymentMethodMissing, .referenceMalformed, .refundMalformed,
            .usageMalformed, .stepMissing, .adjustmentMalformed, .throughMalformed, .balancePartMalformed:
            .invalidArgument
        // The same operation stamped later may well succeed.
        case .accountOverdue, .unpaidOrders, .notUnpaid, .insufficientBalance, .paymentNotPending,
            .paymentNotConfirmed, .paymentMismatch, .refundTooLarge, .refundNotOnline, .refundConfirmed,
            .adjustmentTooLarge, .nothingToPay, .notOverdueSince:
            .failedPrecondition
        case .referenceUsed: .alreadyExists
        case .usageChanged: .internalError
        }
    }

    var reason: String {
        switch self {
        case .accountNotFound: "account.not_found"
        case .accountNameMalformed: "account.name_malformed"
        case .accountOverdue: "account.overdue"
        case .orderNotFound: "order.not_found"
        case .unpaidOrders: "order.unpaid_orders"
        case .notUnpaid: "order.not_unpaid"
        case .insufficientBalance: "order.insufficient_balance"
        case .quoteMalformed: "order.quote_malformed"
        case .paymentMethodMissing: "order.payment_method_missing"
        case .referenceMalformed: "payment.reference_malformed"
        case .referenceUsed: "payment.reference_used"
        case .paymentNotFound: "payment.not_found"
        case .paymentNotPending: "payment.not_pending"
        case .paymentNotConfirmed: "payment.not_confirmed"
        case .paymentMismatch: "payment.mismatch"
        case .refundNotFound: "refund.not_found"
        case .refundTooLarge: "refund.too_large"
        case .refundMalformed: "refund.malformed"
        case .refundNotOnline: "refund.not_online"
        case .refundConfirmed: "refund.confirmed"
        case .usageMalformed: "usage.malformed"
        case .usageChanged: "usage.changed"
        case .stepMissing: "saga.step_missing"
        case .adjustmentMalformed: "adjustment.malformed"
        case .adjustmentTooLarge: "account.insufficient_balance"
        case .throughMalformed: "clock.out_of_range"
        case .nothingToPay: "payment.nothing_to_pay"
        case .balancePartMalformed: "payment.balance_part"
        case .notOverdueSince: "account.not_overdue"
        case .lineNotFound: "bill.line_not_found"
        }
    }

    var message: String {
        switch self {
        case .accountNotFound(let account): "There is no account '\(account)'."
        case .accountNameMalformed(let name):
            "'\(name)' is no name for an account; one has 1 to 100 characters, none of them a control character."
        case .accountOverdue(let outstanding):
            "\(outstanding.shortDescription) USD of bills are outstanding; top up that much first."
        case .orderNotFound(let order): "There is no order '\(order)' in this account."
        case .unpaidOrders(let orders):
            orders.count == 1
                ? "Order \(orders[0]) is unpaid; pay or cancel it first."
                : "Orders \(orders.joined(separator: ", ")) are unpaid; pay or cancel them first."
        case .notUnpaid(let order, let status): "Order \(order) is \(status); only an unpaid one can change."
        case .insufficientBalance(let price, let balance):
            "The order costs \(price.shortDescription) USD and the balance is \(balance.shortDescription) USD; "
                + "top up first, or pay online."
        case .quoteMalformed(let field, let value, let why): "\(field) '\(value)' of the order \(why)."
        case .paymentMethodMissing: "Say whether the order is paid from the balance or online."
        case .referenceMalformed(let reference):
            "'\(reference)' is no reference; one has 1 to 128 characters, none of them a control character."
        case .referenceUsed(let reference):
            "A payment with the reference '\(reference)' exists already; each payment has its own."
        case .paymentNotFound(let payment): "There is no payment '\(payment)'."
        case .paymentNotPending(let reference, let status):
            "The payment '\(reference)' is \(status); only a pending one can be confirmed."
        case .paymentNotConfirmed(let payment, let status):
            "Payment \(payment) is \(status); this needs a confirmed one that is not used yet."
        case .paymentMismatch(let payment, let order):
            "Payment \(payment) is not the payment of order \(order), or its amount is not the price."
        case .refundNotFound(let refund): "There is no refund '\(refund)'."
        case .refundTooLarge(let order, let amount, let left):
            "\(amount.shortDescription) USD cannot be given back for order \(order): of what was paid, "
                + "\(left.shortDescription) USD is left."
        case .refundMalformed(let field, let value, let why): "\(field) '\(value)' of the refund \(why)."
        case .refundNotOnline(let refund): "Refund \(refund) went to the balance; there is nothing to confirm."
        case .refundConfirmed(let refund): "Refund \(refund) is confirmed already."
        case .usageMalformed(let field, let value, let why): "\(field) '\(value)' of the usage \(why)."
        case .usageChanged(let resource, let start):
            "The usage of '\(resource)' from \(start) was posted before with another content; nothing was posted now."
        case .stepMissing: "This method is a step of a saga; the request has to name it."
        case .adjustmentMalformed(let field, let value, let why): "\(field) '\(value)' of the adjustment \(why)."
        case .adjustmentTooLarge(let amount, let balance):
            "The balance of \(balance.shortDescription) USD does not cover a charge of \(amount.shortDescription) USD; "
                + "charge less, or have the account topped up first."
        case .throughMalformed(let milliseconds): "\(milliseconds) is no instant of the billing calendar."
        case .nothingToPay(let order):
            "Nothing of order \(order) is left to pay online after its coupon and the part from the balance; pay it from "
                + "the balance."
        case .balancePartMalformed(let part):
            "A part of \(part.shortDescription) USD cannot be taken from the balance; name 0 or more."
        case .lineNotFound(let line): "There is no bill line '\(line)' in this account."
        case .notOverdueSince(let instant):
            "The account is not overdue since \(BillingCalendar.format(instant)) any more; nothing is released."
        }
    }

    var field: String {
        switch self {
        case .accountNotFound: "account"
        case .accountNameMalformed: "name"
        case .orderNotFound, .notUnpaid: "order_id"
        case .paymentMethodMissing: "payment_method"
        case .referenceMalformed, .referenceUsed, .paymentNotPending: "reference"
        case .paymentNotConfirmed, .paymentMismatch: "payment_id"
        case .refundNotFound, .refundNotOnline, .refundConfirmed: "refund_id"
        case .quoteMalformed(let field, _, _), .refundMalformed(let field, _, _), .usageMalformed(let field, _, _):
            field
        case .stepMissing: "step"
        case .adjustmentMalformed(let field, _, _): field
        case .throughMalformed: "through"
        case .balancePartMalformed: "balance_micros"
        case .notOverdueSince: "overdue_at"
        case .lineNotFound: "line_id"
        case .adjustmentTooLarge: "amount_micros"
        case .nothingToPay: "order_id"
        case .accountOverdue, .unpaidOrders, .insufficientBalance, .paymentNotFound, .refundTooLarge,
            .usageChanged:
            ""
        }
    }

    var value: String {
        switch self {
        case .accountNotFound(let text), .accountNameMalformed(let text), .orderNotFound(let text),
            .notUnpaid(let text, _), .referenceMalformed(let text), .referenceUsed(let text),
            .paymentNotFound(let text), .paymentNotPending(let text, _), .paymentNotConfirmed(let text, _),
            .paymentMismatch(let text, _), .refundNotFound(let text), .refundNotOnline(let text),
            .refundConfirmed(let text), .quoteMalformed(_, let text, _), .refundMalformed(_, let text, _),
            .usageMalformed(_, let text, _), .usageChanged(let text, _):
            text
        case .accountOverdue(let outstanding): outstanding.description
        case .unpaidOrders(let orders): orders.joined(separator: ",")
        case .insufficientBalance(let price, _): price.description
        case .refundTooLarge(_, let amount, _): amount.description
        case .paymentMethodMissing, .stepMissing: ""
        case .adjustmentMalformed(_, let value, _), .nothingToPay(let value), .lineNotFound(let value): value
        case .adjustmentTooLarge(let amount, _), .balancePartMalformed(let amount): amount.description
        case .throughMalformed(let milliseconds): String(milliseconds)
        case .notOverdueSince(let instant): instant.description
        }
    }
}
