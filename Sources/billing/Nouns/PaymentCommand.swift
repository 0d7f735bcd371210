import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct PaymentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "payment", abstract: "Online payments.", subcommands: [List.self, Confirm.self])

    struct List: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the account's online payments.")

        @Option(help: ArgumentHelp("Only payments in this state; may be repeated.", valueName: "status"))
        var status: [OrderV1.PaymentStatus] = []
        @Option(help: ArgumentHelp("Rows at most (default: all).", valueName: "rows"), transform: Input.limit)
        var limit: Int?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let account = try session.account()
            let payments = try await session.all(limit: limit) { cursor, limit in
                let reply = try await session.payments.listPayments(
                    .init(statuses: status, cursor: cursor, limit: limit), session.reading(account))
                return (reply.payments, reply.nextCursor)
            }
            session.show(payments, none: "No such payments.") { PaymentText.table(payments) }
        }
    }

    struct Confirm: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "confirm", abstract: "Tell that an online payment came.",
            discussion: "For whoever runs the payments. Pays the order; if that is too late, the money is given back.")

        @Argument(help: ArgumentHelp("The external reference.", valueName: "reference"))
        var reference: String
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let reply = try await session.payments.confirmPayment(
                .init(reference: reference), session.writing(try session.account()))
            session.show(reply.message, isReplay: reply.isReplay) {
                var parts: [String] = []
                if !reply.returnedBecause.isEmpty {
                    let reason = Readable.instants(in: PlainText.printable(reply.returnedBecause))
                    parts.append("The money is given back: \(reason)\n")
                }
                parts += [
                    reply.payment.map(PaymentText.text), reply.order.map(OrderText.text),
                    reply.group.map(GroupText.text), reply.account.map(AccountText.text),
                ].compactMap { $0 }
                return parts.joined(separator: "\n")
            }
        }
    }
}

enum PaymentText {
    static func text(_ payment: OrderV1.Payment) -> String {
        FactSheet(
            ("payment", payment.paymentID), ("reference", payment.reference), ("for order", payment.orderID),
            ("amount", Readable.money(payment.amountMicros)), ("with it", also(payment)),
            ("status", Readable.word(payment.status)),
            ("registered", Readable.instant(payment.registeredAt)), ("confirmed", Readable.instant(payment.confirmedAt))
        ).text
    }

    /// "coupon cpn-1 10.00, balance 5.00": what else pays the order; "" for nothing.
    private static func also(_ payment: OrderV1.Payment) -> String {
        var parts: [String] = []
        if payment.couponMicros != 0 {
            parts.append("coupon \(payment.couponID) \(Readable.money(payment.couponMicros))")
        }
        if payment.balanceMicros != 0 { parts.append("balance \(Readable.money(payment.balanceMicros))") }
        return parts.joined(separator: ", ")
    }

    /// A sentence about what is taken with the online part.
    static func rest(_ payment: OrderV1.Payment) -> String {
        let also = also(payment)
        return also.isEmpty ? "" : "Taken then as well: \(PlainText.printable(also)).\n"
    }

    static func table(_ payments: [OrderV1.Payment]) -> Table {
        var table = Table(
            .text("payment"), .text("reference"), .text("status"), .money("amount"), .text("for"),
            .text("registered"), .text("confirmed"))
        for payment in payments {
            table.add(
                payment.paymentID, payment.reference, Readable.word(payment.status),
                Readable.money(payment.amountMicros), payment.orderID.isEmpty ? "top-up" : payment.orderID,
                Readable.instant(payment.registeredAt), Readable.instant(payment.confirmedAt))
        }
        return table
    }
}
