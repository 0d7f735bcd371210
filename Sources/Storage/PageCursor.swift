package import BillingCore

/// A place in a list that is ordered by an instant and then by id. New rows may come before or after it; those that were
/// there are neither skipped nor told twice.
package struct PageCursor: Hashable, Sendable {
    package var instant: Timestamp
    package var id: String

    /// Before everything.
    package static let start = PageCursor(instant: Timestamp(milliseconds: -1), id: "")

    package init(instant: Timestamp, id: String) {
        self.instant = instant
        self.id = id
    }

    /// Reads what `text` gave; empty: the start.
    package init(_ text: String) throws(PageError) {
        guard !text.isEmpty else {
            self = .start
            return
        }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let milliseconds = Int64(parts[0]) else { throw .cursor(text) }
        self.init(instant: Timestamp(milliseconds: milliseconds), id: String(parts[1]))
    }

    package var text: String { "\(instant.milliseconds)/\(id)" }

    /// The size of a page from what a request asks for: 0 means 100.
    /// - Throws: `PageError` above 200.
    package static func limit(_ asked: UInt32) throws(PageError) -> Int {
        guard asked <= 200 else { throw PageError(field: "limit", value: String(asked), why: "is more than 200") }
        return asked == 0 ? 100 : Int(asked)
    }
}

/// A request for a part of a list that makes no sense.
package struct PageError: BillingError, Hashable {
    package let field: String
    package let value: String
    /// What is wrong with the value: "is more than 200".
    package let why: String

    package init(field: String, value: String, why: String) {
        self.field = field
        self.value = value
        self.why = why
    }

    package static func cursor(_ text: String) -> PageError {
        PageError(field: "cursor", value: String(text.prefix(200)), why: "is none that this list gave")
    }

    package var status: Status { .invalidArgument }
    package var reason: String { "page.malformed" }
    package var message: String { "\(field) '\(value)' \(why)." }
}

extension Partition {
    /// The partitions `[from, to)` that a request names.
    /// - Throws: `PageError` for a range that is none.
    package static func range(_ from: UInt32, _ to: UInt32) throws(PageError) -> Range<Int> {
        guard from <= to, to <= UInt32(count) else {
            throw PageError(
                field: "partition_to", value: String(to), why: "ends no range of partitions that starts at \(from)")
        }
        return Int(from)..<Int(to)
    }
}
