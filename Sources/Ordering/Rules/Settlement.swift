import BillingCore

/// Pays lines one after the other while there is something to pay with, the last one perhaps in part: each from the
/// coupons that apply to it in their rank, then from the balance (domain 2.8, 3.4).
struct Settlement: Hashable, Sendable {
    /// What one line got.
    struct Share: Hashable, Sendable {
        var coupons: [CouponPart] = []
        var coupon = Money.zero
        var paid = Money.zero
        var outstanding = Money.zero
    }

    /// What is left of the balance.
    private(set) var funds: Money
    /// Ranked, with what is left of each.
    private(set) var coupons: [Coupon]
    private(set) var paid = Money.zero
    private(set) var couponPaid = Money.zero
    /// What the lines owe that nothing reached.
    private(set) var outstanding = Money.zero

    /// - Parameter coupons: those that may be used, in no particular order; ranked once.
    /// - Precondition: `funds` is not negative.
    init(funds: Money, coupons: [Coupon] = []) {
        precondition(funds >= .zero, "settling with \(funds)")
        self.funds = funds
        self.coupons = Coupon.ranked(coupons)
    }

    /// Pays the next line, of `product`.
    /// - Throws: `MoneyError.overflow` when the lines owe more than can be kept.
    @discardableResult
    mutating func settle(_ amount: Money, of product: Product = .cloudPhone) throws(MoneyError) -> Share {
        var share = Share()
        var owed = amount
        for index in coupons.indices where owed > .zero && coupons[index].applies(to: product) {
            let part = min(owed, coupons[index].remaining)
            guard part > .zero else { continue }
            coupons[index].spend(part)
            share.coupons.append(CouponPart(coupon: coupons[index].id, amount: part))
            share.coupon += part
            owed -= part
        }
        share.paid = min(owed, funds)
        share.outstanding = owed - share.paid
        outstanding = try outstanding.adding(share.outstanding)
        funds -= share.paid
        paid += share.paid
        couponPaid += share.coupon
        return share
    }
}
