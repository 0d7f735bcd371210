import BillingCore

/// What names a line on bills: its account and its key, which never changes. Also a place among the lines of all accounts,
/// so that those that come later move nothing.
struct LineName: Comparable, Hashable, Sendable {
    let account: AccountID
    let key: LineKey

    init(account: AccountID, key: LineKey) {
        self.account = account
        self.key = key
    }

    /// `nil` for what no line is called.
    init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, let start = Int64(parts[1]), let source = Int64(parts[2]),
            (Timestamp.earliest.milliseconds..<Timestamp.latest.milliseconds).contains(start)
        else { return nil }
        do throws(IdentifierError) { account = try AccountID(String(parts[0])) } catch { return nil }
        key = LineKey(start: Timestamp(milliseconds: start), source: source)
    }

    var text: String { "\(account)/\(key.start.milliseconds)/\(key.source)" }

    /// Accounts are in the order of their partitions, as they are stored.
    static func < (left: Self, right: Self) -> Bool {
        (Partition.of(left.account.text), left.account, left.key)
            < (Partition.of(right.account.text), right.account, right.key)
    }
}

/// The key of a line within its account.
struct LineKey: Hashable, Comparable, Sendable {
    var start: Timestamp
    var source: Int64

    /// Before every line: sources are numbered from 1.
    static let first = LineKey(start: .earliest, source: 0)

    static func < (left: LineKey, right: LineKey) -> Bool { (left.start, left.source) < (right.start, right.source) }
}
