import BillingAPI
import BillingCore

/// What the groups of a replay cost, gross.
struct ReplayTotals: Equatable {
    struct Kind: Hashable {
        let specification: String
        /// "ML" or "INT".
        let regionClass: String
    }

    struct Sum: Equatable {
        var groups: Set<Int> = []
        var lines: Int64 = 0
        var gross = Money.zero

        mutating func add(_ row: Int, _ more: Int64, _ amount: Money) {
            groups.insert(row)
            lines += more
            gross += amount
        }
    }

    private(set) var byKind: [Kind: Sum] = [:]
    private(set) var byMonth: [String: Sum] = [:]
    private var all = Sum()

    var gross: Money { all.gross }
    var lines: Int64 { all.lines }
    /// Groups that have a bill line.
    var groupsCharged: Int { all.groups.count }

    /// Adds what the group of one row cost in one month.
    mutating func add(row: Int, _ kind: Kind, month: String, lines: Int64, gross: Money) {
        byKind[kind, default: Sum()].add(row, lines, gross)
        byMonth[month, default: Sum()].add(row, lines, gross)
        all.add(row, lines, gross)
    }

    /// The dearest kind first, as nobody reads further than that.
    private var kinds: [(kind: Kind, sum: Sum)] {
        byKind.map { (kind: $0.key, sum: $0.value) }.sorted {
            ($1.sum.gross, $0.kind.specification, $0.kind.regionClass)
                < ($0.sum.gross, $1.kind.specification, $1.kind.regionClass)
        }
    }

    private var months: [(month: String, sum: Sum)] {
        byMonth.map { (month: $0.key, sum: $0.value) }.sorted { $0.month < $1.month }
    }

    var text: String {
        var kindTable = Table(
            .text("specification"), .text("region"), .number("groups"), .number("lines"), .money("gross"))
        for (kind, sum) in kinds {
            kindTable.add(
                kind.specification, kind.regionClass, Readable.count(sum.groups.count), Readable.count(sum.lines),
                FixedPoint.format(sum.gross.micros, decimals: 6))
        }
        kindTable.add(
            "total", "", Readable.count(groupsCharged), Readable.count(lines),
            FixedPoint.format(gross.micros, decimals: 6))
        var monthTable = Table(.text("month"), .number("groups"), .number("lines"), .money("gross"))
        for (month, sum) in months {
            monthTable.add(
                month, Readable.count(sum.groups.count), Readable.count(sum.lines),
                FixedPoint.format(sum.gross.micros, decimals: 6))
        }
        return kindTable.text + "\n" + monthTable.text
    }

    /// A line for each row of the two tables.
    var json: String {
        var text = ""
        for (kind, sum) in kinds {
            text += line(
                [("specification", .text(kind.specification)), ("region_class", .text(kind.regionClass.lowercased()))],
                sum)
        }
        for (month, sum) in months { text += line([("month", .text(month))], sum) }
        return text
    }

    private func line(_ names: JSONLine.Fields, _ sum: Sum) -> String {
        JSONLine.text(
            names + [
                ("groups", .integer(Int64(sum.groups.count))), ("lines", .integer(sum.lines)),
                ("gross_micros", .integer(sum.gross.micros)),
            ]) + "\n"
    }
}
