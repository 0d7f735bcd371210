import BillingAPI
import BillingCore

/// Bill lines as tables.
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

    /// The chosen columns of lines or sums.
    static func table(_ lines: [OrderV1.BillLine], _ columns: [BillColumn]) -> Table {
        var table = Table(
            columns.map { column in
                column.isMoney ? .money(column.name) : column.isNumber ? .number(column.name) : .text(column.name)
            })
        for line in lines { table.add(columns.map { $0.readable(line) }) }
        return table
    }

    /// - Parameter withAccounts: whether the lines are of many accounts.
    static func details(_ lines: [OrderV1.BillLine], total: OrderV1.BillLine?, withAccounts: Bool) -> Table {
        let columns: [Table.Column] = [
            .text("use or term"), .text("kind"), .text("group"), .text("specification"), .text("region"),
            .number("quantity"), .number("list price"), .money("gross"), .money("payable"), .money("paid"),
            .money("outstanding"), .text("status"),
        ]
        var table = Table(withAccounts ? columns + [.text("account")] : columns)
        func add(_ account: String, _ cells: String...) { table.add(withAccounts ? cells + [account] : cells) }
        for line in lines {
            add(
                line.accountID,
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
            add(
                "", "total of \(Readable.count(total.lines, "line"))", "", "", "", "", "", "",
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
