import BillingCore

/// What an account buys in advance. Its price is locked when it is placed (domain 8.2).
struct Order: Hashable, Sendable {
    /// The raw values of these are stored and are those of the wire.
    enum Kind: Int, CaseIterable, Hashable, Sendable {
        /// Creates a group when it is paid.
        case new = 1
        /// Makes a pay-as-you-go group a subscribed one when it is paid.
        case switching = 2
        /// Extends a subscription when it is paid (domain 5.3).
        case renewal = 3
    }

    enum Status: Int, CaseIterable, Hashable, Sendable {
        case unpaid = 1
        case paid = 2
        case cancelled = 3
    }

    enum CancellationCause: Int, CaseIterable, Hashable, Sendable {
        case owner = 1
        case timedOut = 2
        case groupReleased = 3
    }

    enum PaymentMethod: Int, CaseIterable, Hashable, Sendable {
        case balance = 1
        case online = 2
    }

    struct Payment: Hashable, Sendable {
        var at: Timestamp
        var method: PaymentMethod
        /// Empty when paid from the balance.
        var paymentID: String
        var term: Period
        var parts: PaymentParts
    }

    enum State: Hashable, Sendable {
        /// Can become paid, or cancelled by the owner, at the deadline or with its group.
        case unpaid
        case paid(Payment)
        case cancelled(at: Timestamp, CancellationCause)

        var status: Status {
            switch self {
            case .unpaid: .unpaid
            case .paid: .paid
            case .cancelled: .cancelled
            }
        }
    }

    let id: OrderID
    let account: AccountID
    let kind: Kind
    let groupID: GroupID
    let offer: OrderOffer
    /// Of the group that a new order creates; empty for a switch.
    let name: String
    let network: String
    /// Of a new or switch order: whether the subscription renews itself, for how many months; `nil`: it does not.
    let autoRenewal: AutoRenewal?
    /// Whether an auto-renewal placed it.
    let isAutomatic: Bool
    let placedAt: Timestamp
    private(set) var state = State.unpaid
    /// What was given back of the price so far.
    private(set) var refunded = Money.zero
    /// When it was last given back; `nil` when nothing was.
    private(set) var refundedAt: Timestamp?

    /// How long an order may stay unpaid (domain 8.2).
    static let paymentMilliseconds: Int64 = 24 * .millisecondsPerHour

    var deadlineAt: Timestamp { placedAt.adding(milliseconds: Order.paymentMilliseconds) }

    init(
        id: OrderID, account: AccountID, kind: Kind, groupID: GroupID, offer: OrderOffer, name: String,
        network: String, placedAt: Timestamp, autoRenewal: AutoRenewal? = nil, isAutomatic: Bool = false,
        state: State = .unpaid, refunded: Money = .zero, refundedAt: Timestamp? = nil
    ) {
        self.id = id
        self.account = account
        self.kind = kind
        self.groupID = groupID
        self.offer = offer
        self.name = name
        self.network = network
        self.autoRenewal = autoRenewal
        self.isAutomatic = isAutomatic
        self.placedAt = placedAt
        self.state = state
        self.refunded = refunded
        self.refundedAt = refundedAt
    }

    /// Whether it cannot be paid while another order is unpaid: an automatic one while that is of the same group, any other
    /// one in any case (domain 5.5, 6.1).
    func isBlocked(by unpaid: Order) -> Bool {
        unpaid.id != id && (!isAutomatic || unpaid.groupID == groupID)
    }

    /// What can still be given back: cash paid less what was (M6). Nothing of an order that is not paid.
    var refundable: Money {
        switch state {
        case .paid(let payment): payment.parts.cash - refunded
        case .unpaid, .cancelled: .zero
        }
    }

    /// What paid it; `nil` for an order that is not paid.
    var paidParts: PaymentParts? {
        switch state {
        case .paid(let payment): payment.parts
        case .unpaid, .cancelled: nil
        }
    }

    /// Moves along an edge of the state machine.
    /// - Throws: `OrderError.notUnpaid`.
    mutating func apply(_ event: OrderEvent) throws(OrderError) {
        state = try OrderStateMachine.next(state, event, of: self)
    }

    /// Notes that the coupon is given back that alone paid the order, which is done once.
    /// - Throws: `OrderError.refundTooLarge`.
    mutating func noteCouponRestored(at instant: Timestamp) throws(OrderError) {
        guard refundedAt == nil else { throw .refundTooLarge(order: id.text, amount: .zero, left: .zero) }
        refundedAt = instant
    }

    /// Notes that `amount` is given back.
    /// - Throws: `OrderError.refundTooLarge`.
    mutating func refund(_ amount: Money, at instant: Timestamp) throws(OrderError) {
        guard amount > .zero, amount <= refundable else {
            throw .refundTooLarge(order: id.text, amount: amount, left: refundable)
        }
        refunded += amount
        refundedAt = instant
    }
}

/// How a subscription renews itself (domain 5.5).
struct AutoRenewal: Hashable, Sendable {
    /// 0: as many as were bought last.
    var months: Int
}

