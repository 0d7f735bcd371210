import ArgumentParser
import BillingAPI
import BillingCore

/// A field of bill lines that a person can choose, by the name that it has with `--json`.
struct BillColumn: Hashable {
    let name: String
    /// The field's name and place in the .proto.
    private let wireName: String
    private let index: Int

    /// All fields, in the order of the .proto.
    static let all: [BillColumn] = OrderV1.BillLine().wireFields.enumerated().map { index, field in
        BillColumn(name: JSONLine.shown(field.name), wireName: field.name, index: index)
    }

    /// Names apart by commas.
    /// - Throws: `ValidationError` naming a column that is unknown or named twice, and the known ones.
    static func list(_ text: String) throws -> [BillColumn] {
        var chosen: [BillColumn] = []
        for name in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let column = all.first(where: { $0.name == name }) else {
                let known = all.map(\.name).joined(separator: ", ")
                throw ValidationError("'\(name)' is no column of bill lines; there are \(known).")
            }
            guard !chosen.contains(column) else { throw ValidationError("'\(name)' is named twice in '\(text)'.") }
            chosen.append(column)
        }
        return chosen
    }

    var isMoney: Bool { JSONLine.decimals(wireName) == 6 }
    var isNumber: Bool {
        guard case .integer = value(of: OrderV1.BillLine()) else { return false }
        return !JSONLine.isInstant(wireName)
    }

    /// The field as it is, by its name on the wire.
    func field(of line: OrderV1.BillLine) -> (name: String, value: WireFieldValue) { (wireName, value(of: line)) }

    /// As a cell of a table.
    func readable(_ line: OrderV1.BillLine) -> String {
        guard case .integer(let number) = value(of: line) else { return Readable.text(exact(line)) }
        if JSONLine.isInstant(wireName) { return Readable.instant(number) }
        guard let decimals = JSONLine.decimals(wireName) else { return Readable.count(number) }
        return FixedPoint.format(number, decimals: decimals, atLeast: min(decimals, 2))
    }

    /// As programs read it: all decimals, instants in UTC, empty where there is none.
    func exact(_ line: OrderV1.BillLine) -> String {
        switch value(of: line) {
        case .integer(let number):
            if JSONLine.isInstant(wireName) {
                return number == 0 ? "" : Timestamp(milliseconds: number).description
            }
            return JSONLine.decimals(wireName).map { FixedPoint.format(number, decimals: $0) } ?? String(number)
        case .unsigned(let number): return String(number)
        case .boolean(let truth): return truth ? "true" : "false"
        case .text(let text): return text
        case .enumeration(let name):
            let word = Words.word(wireName: name)
            return word == "unspecified" ? "" : word
        case .bytes, .message, .list: preconditionFailure("\(wireName) is not one value")
        }
    }

    private func value(of line: OrderV1.BillLine) -> WireFieldValue { line.wireFields[index].value }
}

extension [BillColumn] {
    /// The chosen fields of a line, as `--json` prints them.
    func fields(of line: OrderV1.BillLine) -> JSONLine.Fields { map { $0.field(of: line) } }
}
