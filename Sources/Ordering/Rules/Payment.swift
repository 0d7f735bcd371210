import BillingCore

/// Online money under an external reference: of a top-up, or of an order (domain 3.5).
struct Payment: Hashable, Sendable {
    /// The raw values are stored and are those of the wire.
    enum Status: Int, CaseIterable, Hashable, Sendable {
        /// Announced; can become confirmed, or booked if it is a top-up.
        case pending = 1
        /// The money is there and waits for its order; can become booked or returned.
        case confirmed = 2
        /// Used for what it was meant for.
        case booked = 3
        case returned = 4
    }

    let id: PaymentID
    let account: AccountID
    let reference: String
    /// `nil` for a top-up.
    let orderID: OrderID?
    let amount: Money
    /// What else pays the order, fixed when the payment was registered; nothing of it is reserved.
    let balancePart: Money
    let coupon: CouponPart?
    let registeredAt: Timestamp
    private(set) var status = Status.pending
    private(set) var confirmedAt: Timestamp?

    init(
        id: PaymentID, account: AccountID, reference: String, orderID: OrderID?, amount: Money,
        balancePart: Money = .zero, coupon: CouponPart? = nil, registeredAt: Timestamp, status: Status = .pending,
        confirmedAt: Timestamp? = nil
    ) throws(OrderError) {
        guard (1...128).contains(reference.count), !reference.unicodeScalars.contains(where: isControl) else {
            throw .referenceMalformed(String(reference.prefix(128)))
        }
        self.id = id
        self.account = account
        self.reference = reference
        self.orderID = orderID
        self.amount = amount
        self.balancePart = balancePart
        self.coupon = coupon
        self.registeredAt = registeredAt
        self.status = status
        self.confirmedAt = confirmedAt
    }

    /// What pays its order in all.
    var parts: PaymentParts {
        PaymentParts(
            balance: balancePart, online: amount, couponID: coupon?.coupon, coupon: coupon?.amount ?? .zero)
    }

    /// The money came. That of a top-up is booked at once, that of an order waits for it.
    /// - Throws: `OrderError.paymentNotPending`: money is never booked twice.
    mutating func confirm(at instant: Timestamp) throws(OrderError) {
        switch status {
        case .pending:
            status = orderID == nil ? .booked : .confirmed
            confirmedAt = instant
        case .confirmed, .booked, .returned:
            throw .paymentNotPending(reference: reference, is: status.phrase)
        }
    }

    /// Its order takes it.
    /// - Throws: `OrderError.paymentNotConfirmed`; `.paymentMismatch` for another order or price.
    mutating func book(for order: Order) throws(OrderError) {
        guard orderID == order.id, parts.total == order.offer.total else {
            throw .paymentMismatch(payment: id.text, order: order.id.text)
        }
        try requireConfirmed()
        status = .booked
    }

    /// - Throws: `OrderError.paymentNotConfirmed`.
    mutating func giveBack() throws(OrderError) {
        try requireConfirmed()
        status = .returned
    }

    private func requireConfirmed() throws(OrderError) {
        switch status {
        case .confirmed: return
        case .pending, .booked, .returned: throw .paymentNotConfirmed(payment: id.text, is: status.phrase)
        }
    }
}

extension Payment.Status {
    /// For a person.
    var phrase: String {
        switch self {
        case .pending: "pending"
        case .confirmed: "confirmed"
        case .booked: "booked"
        case .returned: "returned"
        }
    }
}
