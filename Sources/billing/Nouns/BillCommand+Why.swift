import ArgumentParser
import BillingAPI
import BillingCore
import RPC

extension BillCommand {
    struct Why: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "why", abstract: "Show what an account is still billed for by time, and what ends it.",
            discussion: """
                USD per hour are at the prices of now, for all instances or the whole size. A released group goes on \
                until the unit that it is in ends.
                """)

        @OptionGroup var which: AccountArgument
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let account = try session.account(which.account)
            let accruing = try await session.all(limit: nil) { cursor, limit in
                let reply = try await session.resources.listAccruing(
                    .init(cursor: cursor, limit: limit), session.reading(account))
                return (reply.accruing, reply.nextCursor)
            }
            guard !session.isJSON else {
                for each in accruing { session.print(JSONLine.text(AccruingText.fields(each)) + "\n") }
                return
            }
            session.print(
                accruing.isEmpty
                    ? "Nothing accrues: \(account) is not billed by time.\n" : AccruingText.table(accruing).text)
        }
    }
}

enum AccruingText {
    /// The command that ends it; empty for what ends by itself.
    static func ending(_ accruing: MeteringV1.Accruing) -> String {
        guard accruing.until == 0 else { return "" }
        switch accruing.item {
        case "": return "billing group release \(accruing.resourceID)"
        case "oss": return "billing backup release \(accruing.resourceID)"
        default: return "billing network release \(accruing.resourceID)"
        }
    }

    /// The message as JSON, with the command beside it.
    static func fields(_ accruing: MeteringV1.Accruing) -> JSONLine.Fields {
        accruing.wireFields + [(name: "ended_by", value: .text(ending(accruing)))]
    }

    static func table(_ accruing: [MeteringV1.Accruing]) -> Table {
        var table = Table(
            .text("what"), .text("item"), .text("name or network"), .text("region"), .number("size"), .text("since"),
            .money("USD per hour"), .text("ends with"))
        for each in accruing {
            table.add(
                each.resourceID, each.item.isEmpty ? each.specification : each.item,
                Readable.text(each.item.isEmpty ? each.name : each.network), each.region, size(each),
                Readable.instant(each.since), Readable.money(each.hourMicros),
                each.until == 0 ? ending(each) : "by itself at \(Readable.instant(each.until))")
        }
        let total = accruing.reduce(Money.zero) { $0 + Money(micros: $1.hourMicros) }
        table.add("total per hour", "", "", "", "", "", Readable.money(total.micros), "")
        return table
    }

    private static func size(_ accruing: MeteringV1.Accruing) -> String {
        switch accruing.item {
        case "": Readable.count(accruing.instances)
        case "shared-bandwidth": "\(Readable.count(accruing.quantity)) Mbps"
        case "oss": "\(Readable.count(accruing.quantity)) GiB"
        default: Readable.nothing
        }
    }
}
