import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct BillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bill", abstract: "Bills.", subcommands: [List.self], defaultSubcommand: List.self)

    struct List: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List bill lines, or sums over them.",
            discussion: "All views of one filter add up to the same total, which is the last row.")

        @Option(help: ArgumentHelp("Sum by this; not for details.", valueName: "what"))
        var groupBy: BillView?
        @Option(help: ArgumentHelp("Sum over this; details shows line by line (default: month).", valueName: "period"))
        var period: OrderV1.StatisticalPeriod?
        @Option(
            help: ArgumentHelp("Only use and terms that start in this month.", valueName: "month"),
            transform: Input.month)
        var month: Period?
        @Option(
            help: ArgumentHelp("Only what starts at or after this instant.", valueName: "instant"),
            transform: Input.instant)
        var from: Timestamp?
        @Option(
            help: ArgumentHelp("Only what starts before this instant.", valueName: "instant"), transform: Input.instant)
        var to: Timestamp?
        @Option(help: ArgumentHelp("Only this group.", valueName: "group"), transform: Input.groupID)
        var group: String?
        @Option(help: ArgumentHelp("Only this region.", valueName: "region"))
        var region: String?
        @Option(help: ArgumentHelp("Only this specification.", valueName: "specification"))
        var specification: String?
        @Option(help: ArgumentHelp("Only what is billed this way; may be repeated.", valueName: "method"))
        var method: [CommonV1.BillingMethod] = []
        @Option(help: ArgumentHelp("Only lines of this kind; may be repeated.", valueName: "kind"))
        var kind: [OrderV1.ItemKind] = []
        @Option(help: ArgumentHelp("Rows at most (default: all).", valueName: "rows"), transform: Input.limit)
        var limit: Int?
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            if month != nil, from != nil || to != nil {
                throw ValidationError("--month says it all; leave out --from and --to.")
            }
            if period == .details, groupBy != nil {
                throw ValidationError("Details are line by line; leave out --group-by.")
            }
            if let from, let to, from >= to { throw ValidationError("--from \(from) is not before --to \(to).") }
        }

        func run(_ session: Session) async throws {
            let account = try session.account()
            let first = OrderV1.ListBillRequest(
                start: (month?.start ?? from)?.milliseconds ?? 0, end: (month?.end ?? to)?.milliseconds ?? 0,
                groupID: group ?? "", region: region ?? "", specification: specification ?? "", billingMethods: method,
                itemKinds: kind, groupBy: groupBy?.grouping ?? .unspecified, period: period ?? .month)
            var total: OrderV1.BillLine?
            let lines = try await session.all(limit: limit) { cursor, limit in
                var request = first
                request.cursor = cursor
                request.limit = limit
                let reply = try await session.bills.listBill(request, session.reading(account))
                total = reply.total
                return (reply.lines, reply.nextCursor)
            }
            if session.isJSON {
                session.show(lines, none: "") { BillText.sums([], total: nil, groupBy: nil) }
                if let total { session.print(JSONLine.text([("total", .message(total.wireFields))]) + "\n") }
            } else if lines.isEmpty {
                session.print("Nothing was billed.\n")
            } else if period == .details {
                session.print(BillText.details(lines, total: total).text)
            } else {
                session.print(BillText.sums(lines, total: total, groupBy: groupBy).text)
            }
        }
    }
}

/// What bill lines are summed by, in the words of the command line.
enum BillView: String, CaseIterable, ExpressibleByArgument {
    case group
    case item
    case specification
    case region
    case method
    case specificationRegion = "specification-region"
    case product
    case account

    var grouping: OrderV1.BillGrouping {
        switch self {
        case .group: .group
        case .item: .item
        case .specification: .specification
        case .region: .region
        case .method: .billingMethod
        case .specificationRegion: .specificationAndRegion
        case .product: .product
        case .account: .account
        }
    }
}

enum BillText {
    static func sums(_ lines: [OrderV1.BillLine], total: OrderV1.BillLine?, groupBy: BillView?) -> Table {
        var table = Table(
            .text("period"), .text(groupBy?.rawValue ?? "sum of"), .number("lines"), .money("gross"),
            .money("discount"), .money("payable"), .money("paid"), .money("outstanding"))
        func add(_ line: OrderV1.BillLine, _ period: String, _ grouping: String) {
            table.add(
                period, grouping, Readable.count(line.lines), Readable.money(line.grossMicros),
                Readable.money(line.discountMicros + line.roundDownMicros + line.couponMicros),
                Readable.money(line.payableMicros), Readable.money(line.paidMicros),
                Readable.money(line.outstandingMicros))
        }
        for line in lines {
            add(line, Readable.text(line.billingPeriod), line.grouping.isEmpty ? "all" : line.grouping)
        }
        if let total { add(total, "total", "") }
        return table
    }

    static func details(_ lines: [OrderV1.BillLine], total: OrderV1.BillLine?) -> Table {
        var table = Table(
            .text("use or term"), .text("kind"), .text("group"), .text("specification"), .text("region"),
            .number("quantity"), .number("list price"), .money("gross"), .money("payable"), .money("paid"),
            .money("outstanding"), .text("status"))
        for line in lines {
            table.add(
                line.usageStart == 0 && line.usageEnd == 0
                    ? Readable.instant(line.postedAt) : Readable.period(line.usageStart, line.usageEnd),
                Readable.word(line.itemKind), Readable.text(line.groupID),
                Readable.text(line.specification), Readable.text(line.region),
                quantity(line),
                line.priceUnit.isEmpty ? Readable.nothing : "\(Readable.price(line.listPriceNanos))/\(line.priceUnit)",
                Readable.money(line.grossMicros), Readable.money(line.payableMicros), Readable.money(line.paidMicros),
                Readable.money(line.outstandingMicros), Readable.word(line.status))
        }
        if let total {
            table.add(
                "total of \(Readable.count(total.lines, "line"))", "", "", "", "", "", "",
                Readable.money(total.grossMicros), Readable.money(total.payableMicros),
                Readable.money(total.paidMicros), Readable.money(total.outstandingMicros), "")
        }
        return table
    }

    /// "2.5": the list price beside it names the unit.
    private static func quantity(_ line: OrderV1.BillLine) -> String {
        line.quantityUnit.isEmpty
            ? Readable.nothing : FixedPoint.format(line.quantityThousandths, decimals: 3, atLeast: 0)
    }
}
