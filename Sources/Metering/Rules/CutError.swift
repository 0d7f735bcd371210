package import BillingCore

/// Why a cut, or a look at the cuts, cannot be done as asked.
package enum CutError: BillingError, Hashable {
    case notTopOfHour(Timestamp)
    /// The pricing service answered something else than was asked.
    case ratingMismatch(hour: Timestamp)
    /// One account has more segments than a reply can hold.
    case auditTooLarge(AccountID, segments: Int)

    package var status: Status {
        switch self {
        case .notTopOfHour: .invalidArgument
        case .ratingMismatch: .internalError
        case .auditTooLarge: .resourceExhausted
        }
    }

    package var reason: String {
        switch self {
        case .notTopOfHour: "cut.not_top_of_hour"
        case .ratingMismatch: "cut.rating_mismatch"
        case .auditTooLarge: "audit.account_too_large"
        }
    }

    package var message: String {
        switch self {
        case .notTopOfHour(let instant): "Cuts are made at the top of an hour, and \(instant) is none."
        case .ratingMismatch(let hour): "The slices of the cut at \(hour) came back rated differently than asked."
        case .auditTooLarge(let account, let segments):
            "The account '\(account)' has \(segments) segments, more than one reply can hold."
        }
    }

    package var field: String {
        switch self {
        case .notTopOfHour: "through"
        case .ratingMismatch, .auditTooLarge: ""
        }
    }

    package var value: String {
        switch self {
        case .notTopOfHour(let instant), .ratingMismatch(let instant): instant.description
        case .auditTooLarge(let account, _): account.text
        }
    }
}
