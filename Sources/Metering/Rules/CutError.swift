package import BillingCore

/// Why a cut, or a look at the cuts, cannot be done as asked.
package enum CutError: BillingError, Hashable {
    case notTopOfHour(Timestamp)
    /// The pricing service answered something else than was asked.
    case ratingMismatch(hour: Timestamp)

    package var status: Status {
        switch self {
        case .notTopOfHour: .invalidArgument
        case .ratingMismatch: .internalError
        }
    }

    package var reason: String {
        switch self {
        case .notTopOfHour: "cut.not_top_of_hour"
        case .ratingMismatch: "cut.rating_mismatch"
        }
    }

    package var message: String {
        switch self {
        case .notTopOfHour(let instant): "Cuts are made at the top of an hour, and \(instant) is none."
        case .ratingMismatch(let hour): "The slices of the cut at \(hour) came back rated differently than asked."
        }
    }

    package var field: String {
        switch self {
        case .notTopOfHour: "through"
        case .ratingMismatch: ""
        }
    }

    package var value: String {
        switch self {
        case .notTopOfHour(let instant), .ratingMismatch(let instant): instant.description
        }
    }
}
