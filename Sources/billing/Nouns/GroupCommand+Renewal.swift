import ArgumentParser
import BillingAPI
import BillingCore
import RPC

/// Whether a subscription renews itself.
struct AutoRenewalOptions: ParsableArguments {
    @Flag(help: "Let the subscription renew itself, from coupons and the balance.")
    var autoRenew = false
    @Option(
        help: ArgumentHelp(
            "With --auto-renew: for so many months each time (default: as many as bought).", valueName: "months"),
        transform: Input.count)
    var autoRenewMonths: UInt32?

    func validate() throws {
        if autoRenewMonths != nil, !autoRenew {
            throw ValidationError("--auto-renew-months says how; add --auto-renew.")
        }
    }
}

extension GroupCommand {
    struct Renew: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "renew", abstract: "Order a further term of a subscribed group.",
            discussion: """
                The new term starts where the last paid one ends, or, within 15 days after the group expired, when the \
                order is paid. --pay places the order and pays it at once.
                """)

        @OptionGroup var group: GroupArgument
        @Option(
            help: ArgumentHelp("1, 2, 3, 6 or 12 (default: as many as were bought last).", valueName: "months"),
            transform: Input.count)
        var months: UInt32?
        @OptionGroup var payment: PayAtOnceOptions
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let account = try session.account()
            let placed = try await session.orders.placeRenewalOrder(
                .init(groupID: group.id, months: months ?? 0), session.writing(account))
            try await session.finish(placing: placed, account, payment)
        }
    }

    struct CancelRenewal: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "cancel-renewal", abstract: "Give the last pending renewal back, for all that was paid.",
            discussion: """
                The group goes on to the end of what is left. Coupons are not given back. A token of billing refund \
                quote --renewal confirms that quote.
                """)

        @OptionGroup var group: GroupArgument
        @Option(help: ArgumentHelp("Confirms the refund quote that it comes from.", valueName: "token"))
        var token: String?
        @Flag(help: "Do not ask.")
        var yes = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let account = try session.account()
            var confirmed = token ?? ""
            if token == nil {
                let quote = try await session.refunds.quoteRenewalRefund(
                    .init(groupID: group.id), session.reading(account)
                ).message
                confirmed = try session.confirm(
                    quote, "Cancel the last renewal of \(group.id)", renewal: true, yes: yes)
            }
            let reply = try await session.groups.cancelRenewal(
                .init(groupID: group.id, token: confirmed),
                session.writing(account, repeatedWith: "--token \(confirmed)"))
            session.show(unsubscription: reply)
        }
    }

    struct AutoRenew: GatewayCommand {
        enum Setting: String, CaseIterable, ExpressibleByArgument {
            case on
            case off
        }

        static let configuration = CommandConfiguration(
            commandName: "auto-renew", abstract: "Let a subscribed group renew itself, or stop that.",
            discussion: """
                Attempts are at 08:00 (UTC+8), 3 days and 1 day before the term ends, on that day, and 6 and 14 days \
                after it: a coupon first, then the balance, the whole price or nothing.
                """)

        @OptionGroup var group: GroupArgument
        @Argument(help: "Whether it renews itself.")
        var setting: Setting
        @Option(
            help: ArgumentHelp(
                "1, 2, 3, 6 or 12 each time (default: as many as were bought last).", valueName: "months"),
            transform: Input.count)
        var months: UInt32?
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            if setting == .off, months != nil { throw ValidationError("Nothing is renewed then; leave out --months.") }
        }

        func run(_ session: Session) async throws {
            session.show(
                group: try await session.groups.setAutoRenewal(
                    .init(groupID: group.id, enabled: setting == .on, months: months ?? 0),
                    session.writing(try session.account())))
        }
    }
}

extension Session {
    /// Shows what a refund quote gives and loses, and asks whether to go on.
    /// - Parameters:
    ///   - act: what is asked, "Unsubscribe ag-1".
    ///   - renewal: whether the quote is of the last pending renewal alone.
    ///   - yes: whether the command line answers already.
    /// - Returns: the quote's token.
    func confirm(_ quote: RefundV1.QuoteRefundReply, _ act: String, renewal: Bool, yes: Bool) throws -> String {
        if isJSON, !yes { terminal.writeError(RefundText.quote(quote, renewal: renewal)) }
        if !isJSON { print(RefundText.quote(quote, renewal: renewal) + "\n") }
        try confirm("\(act) for a refund of \(Readable.money(quote.amountMicros))?", yes: yes)
        return quote.token
    }

    /// Prints what was given back and the group as it is then.
    func show(unsubscription reply: Response<GatewayV1.UnsubscribeReply>) {
        show(reply.message, isReplay: reply.isReplay) {
            (reply.refund.map(RefundText.text) ?? "") + "\n" + (reply.group.map(GroupText.text) ?? "")
        }
    }
}
