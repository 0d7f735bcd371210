import BillingCore

/// How something is paid for: in advance or by use (domain 1). The raw values are those of the wire.
enum BillingMethod: Int, CaseIterable, Hashable, Sendable {
    case subscription = 1
    case payAsYouGo = 2
}

/// An amount that pays for certain things for a while (domain 3.2).
struct Coupon: Hashable, Sendable {
    let id: CouponID
    let account: AccountID
    let name: String
    let amount: Money
    /// What is left of it; never negative, never more than the amount.
    private(set) var remaining: Money
    /// Orders below it cannot use the coupon, and pay-as-you-go bills cannot use one that has a minimum.
    let minimumOrder: Money
    /// Usable within it.
    let validity: Period
    /// Empty: all.
    let products: Set<Product>
    /// Empty: both.
    let methods: Set<BillingMethod>
    let grantedAt: Timestamp

    /// - Precondition: `remaining` is within the amount.
    init(
        id: CouponID, account: AccountID, name: String, amount: Money, remaining: Money, minimumOrder: Money,
        validity: Period, products: Set<Product>, methods: Set<BillingMethod>, grantedAt: Timestamp
    ) {
        precondition(remaining >= .zero && remaining <= amount, "coupon \(id) of \(amount) with \(remaining) left")
        self.id = id
        self.account = account
        self.name = name
        self.amount = amount
        self.remaining = remaining
        self.minimumOrder = minimumOrder
        self.validity = validity
        self.products = products
        self.methods = methods
        self.grantedAt = grantedAt
    }

    /// Whether it pays pay-as-you-go bills at an instant; one with a minimum never does.
    func paysUsage(at instant: Timestamp) -> Bool {
        remaining > .zero && validity.contains(instant) && minimumOrder == .zero
            && (methods.isEmpty || methods.contains(.payAsYouGo))
    }

    /// When it begins to pay pay-as-you-go bills after it was granted (domain 3.2, 10); `nil` for one that does at once, or
    /// never.
    var startsAt: Timestamp? {
        validity.start > grantedAt && paysUsage(at: validity.start) ? validity.start : nil
    }

    func applies(to product: Product) -> Bool { products.isEmpty || products.contains(product) }

    /// - Throws: `CouponError`, naming why it cannot pay an order of `total` at `instant`.
    func requireUsable(forOrderOf total: Money, at instant: Timestamp) throws(CouponError) {
        guard instant >= validity.start else { throw .notYetEffective(id.text, from: validity.start) }
        guard instant < validity.end else { throw .expired(id.text, at: validity.end) }
        guard remaining > .zero else { throw .usedUp(id.text) }
        guard applies(to: .cloudPhone), methods.isEmpty || methods.contains(.subscription) else {
            throw .notApplicable(id.text)
        }
        guard total >= minimumOrder else { throw .belowMinimum(id.text, minimum: minimumOrder, total: total) }
    }

    /// Takes a part of it.
    /// - Precondition: it has that much left.
    mutating func spend(_ part: Money) {
        precondition(part >= .zero && part <= remaining, "spending \(part) of coupon \(id), which has \(remaining)")
        remaining -= part
    }

    /// Gives a part back that our side's fault took (domain 7.4).
    /// - Precondition: that much of it was spent.
    mutating func restore(_ part: Money) {
        precondition(part >= .zero && remaining + part <= amount, "restoring \(part) of coupon \(id)")
        remaining += part
    }

    /// The best first: the largest remainder, then the earliest expiry, then the earliest grant (domain 3.2); the id
    /// decides between those that are equal in all of that.
    static func ranked(_ coupons: [Coupon]) -> [Coupon] {
        coupons.sorted { left, right in
            guard left.remaining == right.remaining else { return left.remaining > right.remaining }
            return (left.validity.end, left.grantedAt, left.id.text)
                < (right.validity.end, right.grantedAt, right.id.text)
        }
    }

    /// The best one that can pay an order of `total` at `instant`.
    static func best(of coupons: [Coupon], forOrderOf total: Money, at instant: Timestamp) -> Coupon? {
        ranked(
            coupons.filter { coupon in
                do throws(CouponError) {
                    try coupon.requireUsable(forOrderOf: total, at: instant)
                    return true
                } catch { return false }
            }
        ).first
    }
}

/// A coupon and how much of it pays something.
struct CouponPart: Hashable, Sendable {
    var coupon: CouponID
    var amount: Money
}

/// Why a coupon cannot be granted or used.
enum CouponError: BillingError, Hashable {
    case notFound(String)
    case notYetEffective(String, from: Timestamp)
    case expired(String, at: Timestamp)
    case usedUp(String)
    case belowMinimum(String, minimum: Money, total: Money)
    /// It is for other products or another billing method.
    case notApplicable(String)
    /// It has less left than when the online payment was registered that counts on it.
    case changed(String, needed: Money, left: Money)
    case malformed(field: String, value: String, why: String)

    var status: Status {
        switch self {
        case .notFound: .notFound
        case .malformed: .invalidArgument
        case .notYetEffective, .expired, .usedUp, .belowMinimum, .notApplicable, .changed: .failedPrecondition
        }
    }

    var reason: String {
        switch self {
        case .notFound: "coupon.not_found"
        case .notYetEffective: "coupon.not_yet_effective"
        case .expired: "coupon.expired"
        case .usedUp: "coupon.used_up"
        case .belowMinimum: "coupon.below_minimum"
        case .notApplicable: "coupon.not_applicable"
        case .changed: "coupon.changed"
        case .malformed: "coupon.malformed"
        }
    }

    var message: String {
        switch self {
        case .notFound(let id): "There is no coupon '\(id)' in this account."
        case .notYetEffective(let id, let start): "Coupon \(id) can be used from \(BillingCalendar.format(start)) on."
        case .expired(let id, let end): "Coupon \(id) expired at \(BillingCalendar.format(end))."
        case .usedUp(let id): "Nothing is left of coupon \(id)."
        case .belowMinimum(let id, let minimum, let total):
            "Coupon \(id) is for orders of \(minimum.shortDescription) USD or more; this one is "
                + "\(total.shortDescription) USD."
        case .notApplicable(let id): "Coupon \(id) does not apply to cloud phone subscriptions."
        case .changed(let id, let needed, let left):
            "The payment counts on \(needed.shortDescription) USD of coupon \(id), which has "
                + "\(left.shortDescription) USD left; pay the order anew."
        case .malformed(let field, let value, let why): "\(field) '\(value)' of the coupon \(why)."
        }
    }

    var field: String {
        switch self {
        case .malformed(let field, _, _): field
        case .notFound, .notYetEffective, .expired, .usedUp, .belowMinimum, .notApplicable, .changed: "coupon_id"
        }
    }

    var value: String {
        switch self {
        case .notFound(let text), .notYetEffective(let text, _), .expired(let text, _), .usedUp(let text),
            .belowMinimum(let text, _, _), .notApplicable(let text), .changed(let text, _, _),
            .malformed(_, let text, _):
            text
        }
    }
}
