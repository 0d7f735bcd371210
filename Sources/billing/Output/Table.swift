/// Aligned columns for people.
struct Table {
    struct Column {
        let title: String
        let kind: Kind

        enum Kind {
            case text
            /// Stands to the right.
            case number
            /// Decimal numbers, which all get as many decimals as the one that has most, and stand to the right: so
            /// equal places are below each other.
            case money
        }

        static func text(_ title: String) -> Column { Column(title: title, kind: .text) }
        static func number(_ title: String) -> Column { Column(title: title, kind: .number) }
        static func money(_ title: String) -> Column { Column(title: title, kind: .money) }
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    init(_ columns: Column...) { self.columns = columns }
    init(_ columns: [Column]) { self.columns = columns }

    var isEmpty: Bool { rows.isEmpty }

    /// - Precondition: one cell for each column.
    mutating func add(_ cells: String...) { add(cells) }

    /// - Precondition: one cell for each column.
    mutating func add(_ cells: [String]) {
        precondition(cells.count == columns.count, "\(cells.count) cells in a table of \(columns.count) columns")
        rows.append(cells.map(PlainText.printable))
    }

    /// The titles and the rows, each ending in a line end.
    var text: String {
        let titles = columns.map(\.title)
        var rows = rows
        for (index, column) in columns.enumerated() where column.kind == .money { Table.align(&rows, index) }
        var widths = titles.map(PlainText.width)
        for row in rows {
            for (index, cell) in row.enumerated() { widths[index] = max(widths[index], PlainText.width(cell)) }
        }
        return rows.reduce(line(titles, widths)) { $0 + line($1, widths) }
    }

    private static func align(_ rows: inout [[String]], _ column: Int) {
        func decimals(_ cell: String) -> Int? {
            cell.firstIndex(of: ".").map { cell[$0...].utf8.count - 1 }
        }
        let most = rows.compactMap { decimals($0[column]) }.max() ?? 0
        for index in rows.indices {
            guard let own = decimals(rows[index][column]) else { continue }
            rows[index][column] += String(repeating: "0", count: most - own)
        }
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() {
            let gap = String(repeating: " ", count: widths[index] - PlainText.width(cell))
            line += index > 0 ? "  " : ""
            switch columns[index].kind {
            case .text: line += cell + gap
            case .number, .money: line += gap + cell
            }
        }
        while line.last == " " { line.removeLast() }
        return line + "\n"
    }
}

/// The facts about one thing, a line each: what it is, then its value. Facts without a value are left out.
struct FactSheet {
    private var facts: [(title: String, value: String)] = []

    init(_ facts: (String, String)...) {
        for (title, value) in facts { add(title, value) }
    }

    mutating func add(_ title: String, _ value: String) {
        guard !value.isEmpty, value != Readable.nothing else { return }
        facts.append((title, PlainText.printable(value)))
    }

    var text: String {
        let width = facts.map { PlainText.width($0.title) }.max() ?? 0
        return facts.reduce(into: "") { text, fact in
            text += fact.title + String(repeating: " ", count: width - PlainText.width(fact.title) + 2) + fact.value
            text += "\n"
        }
    }
}
