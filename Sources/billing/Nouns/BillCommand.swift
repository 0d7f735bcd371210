import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct BillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bill", abstract: "Bills.", subcommands: [List.self, Explain.self, Why.self, Export.self],
        defaultSubcommand: List.self)

    struct List: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List bill lines, or sums over them.",
            discussion: """
                All views of one filter add up to the same total, which is the last row. A list reaches over 18 months at \
                most: without --from it begins with the first line, without --to it ends now.
                """)

        @Option(help: ArgumentHelp("Sum by this; not for details.", valueName: "what"))
        var groupBy: BillView?
        @Option(help: ArgumentHelp("Sum over this; details shows line by line (default: month).", valueName: "period"))
        var period: OrderV1.StatisticalPeriod?
        @OptionGroup var filter: BillFilter
        @Option(
            help: ArgumentHelp(
                "Show these columns, by their names with --json, apart by commas.", valueName: "columns"),
            transform: BillColumn.list)
        var columns: [BillColumn]?
        @Option(help: ArgumentHelp("Rows at most (default: all).", valueName: "rows"), transform: Input.limit)
        var limit: Int?
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            try filter.validate(with: global)
            if period == .details, let groupBy {
                throw ValidationError(
                    "Details are line by line, and --group-by adds lines up: take --group-by \(groupBy.rawValue) with "
                        + "--period month, day or total, or leave it out and choose what each line shows with --columns."
                )
            }
        }

        func run(_ session: Session) async throws {
            let account = try filter.account(session)
            var first = filter.request
            first.groupBy = groupBy?.grouping ?? .unspecified
            first.period = period ?? .month
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
                let columns = columns ?? BillColumn.all
                for line in lines { session.print(JSONLine.text(columns.fields(of: line)) + "\n") }
                if let total {
                    session.print(JSONLine.text([("total", .message(columns.fields(of: total)))]) + "\n")
                }
            } else if lines.isEmpty {
                session.print("Nothing was billed.\n")
            } else if let columns {
                session.print(BillText.table(lines, columns).text)
            } else if period == .details {
                session.print(BillText.details(lines, total: total, withAccounts: filter.allAccounts).text)
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
