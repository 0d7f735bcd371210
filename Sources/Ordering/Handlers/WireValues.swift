import BillingAPI
import BillingCore
import RPC

extension RawRepresentable where RawValue == Int {
    /// The same value on the wire: the raw values of our enums are those of the schema, which a test checks for each.
    func wire<Value: WireEnum>(_: Value.Type = Value.self) -> Value {
        guard let value = Value(rawValue: Int32(rawValue)) else {
            preconditionFailure("\(Value.enumName) has no value \(rawValue) for \(self)")
        }
        return value
    }

    /// `nil` for a value of the schema that this service has no use for.
    init?(wire value: some WireEnum) { self.init(rawValue: Int(value.rawValue)) }
}

extension Collection where Element: WireEnum {
    /// The values as our enum; all of its cases when there are none, as a filter that is not given.
    func filter<Value: RawRepresentable<Int> & CaseIterable & Hashable>(_: Value.Type) -> Set<Value> {
        isEmpty ? Set(Value.allCases) : Set(compactMap { Value(wire: $0) })
    }
}

extension Timestamp {
    /// 0 on the wire stands for no instant.
    static func wire(_ instant: Timestamp?) -> Int64 { instant?.milliseconds ?? 0 }
}

extension OrderV1.Account {
    init(_ account: Account, unpaidOrders: Int, coupons: Money, availableCredit: Money) {
        self.init(
            accountID: account.id.text, name: account.name, openedAt: account.openedAt.milliseconds,
            balanceMicros: account.balance.micros, outstandingMicros: account.outstanding.micros,
            availableCreditMicros: availableCredit.micros, overdue: account.isOverdue,
            unpaidOrders: UInt32(unpaidOrders), lastAt: account.lastAt.milliseconds,
            overdueAt: Timestamp.wire(account.overdueAt), couponMicros: coupons.micros)
    }
}

extension OrderV1.Payment {
    init(_ payment: Payment) {
        self.init(
            paymentID: payment.id.text, accountID: payment.account.text, reference: payment.reference,
            orderID: payment.orderID?.text ?? "", amountMicros: payment.amount.micros, status: payment.status.wire(),
            registeredAt: payment.registeredAt.milliseconds, confirmedAt: Timestamp.wire(payment.confirmedAt),
            couponID: payment.coupon?.coupon.text ?? "", couponMicros: payment.coupon?.amount.micros ?? 0,
            balanceMicros: payment.balancePart.micros)
    }
}

extension OrderV1.LedgerTransaction {
    init(_ posted: PostedTransaction) {
        self.init(
            sequence: posted.sequence, at: posted.at.milliseconds, cause: posted.cause.wire(),
            reference: posted.reference,
            entries: posted.entries.map {
                OrderV1.LedgerEntry(ledgerAccount: $0.account.wire(), amountMicros: $0.amount.micros)
            }, balanceAfterMicros: posted.balanceAfter.micros, outstandingAfterMicros: posted.outstandingAfter.micros)
    }
}

extension OrderV1.Order {
    init(_ order: Order) {
        let offer = order.offer
        self.init(
            orderID: order.id.text, accountID: order.account.text, kind: order.kind.wire(),
            status: order.state.status.wire(), groupID: order.groupID.text, specification: offer.specification,
            region: offer.region, instances: UInt32(offer.instances), months: UInt32(offer.months),
            priceListVersion: UInt32(offer.priceListVersion), listNanos: offer.listNanos,
            monthlyNanos: offer.monthly.nanos, grossMicros: offer.gross.micros, discountMicros: offer.discount.micros,
            totalMicros: offer.total.micros, placedAt: order.placedAt.milliseconds,
            deadlineAt: order.deadlineAt.milliseconds, refundedMicros: order.refunded.micros, name: order.name,
            network: order.network, refundedAt: Timestamp.wire(order.refundedAt),
            autoRenewal: order.autoRenewal != nil, autoRenewalMonths: UInt32(order.autoRenewal?.months ?? 0),
            automatic: order.isAutomatic)
        switch order.state {
        case .unpaid: break
        case .paid(let payment):
            paidAt = payment.at.milliseconds
            paymentMethod = payment.method.wire()
            paymentID = payment.paymentID
            termStart = payment.term.start.milliseconds
            termEnd = payment.term.end.milliseconds
            couponID = payment.parts.couponID?.text ?? ""
            couponMicros = payment.parts.coupon.micros
            balanceMicros = payment.parts.balance.micros
            onlineMicros = payment.parts.online.micros
        case .cancelled(let instant, let cause):
            cancelledAt = instant.milliseconds
            cancellationCause = cause.wire()
        }
    }
}

extension OrderOffer {
    /// - Throws: `OrderError.quoteMalformed`.
    init(_ quote: PricingV1.QuoteReply?) throws(OrderError) {
        guard let quote else { throw .quoteMalformed(field: "quote", value: "", why: "is missing") }
        try self.init(
            specification: quote.specification, region: quote.region, instances: Int(quote.instances),
            months: Int(quote.months), priceListVersion: Int(quote.priceListVersion), listNanos: quote.listNanos,
            monthly: UnitPrice(nanos: quote.monthlyNanos), gross: Money(micros: quote.grossMicros),
            discount: Money(micros: quote.discountMicros), total: Money(micros: quote.totalMicros))
    }
}

extension OrderV1.Coupon {
    init(_ coupon: Coupon) {
        self.init(
            couponID: coupon.id.text, accountID: coupon.account.text, amountMicros: coupon.amount.micros,
            remainingMicros: coupon.remaining.micros, minimumOrderMicros: coupon.minimumOrder.micros,
            effectiveAt: coupon.validity.start.milliseconds, expiresAt: coupon.validity.end.milliseconds,
            products: coupon.products.map(\.rawValue).sorted(),
            billingMethods: coupon.methods.sorted { $0.rawValue < $1.rawValue }.map { $0.wire() },
            grantedAt: coupon.grantedAt.milliseconds, name: coupon.name)
    }
}

extension RenewalBasis {
    /// - Throws: `OrderError.quoteMalformed` for a renewal that does not say where it begins.
    init(_ basis: OrderV1.RenewalBasis?) throws(OrderError) {
        let instants = Timestamp.earliest.milliseconds...Timestamp.latest.milliseconds
        guard let basis, instants.contains(basis.paidThrough), instants.contains(basis.nominalStart),
            (1...12_000).contains(basis.nominalMonths)
        else {
            throw .quoteMalformed(
                field: "basis", value: "\(basis.map { "\($0)" } ?? "")", why: "does not say where the renewal begins")
        }
        self.init(
            paidThrough: Timestamp(milliseconds: basis.paidThrough),
            chain: TermChain(
                start: Timestamp(milliseconds: basis.nominalStart), months: Int(basis.nominalMonths)))
    }
}
