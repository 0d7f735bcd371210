import BillingAPI
import BillingCore

/// What a version that is not in force yet changes, for people.
enum DraftText {
    /// The version, and the prices and rules that differ from the version before.
    static func head(_ version: UInt32, _ effectiveAt: Int64, _ changes: [PricingV1.PriceChange]) -> String {
        let title = "Price list \(version), in force from \(Readable.instant(effectiveAt))\n\n"
        guard !changes.isEmpty else { return title + "It has the prices and rules of the version before.\n" }
        var table = Table(.text("what changes"), .number("before"), .number("after"))
        for change in changes {
            table.add(change.what, value(change.before, of: change.what), value(change.after, of: change.what))
        }
        return title + table.text
    }

    /// Who would pay what from when, and the totals; one sentence when nobody would pay anything else.
    static func impacts(_ impacts: [GatewayV1.ThingImpact]) -> String {
        impacts.isEmpty
            ? "Nothing that is billed now would cost anything else.\n"
            : table(impacts).text + "\n" + totals(impacts).text
    }

    static func table(_ impacts: [GatewayV1.ThingImpact]) -> Table {
        var table = Table(
            .text("account"), .text("id"), .text("what"), .text("region"), .text("from"), .text("per"), .money("now"),
            .money("then"), .money("change"))
        for each in impacts {
            let thing = each.thing ?? .init()
            let impact = each.impact ?? .init()
            table.add(
                Readable.text(thing.accountID), thing.id, what(thing), Readable.text(thing.region),
                Readable.instant(impact.from), impact.per, Readable.money(impact.beforeMicros),
                Readable.money(impact.afterMicros), signed(impact.afterMicros - impact.beforeMicros))
        }
        return table
    }

    /// The sums of what is paid for the same time; an hour and a renewal make no sum.
    private static func totals(_ impacts: [GatewayV1.ThingImpact]) -> Table {
        var sums: [(per: String, things: Int, before: Int64, after: Int64)] = []
        for impact in impacts.compactMap(\.impact) {
            if !sums.contains(where: { $0.per == impact.per }) { sums.append((impact.per, 0, 0, 0)) }
            for index in sums.indices where sums[index].per == impact.per {
                sums[index].things += 1
                sums[index].before += impact.beforeMicros
                sums[index].after += impact.afterMicros
            }
        }
        var table = Table(
            .text("in total, per"), .number("things"), .money("now"), .money("then"), .money("change"))
        for sum in sums {
            table.add(
                sum.per, Readable.count(sum.things), Readable.money(sum.before), Readable.money(sum.after),
                signed(sum.after - sum.before))
        }
        return table
    }

    private static func what(_ thing: MeteringV1.Billed) -> String {
        thing.item.isEmpty
            ? "\(thing.instances) x \(thing.specification)" : "\(Readable.count(thing.quantity)) x \(thing.item)"
    }

    private static func signed(_ micros: Int64) -> String { (micros > 0 ? "+" : "") + Readable.money(micros) }

    /// Prices are in nano-dollars, discounts in millionths, days are days, billing units are in seconds; 0 is what was not
    /// there before.
    private static func value(_ value: Int64, of what: String) -> String {
        if what.hasPrefix("term discount") { return "x" + FixedPoint.format(value, decimals: 6, atLeast: 2) }
        if what.hasPrefix("billing unit") {
            return value == 1 ? "a second" : Readable.count(value / (Int64.millisecondsPerHour / 1000), "hour")
        }
        if what.hasSuffix("days") { return String(value) }
        return value == 0 ? Readable.nothing : Readable.price(value)
    }
}
