/// A name that an owner gave to a group or a network.
package enum OwnerText {
    /// In UTF-8.
    package static let largestBytes = 128

    /// - Throws: `OwnerTextError.tooLong`.
    package static func checked(_ text: String, _ field: String) throws(OwnerTextError) -> String {
        guard text.utf8.count <= largestBytes else { throw .tooLong(field: field, bytes: text.utf8.count) }
        return text
    }
}

package enum OwnerTextError: BillingError, Hashable {
    case tooLong(field: String, bytes: Int)

    package var status: Status { .invalidArgument }
    package var reason: String { "group.text_too_long" }
    package var message: String {
        switch self {
        case .tooLong(let field, let bytes):
            "The \(field) has \(bytes) bytes; at most \(OwnerText.largestBytes) are kept."
        }
    }
    package var field: String {
        switch self {
        case .tooLong(let field, _): field
        }
    }
}
