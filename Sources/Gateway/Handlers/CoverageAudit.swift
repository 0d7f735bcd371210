import BillingAPI
import BillingCore
import RPC
import Storage

/// What only shows when timelines and bills are compared: P1, P2, S2, S3 and O1. Work goes on meanwhile, so whatever it may
/// explain is read again until it is explained, a few times at most.
struct CoverageAudit: Sendable {
    /// Before each further reading. A cut takes much less between posting its lines and moving its cursor.
    private static let pausesMilliseconds: [Int64] = [0, 20, 50, 100, 200, 400, 800, 1600]

    private let source: AuditSource
    private let database: any Database
    private let time: any TimeSource
    private let duesSeenThrough: Timestamp
    private var told: [CommonV1.AuditFinding] = []
    private var prices: PriceAudit
    private var usage = CommonV1.AuditFinding(
        invariant: "P1", title: "Every second of pay-as-you-go is billed exactly once")
    private var terms = CommonV1.AuditFinding(
        invariant: "P2", title: "No second of a subscription is covered twice, or longer than it is paid for")
    private var orphans = CommonV1.AuditFinding(invariant: "S2", title: "Every lock belongs to a saga at work")
    private var entitlements = CommonV1.AuditFinding(
        invariant: "S3", title: "Every paid subscription order is exactly one term, and every term is paid for")
    private var overdue = CommonV1.AuditFinding(
        invariant: "O1",
        title: "Bills and groups say alike since when an account is overdue, and nothing stays so too long")

    init(source: AuditSource, database: any Database, time: any TimeSource, duesSeenThrough: Timestamp) {
        self.source = source
        self.database = database
        self.time = time
        self.duesSeenThrough = duesSeenThrough
        prices = PriceAudit(source)
    }

    var findings: [CommonV1.AuditFinding] { told + [prices.finding, usage, terms, orphans, entitlements, overdue] }

    /// Goes through the accounts that follow one, page by page.
    /// - Returns: the account that it came to when the time was up; `nil` if it came to the end.
    mutating func run(after account: String, until soon: Deadline) async throws -> String? {
        var reached = account
        while true {
            let page = try await source.timelines(after: reached)
            let bills = try await source.bills(after: reached, through: page.last)
            try await compare(page, bills)
            if page.last.isEmpty { return nil }
            reached = page.last
            if soon.hasPassed { return reached }
        }
    }

    private mutating func compare(_ page: TimelinePage, _ bills: [String: AccountBill]) async throws {
        told += page.findings
        var doubts: [String: AccountDoubts] = [:]
        for account in Set(bills.keys).union(page.accounts.keys).sorted() {
            let bill = bills[account] ?? AccountBill()
            let comparison = comparison(of: account, page, bill, later: page)
            take(comparison, of: account)
            try await prices.add(bill.lines, page.segments[account] ?? [], through: page.cursor(of: account))
            if let audited = page.accounts[account] { orphans.checked += Int64(audited.held.count) }
            overdue.checked += 1
            let first = try await self.doubts(about: account, comparison, page, overdueAt: bill.overdueAt)
            if !first.isEmpty { doubts[account] = first }
        }
        try await prices.flush()
        for pause in Self.pausesMilliseconds where !doubts.isEmpty {
            if pause > 0 { await time.pause(milliseconds: pause) }
            for account in doubts.keys.sorted() {
                // A saga that ends after this is seen at work, and what one has done by now is in the next reading.
                let isBusy = try await database.read { try $0.hasUnfinishedSaga(account: account) }
                let later = try await source.timelines(of: account)
                let comparison = comparison(of: account, page, bills[account] ?? AccountBill(), later: later)
                var left = try await self.doubts(
                    about: account, comparison, later, overdueAt: try await source.overdueAt(of: account))
                if isBusy { left.waitForSagas() }
                doubts[account] = left.isEmpty ? nil : left
            }
        }
        for account in doubts.keys.sorted() { if let left = doubts[account] { report(left, of: account) } }
    }

