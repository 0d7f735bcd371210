import BillingCore

/// A place in a list that is ordered by an instant and then by id.
struct PageCursor: Hashable, Sendable {
    /// In milliseconds.
    let instant: Int64
    let id: String

    init(after refund: Refund) {
        instant = refund.at.milliseconds
        id = refund.id.text
    }

    /// Reads what `text` gave; empty: before everything.
    /// - Throws: `RefundError.pageMalformed`.
    init(_ text: String) throws(RefundError) {
        guard !text.isEmpty else {
            (instant, id) = (-1, "")
            return
        }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let milliseconds = Int64(parts[0]) else {
            throw .pageMalformed(field: "cursor", value: String(text.prefix(200)), why: "is none that this list gave")
        }
        (instant, id) = (milliseconds, String(parts[1]))
    }

    var text: String { "\(instant)/\(id)" }

    /// The size of a page from what a request asks for: 0 means 100.
    /// - Throws: `RefundError.pageMalformed` above 200.
    static func limit(_ asked: UInt32) throws(RefundError) -> Int {
        guard asked <= 200 else { throw .pageMalformed(field: "limit", value: String(asked), why: "is more than 200") }
        return asked == 0 ? 100 : Int(asked)
    }
}