/// What paid an order: the three sum to its price.
struct PaymentParts: Hashable, Sendable {
    var balance = Money.zero
    var online = Money.zero
    /// At most one coupon (domain 3.2).
    var couponID: CouponID?
    var coupon = Money.zero

    /// What comes back at most (domain 7.2): coupons are never refunded.
    var cash: Money { balance + online }
    var total: Money { balance + online + coupon }
}

/// Where a renewal begins, as the metering service told it (domain 5.3).
struct RenewalBasis: Hashable, Sendable {
    var paidThrough: Timestamp
    var chain: TermChain

    /// The term that a renewal of `months` buys when it is paid at `instant`.
    func term(months: Int, paidAt instant: Timestamp) -> Period {
        chain.renewal(months: months, paidAt: instant, paidThrough: paidThrough).term
    }
}

enum OrderEvent: Hashable, Sendable {
    case paymentReceived(Order.Payment)
    case cancelled(at: Timestamp, Order.CancellationCause)
}

/// unpaid -> paid | cancelled; both are final (domain 8.1).
enum OrderStateMachine {
    /// - Throws: `OrderError.notUnpaid` for every event but the first; also for a payment, or a cancellation by the
    ///   owner, at or after the deadline, which cancels the order before any call of its instant (domain 10).
    static func next(_ state: Order.State, _ event: OrderEvent, of order: Order) throws(OrderError) -> Order.State {
        switch (state, event) {
        case (.unpaid, .paymentReceived(let payment)):
            try requireBeforeDeadline(order, payment.at)
            return .paid(payment)
        case (.unpaid, .cancelled(let instant, .owner)):
            try requireBeforeDeadline(order, instant)
            return .cancelled(at: instant, .owner)
        case (.unpaid, .cancelled(let instant, let cause)):
            return .cancelled(at: instant, cause)
        case (.paid, .paymentReceived), (.paid, .cancelled):
            throw .notUnpaid(order: order.id.text, is: "paid")
        case (.cancelled(_, let cause), .paymentReceived), (.cancelled(_, let cause), .cancelled):
            throw .notUnpaid(order: order.id.text, is: cause.phrase)
        }
    }

    private static func requireBeforeDeadline(_ order: Order, _ instant: Timestamp) throws(OrderError) {
        guard instant < order.deadlineAt else {
            throw .notUnpaid(order: order.id.text, is: Order.CancellationCause.timedOut.phrase)
        }
    }
}

extension Order.CancellationCause {
    /// For a person.
    var phrase: String {
        switch self {
        case .owner: "cancelled"
        case .timedOut: "cancelled (timed out)"
        case .groupReleased: "cancelled (its group was released)"
        }
    }
}

/// What is bought and for how much, as the pricing service quoted it.
struct OrderOffer: Hashable, Sendable {
    let specification: String
    let region: String
    let instances: Int
    let months: Int
    let priceListVersion: Int
    /// The list price of all instances for all months, before discount and rounding, in nano-dollars.
    let listNanos: Int64
    let monthly: UnitPrice
    /// The list price rounded to the cent.
    let gross: Money
    let discount: Money
    /// What the order costs.
    let total: Money

    /// - Throws: `OrderError.quoteMalformed` naming what no quote of the pricing service says. The sums are checked
    ///   against each other, so that a price garbled on its way is never locked.
    init(
        specification: String, region: String, instances: Int, months: Int, priceListVersion: Int, listNanos: Int64,
        monthly: UnitPrice, gross: Money, discount: Money, total: Money
    ) throws(OrderError) {
        func check(_ holds: Bool, _ field: String, _ value: String, _ why: String) throws(OrderError) {
            guard holds else { throw .quoteMalformed(field: "quote." + field, value: value, why: why) }
        }
        try check(!specification.isEmpty, "specification", specification, "is missing")
        try check(!region.isEmpty, "region", region, "is missing")
        try check((1...100).contains(instances), "instances", String(instances), "is not 1 to 100")
        try check([1, 2, 3, 6, 12].contains(months), "months", String(months), "is not 1, 2, 3, 6 or 12")
        try check(priceListVersion > 0, "price_list_version", String(priceListVersion), "is no version")
        try check(monthly.nanos > 0, "monthly_nanos", String(monthly.nanos), "is not positive")
        let list = Int128(monthly.nanos) * Int128(instances) * Int128(months)
        try check(
            list == Int128(listNanos), "list_nanos", String(listNanos), "is not the monthly price x instances x months")
        let cents = Money(micros: Rounding.halfUp.divide(list, by: 10_000_000) * Money.microsPerCent)
        try check(gross == cents, "gross_micros", String(gross.micros), "is not the list price rounded to the cent")
        try check(
            discount >= .zero && discount <= gross, "discount_micros", String(discount.micros),
            "is not within the price")
        try check(total == gross - discount, "total_micros", String(total.micros), "is not gross less discount")
        try check(
            total > .zero && total <= .largestInput, "total_micros", String(total.micros),
            "is not between 0 and 1000000000 USD")
        self.specification = specification
        self.region = region
        self.instances = instances
        self.months = months
        self.priceListVersion = priceListVersion
        self.listNanos = listNanos
        self.monthly = monthly
        self.gross = gross
        self.discount = discount
        self.total = total
    }
}