    private func comparison(
        of account: String, _ page: TimelinePage, _ bill: AccountBill, later: TimelinePage
    ) -> CoverageComparison {
        CoverageComparison(
            segments: page.spans(of: account), through: page.cursor(of: account),
            billed: bill.lines.map(CoveredSpan.init), later: later.spans(of: account),
            givenBack: Set(bill.lines.filter(\.isGivenBack).map(\.orderID)))
    }

    /// What no later reading can explain.
    private mutating func take(_ comparison: CoverageComparison, of account: String) {
        usage.checked += Int64(comparison.payAsYouGoChecked)
        terms.checked += Int64(comparison.subscriptionsChecked)
        entitlements.checked += Int64(comparison.subscriptionsChecked)
        for breach in comparison.payAsYouGoBreaches { usage.add("\(account): \(breach)") }
        for breach in comparison.subscriptionBreaches { terms.add("\(account): \(breach)") }
        for breach in comparison.entitlementBreaches { entitlements.add("\(account): \(breach)") }
    }

    private func doubts(
        about account: String, _ comparison: CoverageComparison, _ page: TimelinePage, overdueAt: Int64
    ) async throws -> AccountDoubts {
        var doubts = AccountDoubts(ahead: comparison.aheadDoubts, entitlements: comparison.entitlementDoubts)
        let audited = page.accounts[account] ?? MeteringV1.AuditedAccount(accountID: account)
        if audited.overdueAt != overdueAt {
            doubts.overdue.append(
                "overdue since \(Self.words(overdueAt)) by its bills, since \(Self.words(audited.overdueAt)) by its groups"
            )
        }
        for held in audited.held {
            let saga = try await database.read { try $0.saga(id: held.sagaID, account: account) }
            if saga?.status.isFinished ?? true {
                doubts.orphans.append("\(held.groupID) is held by \(held.sagaID), which is not at work")
            }
        }
        let late = audited.late.filter { $0.dueAt <= duesSeenThrough.milliseconds }
        if !late.isEmpty {
            // What a saga held is due again at the next top of the hour.
            let hour = BillingCalendar.hour(of: duesSeenThrough)
            let waits = try await database.read { try $0.hasSagaEnded(account: account, since: hour) }
            if !waits {
                for group in late {
                    doubts.overdue.append(
                        "\(group.groupID) is \(group.status.words) past \(Self.words(group.dueAt)), when that was to end"
                    )
                }
            }
        }
        return doubts
    }

    private mutating func report(_ doubts: AccountDoubts, of account: String) {
        for doubt in doubts.ahead { usage.add("\(account): \(doubt)") }
        for doubt in doubts.entitlements { entitlements.add("\(account): \(doubt)") }
        for doubt in doubts.orphans { orphans.add("\(account): \(doubt)") }
        for doubt in doubts.overdue { overdue.add("\(account): \(doubt)") }
    }

    private static func words(_ instant: Int64) -> String {
        instant == 0 ? "never" : Timestamp(milliseconds: instant).description
    }
}

/// What two readings of an account tell differently, and work that is under way may explain.
private struct AccountDoubts: Sendable {
    var ahead: [String]
    var entitlements: [String]
    var orphans: [String] = []
    var overdue: [String] = []

    var isEmpty: Bool { ahead.isEmpty && entitlements.isEmpty && orphans.isEmpty && overdue.isEmpty }

    /// A saga of the account is under way: what it changes in two services is judged when it has ended.
    mutating func waitForSagas() { (entitlements, overdue) = ([], []) }
}

extension MeteringV1.GroupStatus {
    fileprivate var words: String {
        switch self {
        case .unspecified, .creating, .active: "active"
        case .overdue: "overdue"
        case .expired: "expired"
        case .released: "released"
        }
    }
}
