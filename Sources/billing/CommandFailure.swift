import BillingAPI
import BillingCore
import RPC

/// How the program ended, for scripts.
enum ExitStatus: Int32 {
    case done = 0
    /// A rule says no; the message has its name.
    case refused = 1
    /// The command line makes no sense, or a person said no.
    case usage = 2
    /// The gateway cannot be reached, or nobody knows whether it did what was asked.
    case unknown = 3
}

/// Why a command did not do what was asked, in words for a person.
struct CommandFailure: Error {
    let status: ExitStatus
    let message: String
    /// What to do about it; empty when the message says so.
    var next: String
    /// The refusal behind it, if a service answered.
    var refusal: RPCError?

    init(_ status: ExitStatus, _ message: String, next: String = "", refusal: RPCError? = nil) {
        self.status = status
        self.message = message
        self.next = next
        self.refusal = refusal
    }

    /// One or two lines for standard error.
    var text: String {
        var text = "billing: " + Readable.instants(in: PlainText.printable(message)) + "\n"
        if !next.isEmpty { text += "next: " + PlainText.printable(next) + "\n" }
        return text
    }

    /// The same for a program.
    var json: String {
        JSONLine.text([
            ("status", .text(refusal.map { String(describing: $0.status) } ?? String(describing: status))),
            ("reason", .text(refusal?.reason ?? "")), ("message", .text(refusal?.message ?? message)),
            ("field", .text(refusal?.field ?? "")), ("value", .text(refusal?.value ?? "")), ("next", .text(next)),
        ])
    }
}

extension CommandFailure {
    /// What a call's end means to the person who gave the command.
    /// - Parameters:
    ///   - endpoint: where the gateway was looked for.
    ///   - repeating: the options that repeat the write safely, "--key K"; `nil` after a read.
    init(_ error: RPCError, endpoint: String, repeating: String?) {
        switch error.status {
        case .unavailable where error.reason == "call.unreachable" && ["", endpoint].contains(error.value):
            self.init(
                .unknown, "No gateway answers at \(endpoint) (\(error.reason)).",
                next: "start the services with deploy/run --keep, or name another gateway with --gateway.",
                refusal: error)
        case .unavailable:
            // The gateway answers; a service behind it is away, or cannot do it just now.
            self.init(
                .unknown, CommandFailure.sentence(error),
                next: error.reason == "call.unreachable"
                    ? "start that service; deploy/run --keep starts them all."
                    : "try again in a moment" + (repeating.map { ", with \($0)." } ?? "."),
                refusal: error)
        case .resourceExhausted:
            self.init(
                .unknown, CommandFailure.sentence(error), next: "nothing was done; try again in a moment.",
                refusal: error)
        case .deadlineExceeded, .cancelled, .unknown, .internalError, .dataLoss:
            self.init(
                .unknown, CommandFailure.sentence(error),
                next: repeating.map { "the outcome is unknown; repeat the command with \($0) to learn it." }
                    ?? "try again, with a longer --timeout if it was that.",
                refusal: error)
        case .ok, .invalidArgument, .notFound, .alreadyExists, .permissionDenied, .failedPrecondition, .aborted,
            .outOfRange, .unimplemented, .unauthenticated:
            self.init(
                .refused, CommandFailure.sentence(error), next: NextStep.after(error) ?? "", refusal: error)
        }
    }

    /// "Only whole groups are unsubscribed. (refund.partial; quantity = 2)"
    private static func sentence(_ error: RPCError) -> String {
        var facts = [error.reason]
        if !error.field.isEmpty { facts.append(error.value.isEmpty ? error.field : "\(error.field) = \(error.value)") }
        if error.isReplay { facts.append("replayed") }
        return "\(error.message) (\(facts.joined(separator: "; ")))"
    }
}

/// What a person can do after a refusal.
enum NextStep {
    static func after(_ error: RPCError) -> String? {
        if let step = byReason[error.reason] { return step }
        return error.status == .aborted ? "something else is at work on it; give the command again." : nil
    }

    private static let byReason: [String: String] = [
        "account.insufficient_balance":
            "billing account top-up AMOUNT adds to the balance; billing account show tells what is there.",
        "account.not_found": "billing account list shows the accounts.",
        "account.overdue": "billing account top-up AMOUNT pays what is outstanding.",
        "call.key_reused": "leave out --key to get a new one, or repeat the first command unchanged.",
        "clock.real": "start the services with a manual clock: deploy/run --keep.",
        "coupon.below_minimum": "billing coupon list shows the minimum; --no-coupon pays without one.",
        "coupon.changed": "give the command again: the best coupon of now is used, or the one --coupon names.",
        "coupon.expired": "billing coupon list --usable shows what can be used; --no-coupon pays without one.",
        "coupon.not_applicable": "billing coupon list shows what each is for; --no-coupon pays without one.",
        "coupon.not_found": "billing coupon list shows the account's coupons.",
        "coupon.not_yet_effective": "billing coupon list shows from when each is usable; --no-coupon pays without one.",
        "coupon.used_up": "billing coupon list --usable shows what can be used; --no-coupon pays without one.",
        "group.not_active": "billing group show GROUP tells the group's state.",
        "group.not_found": "billing group list shows the account's groups.",
        "group.not_pay_as_you_go": "a subscribed group is given back with billing group unsubscribe GROUP.",
        "group.not_subscription": "a pay-as-you-go group is given back with billing group release GROUP.",
        "instance.not_found": "billing group show GROUP lists its instances.",
        "network.no_groups": "billing group show GROUP tells the network and the region of a group.",
        "network.region_ambiguous": "give the command again with --region REGION.",
        "order.insufficient_balance": "billing account top-up AMOUNT, then billing order pay ORDER.",
        "order.not_found": "billing order list shows the account's orders.",
        "order.not_unpaid": "nothing is left to pay; billing order show ORDER tells when and how it was settled.",
        "order.unpaid_orders": "billing order list --status unpaid, then billing order pay ORDER or cancel ORDER.",
        "payment.nothing_to_pay": "billing order pay ORDER without --online pays it from the coupon and the balance.",
        "payment.not_found": "billing payment list shows the account's payments.",
        "price.unknown_duration": "1, 2, 3, 6 and 12 months are sold.",
        "price.unknown_region": "billing price list shows the regions.",
        "price.unknown_specification": "billing price list shows the specifications.",
        "refund.expired": "the term is over; billing group renew GROUP takes a new one within 15 days of its end.",
        "refund.no_pending_renewal": "billing group show GROUP lists its terms.",
        "refund.not_found": "billing refund list shows the account's refunds.",
        "refund.pay_as_you_go": "a pay-as-you-go group is given back with billing group release GROUP.",
        "refund.quote_changed": "billing refund quote GROUP, with --renewal for a renewal, tells today's amount.",
        "refund.unpaid_order": "billing order list --status unpaid, then billing order pay ORDER or cancel ORDER.",
        "resource.not_active": "billing network list and billing backup list tell the states.",
        "resource.not_found": "billing network list and billing backup list show the account's resources.",
        "saga.not_found": "billing saga list shows the sagas.",
    ]
}
