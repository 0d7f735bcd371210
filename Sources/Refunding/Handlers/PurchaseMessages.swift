import BillingAPI
import BillingCore

// What metering and order tell, as the rules know it.

extension SubscribedGroup {
    init(_ group: MeteringV1.InstanceGroup) {
        let state: State =
            switch group.status {
            case .active: .active
            case .overdue: .overdue
            case .expired: .expired
            case .released: .released
            // A group that says nothing of itself is not active either.
            case .creating, .unspecified: .creating
            }
        self.init(
            id: group.groupID, instances: group.instances, isSubscribed: group.billingMethod == .subscription,
            state: state, paidThrough: Timestamp(milliseconds: max(group.termEnd, group.paidThrough)))
    }
}

extension PaidOrder {
    /// - Throws: `RefundError.unusableAnswer` for an order that contradicts itself.
    init(_ order: OrderV1.Order) throws(RefundError) {
        let kind: Kind
        switch order.kind {
        case .new: kind = .new
        case .switch: kind = .switch
        case .renewal: kind = .renewal
        case .unspecified: throw .unusableAnswer("paid order \(order.orderID) does not say what it bought")
        }
        self.init(
            id: order.orderID, kind: kind, paidAt: Timestamp(milliseconds: order.paidAt), paid: try PaidParts(order),
            paymentID: order.paymentID, specification: order.specification, region: order.region,
            term: BoughtTerm(
                start: Timestamp(milliseconds: order.termStart), end: Timestamp(milliseconds: order.termEnd),
                months: order.months, listNanos: order.listNanos, priceListVersion: order.priceListVersion),
            isRefunded: order.refundedAt != 0 || order.refundedMicros != 0)
    }
}

extension PaidParts {
    fileprivate init(_ order: OrderV1.Order) throws(RefundError) {
        let parts = [order.couponMicros, order.balanceMicros, order.onlineMicros]
        let sum = parts.reduce(Int128(0)) { $0 + Int128($1) }
        if parts.allSatisfy({ $0 >= 0 }), sum == Int128(order.totalMicros), sum > 0 {
            self.init(
                balance: Money(micros: order.balanceMicros), online: Money(micros: order.onlineMicros),
                coupon: Money(micros: order.couponMicros))
            return
        }
        guard sum == 0, order.totalMicros >= 0 else {
            throw .unusableAnswer("the parts that paid order \(order.orderID) are not its price")
        }
        // Orders of the first release were paid in one way and do not tell parts.
        let total = Money(micros: order.totalMicros)
        switch order.paymentMethod {
        case .balance: self.init(balance: total, online: .zero, coupon: .zero)
        case .online: self.init(balance: .zero, online: total, coupon: .zero)
        case .unspecified:
            throw .unusableAnswer("paid order \(order.orderID) does not say how it was paid")
        }
    }
}
