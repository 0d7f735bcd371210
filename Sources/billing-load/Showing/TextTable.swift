/// Aligned columns: the first to the left, the others to the right.
struct TextTable {
    private var rows: [[String]]

    init(_ titles: [String]) { rows = [titles] }

    /// - Precondition: one cell for each column.
    mutating func add(_ cells: [String]) {
        precondition(cells.count == rows[0].count, "\(cells.count) cells in a table of \(rows[0].count) columns")
        rows.append(cells)
    }

    var text: String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.reduce(into: "") { text, row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let gap = String(repeating: " ", count: widths[column] - cell.count)
                line += column == 0 ? "  " + cell + gap : "  " + gap + cell
            }
            while line.last == " " { line.removeLast() }
            text += line + "\n"
        }
    }
}
