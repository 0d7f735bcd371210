import ArgumentParser
import BillingAPI
import BillingCore
import RPC

extension BillCommand {
    struct Explain: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "explain", abstract: "Say how a bill line came to its amount, and compute it again.",
            discussion: """
                The amount is computed again from what is stored with the line, the anchor of the units and the slice, \
                and from the prices of its price-list version. If the line says something else, that is an ALARM and \
                the exit status is 1. Lines are named by line_id in billing bill list --period details --columns \
                line_id,payable.
                """)

        @Argument(help: ArgumentHelp("The bill line.", valueName: "line"), transform: Input.line)
        var line: BillLineName
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let reply = try await session.bills.explainLine(
                .init(lineID: line.text), session.reading(try session.account(line.account))
            ).message
            session.show(reply) { ExplanationText.text(reply) }
            guard reply.agrees else {
                throw CommandFailure(
                    .refused,
                    (["ALARM: line \(line.text) is not what it follows from."] + reply.disagreements)
                        .joined(separator: " "),
                    next: "billing audit checks all lines; nobody corrects this by hand but billing account adjust.")
            }
        }
    }
}

/// The name of a bill line, which begins with its account.
struct BillLineName {
    let text: String
    let account: String
}

extension Input {
    static func line(_ text: String) throws -> BillLineName {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty else {
            throw ValidationError(
                "'\(text)' does not name a bill line; billing bill list --period details --columns line_id,payable "
                    + "has the names.")
        }
        return BillLineName(text: text, account: try accountID(String(parts[0])))
    }
}

enum ExplanationText {
    /// What the line has for the amount that is recomputed: the gross, of a refund or a round-down the payable amount.
    static func stored(_ reply: GatewayV1.ExplainLineReply) -> Int64 {
        let line = reply.details?.line ?? .init()
        return line.itemKind == .refund || line.roundDownLine ? line.payableMicros : line.grossMicros
    }

    static func text(_ reply: GatewayV1.ExplainLineReply) -> String {
        let details = reply.details ?? .init()
        let line = details.line ?? .init()
        var sheet = FactSheet(
            ("line", line.lineID), ("kind", Readable.word(line.itemKind)), ("item", line.billingItem),
            ("resource", line.resourceID), ("specification", line.specification), ("region", line.region),
            ("network", line.network), ("size", line.size == 0 ? "" : Readable.count(line.size)),
            ("order", line.orderID), ("refund", line.refundID), ("reason", line.reason),
            ("price version", line.priceListVersion == 0 ? "" : String(line.priceListVersion)),
            ("unit", Readable.word(line.billingUnit)), ("created", Readable.instant(details.createdAt)),
            ("anchor", Readable.instant(details.anchor)), ("slice", Readable.period(line.usageStart, line.usageEnd)))
        if !line.priceUnit.isEmpty {
            sheet.add("list price", "\(Readable.price(line.listPriceNanos))/\(line.priceUnit)")
        }
        var text = sheet.text + "\n"
        for (index, step) in reply.steps.enumerated() { text += "\(index + 1). \(PlainText.printable(step))\n" }
        text += "\n" + amounts(line).text
        if !details.payments.isEmpty { text += "\n" + payments(details.payments).text }
        return text + "\n"
            + FactSheet(
                ("recomputed", Money(micros: reply.recomputedMicros).description),
                ("stored", Money(micros: stored(reply)).description + (reply.agrees ? ", which agrees" : ""))
            ).text
    }

    private static func amounts(_ line: OrderV1.BillLine) -> Table {
        var table = Table(.text("amount"), .money("USD"))
        for (name, micros) in [
            ("gross", line.grossMicros), ("discount", -line.discountMicros), ("round-down", -line.roundDownMicros),
            ("coupon", -line.couponMicros),
        ] where micros != 0 || name == "gross" {
            table.add(name, Readable.money(micros))
        }
        table.add("payable", Readable.money(line.payableMicros))
        table.add("paid", Readable.money(line.paidMicros))
        if line.outstandingMicros != 0 { table.add("outstanding", Readable.money(line.outstandingMicros)) }
        return table
    }

    private static func payments(_ payments: [OrderV1.LinePayment]) -> Table {
        var table = Table(.text("paid at"), .text("with"), .text("reference"), .money("USD"))
        for payment in payments {
            table.add(
                Readable.instant(payment.at), Readable.text(payment.kind), Readable.text(payment.reference),
                Readable.money(payment.amountMicros))
        }
        return table
    }
}
