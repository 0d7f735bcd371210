import BillingCore
import Storage

/// A line that a filter admits, with what it is about.
struct FoundLine {
    var account: AccountID
    var source: BillSource
    var line: BillLine
}

/// What the lines of one account are about, looked up when the first of them comes. It keeps a bounded number, however
/// many there are: more than an account has running at a time, so that each hour finds those of the last.
struct FoundSources {
    static let most = 8192

    private let account: AccountID
    private let most: Int
    private(set) var known: [Int64: BillSource] = [:]

    init(of account: AccountID, most: Int = FoundSources.most) { (self.account, self.most) = (account, most) }

    mutating func source(_ number: Int64, in transaction: any Transaction) throws -> BillSource? {
        if let source = known[number] { return source }
        guard let source = try transaction.source(number, of: account) else { return nil }
        if known.count == most { known.removeAll(keepingCapacity: true) }
        known[number] = source
        return source
    }
}

extension Transaction {
    /// Lends the lines that a filter admits and that come after a place, until `body` returns `false`: by account in the
    /// order of partitions, each in the order of its lines' keys.
    /// - Parameter owner: `nil` for all accounts.
    func forEachBillLine(
        of owner: AccountID?, _ filter: BillFilter, after cursor: LineName?, _ body: (FoundLine) throws -> Bool
    ) throws {
        if let owner {
            // A cursor of another account is before or after all of this one's lines, as the order says.
            let id = try account(owner).id
            if let cursor, cursor.account != id {
                if LineName(account: id, key: .first) < cursor { return }
                _ = try forEachBillLine(in: id, filter, after: nil, body)
            } else {
                _ = try forEachBillLine(in: id, filter, after: cursor?.key, body)
            }
            return
        }
        var place = (partition: 0, account: "")
        if let cursor {
            guard try forEachBillLine(in: cursor.account, filter, after: cursor.key, body) else { return }
            place = (Partition.of(cursor.account.text), cursor.account.text)
        }
        while true {
            let accounts = try accounts(
                partitions: place.partition..<Partition.count, after: place.account, limit: 100)
            for account in accounts {
                guard try forEachBillLine(in: account.id, filter, after: nil, body) else { return }
            }
            guard let last = accounts.last else { return }
            place = (Partition.of(last.id.text), last.id.text)
        }
    }

    private func forEachBillLine(
        in account: AccountID, _ filter: BillFilter, after: LineKey?, _ body: (FoundLine) throws -> Bool
    ) throws -> Bool {
        guard try hasSource(of: account, filter) else { return true }
        var sources = FoundSources(of: account)
        var goesOn = true
        try forEachLine(of: account, from: filter.start, to: filter.end, after: after) { line in
            if filter.admits(line.amounts), let source = try sources.source(line.source, in: self),
                filter.admits(source)
            {
                goesOn = try body(FoundLine(account: account, source: source, line: line))
            }
            return goesOn
        }
        return goesOn
    }

    /// Whether any line of an account may be admitted: its lines need no look if not.
    private func hasSource(of account: AccountID, _ filter: BillFilter) throws -> Bool {
        if filter.admitsAllSources { return true }
        var has = false
        try forEachSource(of: account) { _, source in
            has = filter.admits(source)
            return !has
        }
        return has
    }
}
