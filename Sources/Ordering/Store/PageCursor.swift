import BillingCore

/// A place in a list that is ordered by an instant and then by id. New rows may come before or after it; those that were
/// there are neither skipped nor told twice.
struct PageCursor: Hashable, Sendable {
    var instant: Timestamp
    var id: String

    /// Before everything.
    static let start = PageCursor(instant: Timestamp(milliseconds: -1), id: "")

    init(instant: Timestamp, id: String) {
        self.instant = instant
        self.id = id
    }

    /// Reads what `text` gave; empty: the start.
    /// - Throws: `OrderError.pageMalformed`.
    init(_ text: String) throws(OrderError) {
        guard !text.isEmpty else {
            self = .start
            return
        }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let milliseconds = Int64(parts[0]) else { throw PageCursor.malformed(text) }
        self.init(instant: Timestamp(milliseconds: milliseconds), id: String(parts[1]))
    }

    var text: String { "\(instant.milliseconds)/\(id)" }

    static func malformed(_ text: String) -> OrderError {
        .pageMalformed(field: "cursor", value: String(text.prefix(200)), why: "is none that this list gave")
    }

    /// The size of a page from what a request asks for: 0 means 100.
    /// - Throws: `OrderError.pageMalformed` above 200.
    static func limit(_ asked: UInt32) throws(OrderError) -> Int {
        guard asked <= 200 else {
            throw .pageMalformed(field: "limit", value: String(asked), why: "is more than 200")
        }
        return asked == 0 ? 100 : Int(asked)
    }
}
