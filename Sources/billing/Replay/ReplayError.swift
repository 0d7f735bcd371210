/// Why a trace cannot be replayed. Lines are counted from 1, the header being line 1.
enum ReplayError: Error, Equatable {
    case strayQuote(line: Int)
    case openQuote(line: Int)
    case notUTF8(line: Int)
    case controlCharacter(line: Int)
    case empty
    case noRows
    case missingColumn(String)
    case repeatedColumn(String)
    case fieldCount(line: Int, found: Int, expected: Int)
    case emptyValue(line: Int, column: String)
    case tooLong(line: Int, column: String, value: String)
    case repeatedGroup(line: Int, value: String, firstLine: Int)
    case unknownSpecification(line: Int, value: String, known: [String])
    case unknownRegion(line: Int, value: String, known: [String])
    case instanceCount(line: Int, value: String)
    case notAnInstant(line: Int, column: String, value: String)
    case outOfOrder(line: Int, column: String, value: String, before: String, beforeValue: String)
    case clockIsNotManual
    case clockIsLater(now: String, first: String)
    case clockIsEarlier(now: String, first: String)
    case notAnEarlierReplay(line: Int)
    case unreadable(because: String)

    /// Whether the file is good and the system's clock does not fit it.
    var isAboutClock: Bool {
        switch self {
        case .clockIsNotManual, .clockIsLater, .clockIsEarlier, .notAnEarlierReplay: true
        case .strayQuote, .openQuote, .notUTF8, .controlCharacter, .empty, .noRows, .missingColumn, .repeatedColumn,
            .fieldCount, .emptyValue, .tooLong, .repeatedGroup, .unknownSpecification, .unknownRegion, .instanceCount,
            .notAnInstant, .outOfOrder, .unreadable:
            false
        }
    }

    /// A sentence or two that names the line and the value, and says what to do.
    var message: String {
        switch self {
        case .strayQuote(let line):
            "line \(line): a quote stands inside a field; quote the whole field and double the quotes in it."
        case .openQuote(let line): "line \(line): a quoted field never ends."
        case .notUTF8(let line): "line \(line): the text is not UTF-8."
        case .controlCharacter(let line): "line \(line): a field holds a control character."
        case .empty: "line 1: the file is empty; it needs a header with \(ReplayColumn.list)."
        case .noRows: "the file has a header and no rows: there is nothing to replay."
        case .missingColumn(let column): "line 1: the header has no column '\(column)'; it needs \(ReplayColumn.list)."
        case .repeatedColumn(let column): "line 1: the header names the column '\(column)' twice."
        case .fieldCount(let line, let found, let expected):
            "line \(line): \(found) fields where the header has \(expected)."
        case .emptyValue(let line, let column): "line \(line): \(column) is empty."
        case .tooLong(let line, let column, let value):
            "line \(line): \(column) '\(value)' is longer than \(ReplayRow.longestName) bytes."
        case .repeatedGroup(let line, let value, let firstLine):
            "line \(line): group_id '\(value)' is on line \(firstLine) already."
        case .unknownSpecification(let line, let value, let known):
            "line \(line): edition '\(value)' is not sold; known are \(known.joined(separator: ", "))."
        case .unknownRegion(let line, let value, let known):
            "line \(line): region '\(value)' is unknown; known are cn, intl, \(known.joined(separator: ", "))."
        case .instanceCount(let line, let value):
            "line \(line): instances '\(value)' is not a whole number from 1 to 100."
        case .notAnInstant(let line, let column, let value):
            "line \(line): \(column) '\(value)' is not an instant; write it as 2026-01-01T00:00:00Z."
        case .outOfOrder(let line, let column, let value, let before, let beforeValue):
            "line \(line): \(column) '\(value)' is before \(before) '\(beforeValue)'."
        case .clockIsNotManual:
            "the gateway keeps real time; a replay needs services with a manual clock (deploy/run --keep)."
        case .clockIsLater(let now, let first):
            "the clock shows \(now), which is later than the first row (\(first)), and time never goes back. Replay "
                + "into a new data directory, or go on with an interrupted replay of this file by --resume."
        case .clockIsEarlier(let now, let first):
            "nothing to resume: the clock shows \(now), before the first row (\(first)); leave out --resume."
        case .notAnEarlierReplay(let line):
            "line \(line): this system has not replayed this row, though its clock is past it; --resume only goes on "
                + "with an interrupted replay of the same file and options."
        case .unreadable(let because): "it cannot be read: \(because)."
        }
    }
}
