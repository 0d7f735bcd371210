import ArgumentParser
import BillingAPI
import BillingCore
import RPC

extension BillCommand {
    struct Export: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "Write bill lines as a table for other programs.",
            discussion: """
                csv has the fields of bill lines by their names with --json; focus has the columns of FOCUS 1.0, with \
                a refund as a negative Purchase without a quantity and every adjustment as a Correction. Rows are CSV by RFC 4180 in UTF-8. Money has 6 decimals and instants are ISO 8601 in UTC. Text that a \
                spreadsheet would run as a formula begins with an apostrophe. Lines are read page by page, so there may \
                be any number, of one account or of all, within 18 months: without --from they begin with the first \
                line, without --to they end now.
                """)

        @Option(help: ArgumentHelp("The format.", valueName: "format"))
        var format: BillFormat = .csv
        @Option(
            help: ArgumentHelp(
                "Only these columns, apart by commas, in this order (default: all).", valueName: "columns"))
        var columns: String?
        @Option(help: ArgumentHelp("The file (default: standard output).", valueName: "file"))
        var output: String?
        @OptionGroup var filter: BillFilter
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            try filter.validate(with: global)
            if global.json {
                throw ValidationError("An export is not JSON; billing bill list --period details --json is.")
            }
            _ = try chosen(of: format.names)
        }

        func run(_ session: Session) async throws {
            let account = try filter.account(session)
            let names = format.names
            let places = try chosen(of: names)
            var table = try await ExportTable(format, session)
            let output = try ExportOutput(output, session.terminal)
            try output.write(CSVText.row(places.map { .text(names[$0]) }, format.style))
            var request = filter.request
            request.period = .details
            request.withoutTotal = true
            request.limit = Export.pageLimit
            repeat {
                let reply = try await session.bills.listBill(request, session.reading(account))
                let all = try await table.columns(for: reply.lines, session)
                for line in reply.lines {
                    try output.write(CSVText.row(places.map { all[$0].cell(line) }, format.style))
                }
                guard reply.nextCursor.isEmpty || reply.nextCursor != request.cursor else {
                    throw CommandFailure(.unknown, "The bill does not go on after cursor '\(request.cursor)'.")
                }
                request.cursor = reply.nextCursor
            } while !request.cursor.isEmpty
            try output.finish()
        }

        private static let pageLimit: UInt32 = 200

        /// The places of the chosen columns among `names`.
        private func chosen(of names: [String]) throws -> [Int] {
            guard let columns else { return Array(names.indices) }
            var places: [Int] = []
            for name in columns.split(separator: ",", omittingEmptySubsequences: false) {
                guard let place = names.firstIndex(of: String(name)) else {
                    throw ValidationError(
                        "'\(name)' is no column of \(format.rawValue); there are \(names.joined(separator: ", ")).")
                }
                guard !places.contains(place) else {
                    throw ValidationError("'\(name)' is named twice in '\(columns)'.")
                }
                places.append(place)
            }
            return places
        }
    }
}

/// The formats of exported bills, in the words of the command line.
enum BillFormat: String, CaseIterable, ExpressibleByArgument {
    case csv
    case focus

    var style: CSVText.Style { self == .focus ? .focus : .plain }

    var names: [String] {
        switch self {
        case .csv: BillFormat.lineColumns.map(\.name)
        case .focus: FocusTable(accountNames: [:], regionNames: [:]).columns.map(\.name)
        }
    }

    /// The fields of a line, without those that only sums have.
    static let lineColumns = BillColumn.all.filter { !["grouping", "lines"].contains($0.name) }
}

/// The columns of a format, with the names of accounts and regions where it has them.
private struct ExportTable {
    private let format: BillFormat
    private var regionNames: [String: String] = [:]
    /// Of the accounts of one page.
    private var accountNames: [String: String] = [:]

    init(_ format: BillFormat, _ session: Session) async throws {
        self.format = format
        guard format == .focus else { return }
        let prices = try await session.prices.listPrices(.init(), session.reading()).message
        regionNames = prices.regions.reduce(into: [:]) { $0[$1.region] = $1.name }
    }

    /// All columns, for the lines of a page.
    mutating func columns(for lines: [OrderV1.BillLine], _ session: Session) async throws -> [ExportColumn] {
        switch format {
        case .csv:
            return BillFormat.lineColumns.map { column in ExportColumn(name: column.name, cell: column.cell) }
        case .focus:
            var names: [String: String] = [:]
            for account in Set(lines.map(\.accountID)) {
                if let known = accountNames[account] {
                    names[account] = known
                } else {
                    names[account] =
                        try await session.accounts.getAccount(.init(), session.reading(account)).account?.name
                }
            }
            accountNames = names
            return FocusTable(accountNames: names, regionNames: regionNames).columns
        }
    }
}

extension BillColumn {
    /// The field as a cell of an exported table.
    func cell(_ line: OrderV1.BillLine) -> ExportCell { isNumber ? .number(exact(line)) : .filled(exact(line)) }
}
