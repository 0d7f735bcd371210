package import BillingCore

/// Why something cannot be done to a group.
package enum GroupError: BillingError, Hashable {
    /// Also for a group of another account, which is answered as if it did not exist.
    case notFound(GroupID)
    case alreadyExists(GroupID)
    /// The group is in another state; what is asked needs an active one.
    case notActive(GroupID, GroupStatus)
    case notCreating(GroupID, GroupStatus)
    /// The account owes money; describing, renaming and releasing is all that can be done to the group.
    case overdue(GroupID, since: Timestamp)
    /// The term is over; renewing, describing, renaming and releasing is all that can be done to the group.
    case expired(GroupID, since: Timestamp)
    /// A release of an overdue or expired group that is not, or not since then, or not for 15 days.
    case notDue(GroupID, GroupStatus, since: Timestamp)
    /// A saga holds the group; redo the whole operation when it is done.
    case locked(GroupID)
    /// A step of a saga that does not hold the group's lock.
    case notHeld(GroupID, by: SagaID)
    case notPayAsYouGo(GroupID)
    case notSubscription(GroupID)
    /// An instant before the group's current billing began.
    case beforeBeginning(GroupID, Timestamp)
    /// An instant before the end of what the account was billed for already.
    case billedBeyond(GroupID, Timestamp, through: Timestamp)
    case termRuns(GroupID, until: Timestamp)
    /// A renewal's term that neither follows the last paid one nor starts anew after it.
    case termUnconnected(GroupID, start: Timestamp, end: Timestamp)
    /// Renewals are cancelled from the last one on.
    case notLastRenewal(GroupID, OrderID)
    /// A duration that is not sold.
    case renewalMonths(UInt32)
    case instanceCount(UInt32)
    case instanceNotFound(String)
    case instanceNotRunning(String)
    case reportTooOld(Timestamp, notBefore: Timestamp)
    case reportAhead(Timestamp, now: Timestamp)
    /// A field that only goes with another one.
    case unexpected(field: String, value: String)
    /// A field without which the request makes no sense.
    case missing(field: String)
    /// A term that ends before it starts, or that does not start in any year we know.
    case termMalformed(start: Int64, end: Int64)
    case instantOutOfRange(field: String, milliseconds: Int64)

    package var status: Status {
        switch self {
        case .notFound, .instanceNotFound: .notFound
        case .alreadyExists: .alreadyExists
        case .notActive, .notCreating, .notHeld, .notPayAsYouGo, .notSubscription, .beforeBeginning, .billedBeyond,
            .termRuns, .instanceNotRunning, .reportTooOld, .reportAhead, .overdue, .expired, .notDue, .termUnconnected,
            .notLastRenewal:
            .failedPrecondition
        case .locked: .aborted
        case .instanceCount, .unexpected, .missing, .termMalformed, .instantOutOfRange, .renewalMonths:
            .invalidArgument
        }
    }

    package var reason: String {
        switch self {
        case .notFound: "group.not_found"
        case .alreadyExists: "group.already_exists"
        case .notActive: "group.not_active"
        case .notCreating: "group.not_creating"
        case .overdue: "group.overdue"
        case .expired: "group.expired"
        case .notDue: "group.not_due"
        case .locked: "group.locked"
        case .notHeld: "group.not_held"
        case .notPayAsYouGo: "group.not_pay_as_you_go"
        case .notSubscription: "group.not_subscription"
        case .beforeBeginning: "group.before_beginning"
        case .billedBeyond: "group.billed_beyond"
        case .termRuns: "group.term_runs"
        case .termUnconnected: "group.term_unconnected"
        case .notLastRenewal: "group.not_last_renewal"
        case .renewalMonths: "group.renewal_months"
        case .instanceCount: "group.instance_count"
        case .instanceNotFound: "instance.not_found"
        case .instanceNotRunning: "instance.not_running"
        case .reportTooOld: "group.report_too_old"
        case .reportAhead: "group.report_ahead"
        case .unexpected: "group.unexpected_field"
        case .missing: "group.missing_field"
        case .termMalformed: "group.term_malformed"
        case .instantOutOfRange: "group.instant_out_of_range"
        }
    }

    package var message: String {
        switch self {
        case .notFound(let id): "There is no group '\(id)' in this account."
        case .alreadyExists(let id): "The group '\(id)' exists already."
        case .notActive(let id, let status): "The group '\(id)' is \(status); this needs an active group."
        case .notCreating(let id, let status):
            "The group '\(id)' is \(status); a creation is reported once, while the group is creating."
        case .overdue(let id, let since):
            "The group '\(id)' is overdue since \(since); pay what the account owes, or release the group."
        case .expired(let id, let since): "The term of the group '\(id)' ended \(since); renew it first."
        case .notDue(let id, let status, let since):
            "The group '\(id)' is not \(status) since \(since) for 15 days, so it is not released."
        case .locked(let id): "Another operation holds the group '\(id)'; try again when it is done."
        case .notHeld(let id, let saga): "The operation '\(saga)' does not hold the group '\(id)'."
        case .notPayAsYouGo(let id):
            "The group '\(id)' is billed by subscription; unsubscribe it, or wait until its term ends."
        case .notSubscription(let id):
            "The group '\(id)' is billed pay-as-you-go and has no term; switch it to a subscription first, or release it."
        case .beforeBeginning(let id, let at): "At \(at) the group '\(id)' was not billed this way yet."
        case .billedBeyond(let id, let at, let through):
            "The group '\(id)' was billed through \(through) already, after \(at)."
        case .termRuns(let id, let end): "The term of the group '\(id)' runs until \(end)."
        case .termUnconnected(let id, let start, let end):
            "A term from \(start) to \(end) neither follows the last paid term of the group '\(id)' nor starts anew."
        case .notLastRenewal(let id, let order):
            "The order '\(order)' is not the last pending renewal of the group '\(id)'; cancel that one first."
        case .renewalMonths(let months): "A term has 1, 2, 3, 6 or 12 months, not \(months)."
        case .instanceCount(let count): "A group has 1 to 100 instances, not \(count)."
        case .instanceNotFound(let id): "There is no instance '\(id)' in this group."
        case .instanceNotRunning(let id):
            id.isEmpty
                ? "No instance of the group is running; turn one on first."
                : "The instance '\(id)' is stopped; turn it on first."
        case .reportTooOld(let at, let floor):
            "The account has events at \(floor), after the reported \(at). Report it without an instant, which means now."
        case .reportAhead(let at, let now): "The reported \(at) is after now, \(now)."
        case .unexpected(let field, _): "The field \(field) only goes with a group that an order pays for."
        case .missing(let field): "The field \(field) is missing."
        case .termMalformed: "A term starts at an instant, ends at a later one and has at least one month."
        case .instantOutOfRange(let field, _): "The instant \(field) is not between the years 1970 and 9999."
        }
    }

    package var field: String {
        switch self {
        case .notFound, .alreadyExists, .notActive, .notCreating, .locked, .notPayAsYouGo, .notSubscription, .overdue,
            .expired, .notDue:
            "group_id"
        case .notLastRenewal: "order_id"
        case .renewalMonths: "months"
        case .instanceCount: "instances"
        case .instanceNotFound, .instanceNotRunning: "instance_id"
        case .reportTooOld, .reportAhead: "at"
        case .unexpected(let field, _), .missing(let field), .instantOutOfRange(let field, _):
            field
        case .termMalformed, .termUnconnected: "term"
        case .notHeld, .beforeBeginning, .billedBeyond, .termRuns: ""
        }
    }

    package var value: String {
        switch self {
        case .notFound(let id), .alreadyExists(let id), .locked(let id), .notPayAsYouGo(let id),
            .notSubscription(let id):
            id.text
        case .notActive(let id, _), .notCreating(let id, _), .overdue(let id, _), .expired(let id, _),
            .notDue(let id, _, _):
            id.text
        case .notLastRenewal(_, let order): order.text
        case .termUnconnected(_, let start, let end): "\(start) to \(end)"
        case .instanceCount(let count), .renewalMonths(let count): String(count)
        case .instanceNotFound(let id), .instanceNotRunning(let id): id
        case .reportTooOld(let at, _), .reportAhead(let at, _), .beforeBeginning(_, let at),
            .billedBeyond(_, let at, _):
            at.description
        case .unexpected(_, let value): value
        case .termMalformed(let start, let end): "\(start) to \(end)"
        case .instantOutOfRange(_, let milliseconds): String(milliseconds)
        case .notHeld, .termRuns, .missing: ""
        }
    }
}
