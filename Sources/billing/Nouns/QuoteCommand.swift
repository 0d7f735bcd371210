import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct QuoteCommand: GatewayCommand {
    static let configuration = CommandConfiguration(
        commandName: "quote", abstract: "What a group costs, pay-as-you-go or by subscription.")

    @OptionGroup var wanted: WantedGroup
    @Option(
        help: ArgumentHelp("Also the price of a subscription of 1, 2, 3, 6 or 12 months.", valueName: "months"),
        transform: Input.count)
    var months: UInt32 = 0
    @Option(
        help: ArgumentHelp("The prices of this instant (default: now).", valueName: "instant"), transform: Input.instant
    )
    var at: Timestamp?
    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        let reply = try await session.prices.quote(
            .init(
                specification: wanted.specification, region: wanted.region, instances: wanted.instances, months: months,
                at: at?.milliseconds ?? 0), session.reading())
        session.show(reply.message) { QuoteText.text(reply.message) }
    }
}

/// What kind of group, where, and how many phones.
struct WantedGroup: ParsableArguments {
    @Option(help: ArgumentHelp("As in billing price list.", valueName: "specification"))
    var specification: String

    @Option(help: ArgumentHelp("As in billing price list.", valueName: "region"))
    var region: String

    @Option(help: ArgumentHelp("How many phones, 1 to 100.", valueName: "count"), transform: Input.count)
    var instances: UInt32
}

enum QuoteText {
    static func text(_ quote: PricingV1.QuoteReply) -> String {
        var sheet = FactSheet(
            ("group", "\(quote.instances) x \(quote.specification) in \(quote.region)"),
            ("region class", Readable.regionClass(quote.regionClass)), ("price list", String(quote.priceListVersion)),
            (
                "pay-as-you-go",
                "\(Readable.money(quote.hourMicros)) an hour (\(Readable.price(quote.hourlyNanos)) a phone)"
            ),
            ("billing unit", "\(quote.billingUnit.word), \(Readable.money(quote.unitMicros))"))
        guard quote.months > 0 else { return sheet.text }
        sheet.add(
            "subscription",
            "\(Readable.money(quote.totalMicros)) for \(Readable.count(quote.months, "month")) "
                + "(\(Readable.price(quote.monthlyNanos)) a phone and month)")
        if quote.discountMicros != 0 {
            sheet.add("discount", "\(Readable.money(quote.discountMicros)) off \(Readable.money(quote.grossMicros))")
        }
        sheet.add("term if paid now", Readable.period(quote.termStart, quote.termEnd))
        sheet.add("pay-as-you-go for that term", Readable.money(quote.payAsYouGoMicros))
        sheet.add("subscription is cheaper from", Readable.count(quote.breakEvenHours, "hour") + " of use")
        return sheet.text
    }
}
