import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct RefundCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "refund", abstract: "Refunds of subscriptions.",
        subcommands: [Quote.self, List.self, Show.self, Confirm.self])
}

/// The refund that a command is about.
struct RefundArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The refund, ref-...", valueName: "refund"), transform: Input.refundID)
    var id: String
}

extension RefundCommand {
    struct Quote: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "quote", abstract: "What unsubscribing a group now gives back, and what is lost.")

        @OptionGroup var group: GroupArgument
        @Flag(help: "What cancelling the last pending renewal alone gives back.")
        var renewal = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let options = session.reading(try session.account())
            let request = GatewayV1.QuoteRefundRequest(groupID: group.id)
            let reply =
                renewal
                ? try await session.refunds.quoteRenewalRefund(request, options)
                : try await session.refunds.quoteRefund(request, options)
            session.show(reply.message) {
                RefundText.quote(reply.message, renewal: renewal)
                    + "\nnext: billing group \(renewal ? "cancel-renewal" : "unsubscribe") \(reply.groupID) --token "
                    + "\(reply.token)\n"
            }
        }
    }

    struct List: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List the account's refunds.")

        @Option(help: ArgumentHelp("Only refunds of this group.", valueName: "group"), transform: Input.groupID)
        var group: String?
        @Option(help: ArgumentHelp("Rows at most (default: all).", valueName: "rows"), transform: Input.limit)
        var limit: Int?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let account = try session.account()
            let refunds = try await session.all(limit: limit) { cursor, limit in
                let reply = try await session.refunds.listRefunds(
                    .init(groupID: group ?? "", cursor: cursor, limit: limit), session.reading(account))
                return (reply.refunds, reply.nextCursor)
            }
            session.show(refunds, none: "No such refunds.") { RefundText.table(refunds) }
        }
    }

    struct Show: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Show a refund.")

        @OptionGroup var refund: RefundArgument
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            session.show(
                refund: try await session.refunds.getRefund(
                    .init(refundID: refund.id), session.reading(try session.account())))
        }
    }

    struct Confirm: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "confirm", abstract: "Tell that the online part of a refund arrived.",
            discussion: "For whoever runs the payments.")

        @OptionGroup var refund: RefundArgument
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            session.show(
                refund: try await session.refunds.confirmRefund(
                    .init(refundID: refund.id), session.writing(try session.account())))
        }
    }
}

extension Session {
    /// Prints the refund of a reply.
    func show(refund reply: Response<RefundV1.RefundReply>) {
        let refund = reply.refund ?? .init()
        show(refund, isReplay: reply.isReplay) { RefundText.text(refund) }
    }
}

enum RefundText {
    /// - Parameter renewal: whether it is of the last pending renewal alone.
    static func quote(_ quote: RefundV1.QuoteRefundReply, renewal: Bool) -> String {
        var sheet = FactSheet(
            ("group", quote.groupID), ("refund", Readable.money(quote.amountMicros)),
            (renewal ? "if cancelled at" : "if unsubscribed at", Readable.instant(quote.at)))
        if quote.onlineMicros != 0 {
            sheet.add("to the online payment", Readable.money(quote.onlineMicros))
            sheet.add("to the balance", Readable.money(quote.toBalanceMicros))
        }
        let losses = quote.losses.map { "lost: \(PlainText.printable($0))\n" }.joined()
        return sheet.text + "\n" + orders(quote.orders).text + losses
    }

    static func text(_ refund: RefundV1.Refund) -> String {
        var sheet = FactSheet(
            ("refund", refund.refundID), ("status", Readable.word(refund.status)), ("group", refund.groupID),
            ("of", refund.renewalOnly ? "the last pending renewal" : "the whole group"),
            ("amount", Readable.money(refund.amountMicros)), ("given back at", Readable.instant(refund.at)),
            ("to the balance", Readable.money(refund.toBalanceMicros)), ("because", refund.cause))
        if refund.onlineMicros != 0 {
            sheet.add(
                "to the online payment",
                Readable.money(refund.onlineMicros) + (refund.onlineConfirmed ? ", arrived" : ", pending"))
        }
        return sheet.text + (refund.orders.isEmpty ? "" : "\n" + orders(refund.orders).text)
    }

    static func table(_ refunds: [RefundV1.Refund]) -> Table {
        var table = Table(
            .text("refund"), .text("status"), .text("group"), .text("at"), .money("amount"), .money("to balance"),
            .money("online"), .text("arrived"))
        for refund in refunds {
            table.add(
                refund.refundID, Readable.word(refund.status), refund.groupID,
                Readable.instant(refund.at), Readable.money(refund.amountMicros),
                Readable.money(refund.toBalanceMicros), Readable.money(refund.onlineMicros),
                refund.onlineMicros == 0 ? Readable.nothing : refund.onlineConfirmed ? "yes" : "no")
        }
        return table
    }

    /// Ways, coupons and reasons only where there is something to say of them.
    private static func orders(_ orders: [RefundV1.RefundedOrder]) -> Table {
        let isPlain = orders.allSatisfy {
            $0.onlineMicros == 0 && $0.couponLostMicros == 0 && $0.inFullBecause.isEmpty
        }
        return isPlain ? plain(orders) : full(orders)
    }

    private static func plain(_ orders: [RefundV1.RefundedOrder]) -> Table {
        var table = Table(
            .text("order"), .money("cash paid"), .text("days used"), .money("consumed"), .money("refund"))
        for order in orders {
            table.add(
                order.orderID, Readable.money(order.cashPaidMicros), "\(order.usedDays) of \(order.termDays)",
                Readable.money(order.consumedMicros), Readable.money(order.refundMicros))
        }
        return table
    }

    private static func full(_ orders: [RefundV1.RefundedOrder]) -> Table {
        var table = Table(
            .text("order"), .money("cash paid"), .text("days used"), .money("consumed"), .money("refund"),
            .money("to balance"), .money("online"), .money("coupon lost"), .text("in full because"))
        for order in orders {
            table.add(
                order.orderID, Readable.money(order.cashPaidMicros), "\(order.usedDays) of \(order.termDays)",
                Readable.money(order.consumedMicros), Readable.money(order.refundMicros),
                Readable.money(order.toBalanceMicros), Readable.money(order.onlineMicros),
                Readable.money(order.couponLostMicros), Readable.text(order.inFullBecause))
        }
        return table
    }
}
