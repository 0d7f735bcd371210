import BillingCore

/// Which lines a list is about. Every view of one filter adds up to the same totals (domain 9.2).
struct BillFilter: Hashable, Sendable {
    /// Lines whose service period starts in `[start, end)`.
    var start = Timestamp.earliest
    var end = Timestamp(milliseconds: .max)
    /// Empty: all.
    var groupID = ""
    var region = ""
    var specification = ""
    var kinds = Set(ItemKind.allCases)
    var statuses = Set(BillAmounts.Status.allCases)

    static let longestMonths = 18

    /// - Parameters:
    ///   - now: stands for an end that is open or still to come, as no line starts later.
    ///   - first: where the first line starts, which stands for an open start; `nil` when there is none so far.
    /// - Throws: `BillError.rangeTooLong` for a range longer than `longestMonths`.
    func requireRange(now: Timestamp, first: Timestamp? = nil) throws(BillError) {
        let end = isOpenAtStart ? min(end, now) : end > .latest ? now : end
        guard let start = isOpenAtStart ? first : start, start < end else { return }
        let date = BillingCalendar.date(of: start)
        let month = date.year * 12 + date.month - 1 + BillFilter.longestMonths
        // The same day that many months later, or the last one of a month that is too short.
        let length = CivilDate.length(year: month / 12, month: month % 12 + 1)
        guard let last = CivilDate(year: month / 12, month: month % 12 + 1, day: min(date.day, length)) else { return }
        let limit = BillingCalendar.midnight(last).adding(milliseconds: start - BillingCalendar.day(of: start))
        guard end <= limit else { throw .rangeTooLong(start: start, end: end) }
    }

    /// Of a filter whose start is open, the lines that may start too early for `requireRange`; the others need no look.
    /// `nil` for one that has a start.
    func suspects(now: Timestamp) -> BillFilter? {
        guard isOpenAtStart else { return nil }
        var suspects = self
        // The shortest 18 months, September to February, have 546 days.
        suspects.end = min(end, now).adding(milliseconds: -545 * .millisecondsPerDay)
        return suspects
    }

    private var isOpenAtStart: Bool { start <= .earliest }

    func admits(_ amounts: BillAmounts) -> Bool { statuses.contains(amounts.status) }

    func admits(_ source: BillSource) -> Bool {
        kinds.contains(source.kind) && (groupID.isEmpty || source.groupID == groupID)
            && (region.isEmpty || source.region == region)
            && (specification.isEmpty || source.specification == specification)
    }

    /// Whether it admits whatever a line is about.
    var admitsAllSources: Bool {
        kinds.count == ItemKind.allCases.count && groupID.isEmpty && region.isEmpty && specification.isEmpty
    }
}

/// Which span of time one row of a list sums.
enum StatisticalPeriod: Hashable, Sendable {
    case month
    /// Of the billing time zone.
    case day
    case total

    /// A number that orders the periods, with the instant of a line in it; one for `total`.
    func number(of instant: Timestamp) -> Int64 {
        switch self {
        case .month:
            let date = BillingCalendar.date(of: instant)
            return Int64(date.year) * 12 + Int64(date.month - 1)
        case .day: return BillingCalendar.date(of: instant).daysSinceEpoch
        case .total: return 0
        }
    }

    /// "2026-04", "2026-04-10", or nothing for `total`.
    func text(_ number: Int64) -> String {
        switch self {
        case .month: StatisticalPeriod.monthText(year: Int(number / 12), month: Int(number % 12) + 1)
        case .day: CivilDate(daysSinceEpoch: number).description
        case .total: ""
        }
    }

    /// When the lines of a period are final: at 12:00 on the 3rd of the month after it (domain 9.4); `nil` for `total`.
    func finalAt(_ number: Int64) -> Timestamp? {
        let next: Int
        switch self {
        case .month: next = Int(number) + 1
        case .day:
            let date = CivilDate(daysSinceEpoch: number)
            next = date.year * 12 + date.month
        case .total: return nil
        }
        return CivilDate(year: next / 12, month: next % 12 + 1, day: 3).map {
            BillingCalendar.midnight($0).adding(milliseconds: 12 * .millisecondsPerHour)
        }
    }

    private static func monthText(year: Int, month: Int) -> String {
        // The text of a date without its day: a month of the calendar always has a first.
        String(CivilDate(year: year, month: month, day: 1)?.description.dropLast(3) ?? "")
    }
}

/// What one row of a list sums besides its period.
enum BillGrouping: Hashable, Sendable {
    case none
    case group
    case item
    case specification
    case region
    case billingMethod
    case specificationAndRegion
    case product
    case account

    func text(_ source: BillSource, account: String) -> String {
        switch self {
        case .none: ""
        case .group: source.groupID
        case .item: source.billingItem
        case .specification: source.specification
        case .region: source.region
        case .billingMethod:
            source.kind.method?.text ?? "adjustment"
        case .specificationAndRegion:
            source.specification.isEmpty && source.region.isEmpty ? "" : source.specification + " " + source.region
        case .product: source.product.rawValue
        case .account: account
        }
    }
}

extension BillingMethod {
    var text: String {
        switch self {
        case .subscription: "subscription"
        case .payAsYouGo: "pay-as-you-go"
        }
    }

    /// `nil` for what no method is called.
    init?(text: String) {
        guard let method = BillingMethod.allCases.first(where: { $0.text == text }) else { return nil }
        self = method
    }
}

/// Adds lines up by period and grouping. Groupings are numbered on the way, so that a line costs no text.
struct BillSummary: Sendable {
    struct Key: Hashable, Sendable {
        var period: Int64
        var grouping: Int
    }

    struct Row: Hashable, Sendable {
        var period: Int64
        var grouping: String
        var amounts: BillAmounts
    }

    let period: StatisticalPeriod
    private var groupings: [String] = []
    private var numbers: [String: Int] = [:]
    private var sums: [Key: BillAmounts] = [:]

    init(period: StatisticalPeriod) { self.period = period }

    /// The number of a grouping's text, the same for the same text.
    mutating func number(of grouping: String) -> Int {
        if let known = numbers[grouping] { return known }
        groupings.append(grouping)
        numbers[grouping] = groupings.count - 1
        return groupings.count - 1
    }

    /// - Parameter grouping: a number that this summary gave.
    mutating func add(_ amounts: BillAmounts, start: Timestamp, grouping: Int) throws(MoneyError) {
        let key = Key(period: period.number(of: start), grouping: grouping)
        var sum = sums[key] ?? BillAmounts()
        try sum.add(amounts)
        sums[key] = sum
    }

    /// By period, then grouping.
    func rows() -> [Row] {
        sums.map { Row(period: $0.key.period, grouping: groupings[$0.key.grouping], amounts: $0.value) }
            .sorted { ($0.period, $0.grouping) < ($1.period, $1.grouping) }
    }
}
