import BillingCore

/// What a line bills. The raw values are stored and are those of the wire.
enum ItemKind: Int, CaseIterable, Hashable, Sendable {
    case subscriptionOrder = 1
    case payAsYouGoBill = 2
    case refund = 3
    case adjustment = 4

    /// `nil` for an adjustment, which is neither.
    var method: BillingMethod? {
        switch self {
        case .subscriptionOrder, .refund: .subscription
        case .payAsYouGoBill: .payAsYouGo
        case .adjustment: nil
        }
    }
}

/// How time is committed to when a resource is billed; pinned at its creation (domain 1). The raw values are stored.
enum BillingUnit: Int, CaseIterable, Hashable, Sendable {
    case second = 1
    case fourHours = 2
    case clockHour = 3
}

/// What a line is about: once for all lines of a metered resource that have the same anchor and size, and once for each
/// order, refunded order, round-down and adjustment.
struct BillSource: Hashable, Sendable {
    var kind: ItemKind
    /// The resource, the order, or the refund and its order; names the source within the account and kind. A resource
    /// that has several has "@" and what tells them apart behind its id.
    var id: String
    var groupID: String
    var specification: String
    var region: String
    /// Of a group or order; the size of a value-added resource; 0 where there is none.
    var instances: Int
    /// Of the resource, which orders lines of one instant; of the order or refund otherwise.
    var createdAt: Timestamp
    /// Where the accrual of a metered group starts; where the term of an order does; `nil` for others.
    var anchor: Timestamp?
    /// `nil` for orders and refunds.
    var billingUnit: BillingUnit?
    /// Of a subscription; 0 for a metered resource.
    var months: Int
    var orderID: String
    var refundID: String
    var product = Product.cloudPhone
    /// Of a value-added resource; empty otherwise.
    var network = ""
    /// Why, for an adjustment.
    var note = ""

    /// The metered resource; empty for what is none.
    var resourceID: String {
        kind == .payAsYouGoBill && !isRoundDown ? String(id.prefix { $0 != "@" }) : ""
    }

    /// What lines of it are billed for.
    var billingItem: String {
        switch kind {
        case .adjustment: "adjustment"
        case .payAsYouGoBill where isRoundDown: "round-down discount"
        case .payAsYouGoBill, .subscriptionOrder, .refund:
            product == .cloudPhone ? "cloud phone instance" : product.name
        }
    }

    /// Where the use that a line bills begins: of a renewal paid in advance, its term.
    func usageStart(of line: BillLine) -> Timestamp { kind == .subscriptionOrder ? anchor ?? line.start : line.start }

    /// Metered use in thousandths of its unit: instance-hours to the time used, and for the others hours as they are
    /// billed, each whole.
    func quantityThousandths(of line: BillLine) -> Int64 {
        let milliseconds =
            product == .cloudPhone ? Int128(line.end - line.start) : Int128(Int64.millisecondsPerHour)
        return Rounding.halfUp.divide(
            milliseconds * Int128(instances) * 1000, by: Int128(Int64.millisecondsPerHour))
    }

    private static let roundDownPrefix = "round-down-"

    /// Whether lines of it round a month down (domain 2.9).
    var isRoundDown: Bool { kind == .payAsYouGoBill && id.hasPrefix(BillSource.roundDownPrefix) }

    /// A resource as it is metered.
    /// - Parameter size: instances of a group; Mbps, GiB or 1 of a value-added resource.
    static func metered(
        _ resource: String, group: String, product: Product, specification: String, region: String, network: String,
        size: Int, createdAt: Timestamp, anchor: Timestamp, unit: BillingUnit
    ) -> BillSource {
        // A group has a source for each anchor, and a backup one for each size.
        let suffix =
            switch product {
            case .cloudPhone: anchor == createdAt ? "" : "@\(anchor.milliseconds)"
            case .oss: "@\(size)"
            case .natGateway, .eip, .sharedBandwidth: ""
            }
        return BillSource(
            kind: .payAsYouGoBill, id: resource + suffix, groupID: group, specification: specification,
            region: region, instances: size, createdAt: createdAt,
            anchor: product == .cloudPhone ? anchor : nil, billingUnit: unit, months: 0, orderID: "", refundID: "",
            product: product, network: network)
    }

    static func roundDown(_ close: MonthClose) -> BillSource {
        BillSource(
            kind: .payAsYouGoBill, id: roundDownPrefix + BillingCalendar.date(of: close.month).description,
            groupID: "", specification: "", region: "", instances: 0, createdAt: close.lineAt, anchor: nil,
            billingUnit: nil, months: 0, orderID: "", refundID: "")
    }

    static func adjustment(_ id: AdjustmentID, reason: String, at instant: Timestamp) -> BillSource {
        BillSource(
            kind: .adjustment, id: id.text, groupID: "", specification: "", region: "", instances: 0,
            createdAt: instant, anchor: nil, billingUnit: nil, months: 0, orderID: "", refundID: "", note: reason)
    }
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

    /// What names it on bills.
    func id(of account: AccountID) -> String {
        LineName(account: account, key: LineKey(start: start, source: source)).text
    }
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
    static func line(
        gross: Money, discount: Money = .zero, roundDown: Money = .zero, coupon: Money = .zero, paid: Money
    ) throws -> BillAmounts {
        var amounts = BillAmounts(gross: gross, discount: discount, roundDown: roundDown, coupon: coupon, lines: 1)
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

    enum Status: CaseIterable, Hashable, Sendable { case paid, partlyPaid, unpaid }

    var status: Status {
        guard outstanding != .zero else { return .paid }
        return paid == .zero ? .unpaid : .partlyPaid
    }
}
