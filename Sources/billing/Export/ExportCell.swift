import BillingAPI

/// One value of an exported table.
enum ExportCell: Hashable {
    /// From anybody: names, reasons, references.
    case text(String)
    /// Digits that are ours, never touched.
    case number(String)
    /// There is none.
    case nothing

    /// Text, or nothing where it is empty.
    static func filled(_ text: String) -> ExportCell { text.isEmpty ? .nothing : .text(text) }
}

/// A column of an exported table of bill lines.
struct ExportColumn {
    let name: String
    let cell: (OrderV1.BillLine) -> ExportCell
}

/// Rows as RFC 4180 has them: cells apart by commas, lines that end with CR LF.
enum CSVText {
    /// A dialect of how cells are written.
    enum Style {
        /// Quotes where they are needed; what is missing is empty.
        case plain
        /// As FOCUS's own sample is written: text in quotes, what is missing is NULL without them.
        case focus
    }

    static func row(_ cells: [ExportCell], _ style: Style) -> String {
        cells.map { text($0, style) }.joined(separator: ",") + "\r\n"
    }

    private static func text(_ cell: ExportCell, _ style: Style) -> String {
        switch cell {
        case .number(let digits): return digits
        case .nothing: return style == .focus ? "NULL" : ""
        case .text(let text):
            let safe = harmless(text)
            guard style == .focus || safe.unicodeScalars.contains(where: needsQuotes) else { return safe }
            return "\"" + safe.escaping("\"", with: "\"") + "\""
        }
    }

    /// `text` as a spreadsheet shows it and does not run it: what would begin a formula gets an apostrophe before it.
    private static func harmless(_ text: String) -> String {
        switch text.unicodeScalars.first {
        case "=", "+", "-", "@", "\t", "\r": "'" + text
        default: text
        }
    }

    private static func needsQuotes(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "," || scalar == "\"" || scalar == "\n" || scalar == "\r"
    }
}

extension String {
    /// Puts `escape` before each of the scalars of `escaped`. Scalars and not characters: a quote with a combining mark
    /// after it is another character than a quote, and ends a cell or a string all the same.
    func escaping(_ escaped: String, with escape: Unicode.Scalar) -> String {
        var text = UnicodeScalarView()
        for scalar in unicodeScalars {
            if escaped.unicodeScalars.contains(scalar) { text.append(escape) }
            text.append(scalar)
        }
        return String(text)
    }
}
