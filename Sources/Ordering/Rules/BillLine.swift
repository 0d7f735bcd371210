import BillingCore

/// What a line bills. The raw values are stored and are those of the wire.
enum ItemKind: Int, CaseIterable, Hashable, Sendable {
    case subscriptionOrder = 1
    case payAsYouGoBill = 2
    case refund = 3

    var isSubscription: Bool {
        switch self {
        case .subscriptionOrder, .refund: true
        case .payAsYouGoBill: false
        }
    }
}

/// How time is committed to when a resource is billed; pinned at its creation (domain 1). The raw values are stored.
enum BillingUnit: Int, CaseIterable, Hashable, Sendable {
    case second = 1
    case fourHours = 2
    case clockHour = 3
}

/// What a line is about, once for all lines of a metered group, and once for each order and refunded order.
struct BillSource: Hashable, Sendable {
    var kind: ItemKind
    /// The resource, the order, or the refund and its order; names the source within the account and kind.
    var id: String
    var groupID: String
    var specification: String
    var region: String
    var instances: Int
    /// Of the resource, which orders lines of one instant; of the order or refund otherwise.
    var createdAt: Timestamp
    /// Where the accrual of a metered resource starts; `nil` for others.
    var anchor: Timestamp?
    /// `nil` for orders and refunds.
    var billingUnit: BillingUnit?
    /// Of a subscription; 0 for a metered resource.
    var months: Int
    var orderID: String
    var refundID: String

    static let product = "cloud phone"
    static let billingItem = "cloud phone instance"
}

/// The amounts of a line as it was posted, which never change, and what is still owed on it.
struct BillLine: Hashable, Sendable {
    var start: Timestamp
    var end: Timestamp
    /// The number of the line's source within its account.
    var source: Int64
    var priceListVersion: Int
    var listPrice: UnitPrice
    var amounts: BillAmounts
    /// The ledger transaction that posted it; 0 for a line of zero, which moved no money.
    var sequence: Int64
    var postedAt: Timestamp
}

/// The amounts of a line or of many: `payable = gross - discount - round-down - coupon = paid + outstanding`
/// (domain 9.1). A refund's are negative.
struct BillAmounts: Hashable, Sendable {
    var gross = Money.zero
    var discount = Money.zero
    var roundDown = Money.zero
    var coupon = Money.zero
    var outstanding = Money.zero
    var lines: Int64 = 0

    var payable: Money { gross - discount - roundDown - coupon }
    var paid: Money { payable - outstanding }

    /// One line, of which `paid` was paid when it was posted.
    /// - Throws: `LedgerError.lineBroken` unless that is between nothing and all of it; a refund is paid whole.
    static func line(gross: Money, discount: Money = .zero, paid: Money) throws -> BillAmounts {
        var amounts = BillAmounts(gross: gross, discount: discount, lines: 1)
        let payable = amounts.payable
        guard payable >= .zero ? (.zero...payable).contains(paid) : paid == payable else {
            throw LedgerError.lineBroken(payable: payable, paid: paid)
        }
        amounts.outstanding = payable - paid
        return amounts
    }

    /// - Throws: `MoneyError.overflow`.
    mutating func add(_ other: BillAmounts) throws(MoneyError) {
        gross = try gross.adding(other.gross)
        discount = try discount.adding(other.discount)
        roundDown = try roundDown.adding(other.roundDown)
        coupon = try coupon.adding(other.coupon)
        outstanding = try outstanding.adding(other.outstanding)
        lines += other.lines
    }

    enum Status: Hashable, Sendable { case paid, partlyPaid, unpaid }

    var status: Status {
        guard outstanding != .zero else { return .paid }
        return paid == .zero ? .unpaid : .partlyPaid
    }
}
