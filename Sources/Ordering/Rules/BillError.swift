import BillingCore

/// What is refused about bills, and why.
enum BillError: BillingError, Hashable {
    /// A list reaches over 18 months at most (domain 9.2).
    case rangeTooLong(start: Timestamp, end: Timestamp)

    var status: Status {
        switch self {
        case .rangeTooLong: .invalidArgument
        }
    }

    var reason: String {
        switch self {
        case .rangeTooLong: "bill.range_too_long"
        }
    }

    var message: String {
        switch self {
        case .rangeTooLong(let start, let end):
            "From \(BillingCalendar.format(start)) to \(BillingCalendar.format(end)) is more than "
                + "\(BillFilter.longestMonths) months; give a start and an end that are no further apart."
        }
    }

    var field: String {
        switch self {
        case .rangeTooLong: "end"
        }
    }

    var value: String {
        switch self {
        case .rangeTooLong(_, let end): BillingCalendar.format(end)
        }
    }
}
