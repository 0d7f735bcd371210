import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct PriceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "price", abstract: "The price list.",
        subcommands: [List.self, Show.self, Publish.self, Impact.self], defaultSubcommand: List.self)

    struct List: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Show the price list that is in force: USD for one phone.")

        @Option(
            help: ArgumentHelp("The prices of this instant (default: now).", valueName: "instant"),
            transform: Input.instant)
        var at: Timestamp?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let reply = try await session.prices.listPrices(
                .init(at: at?.milliseconds ?? 0), session.reading())
            session.show(reply.message) { PriceListText.text(reply.message) }
        }
    }

    struct Show: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show a published version of the price list, in force or not.")

        @Argument(help: ArgumentHelp("Its number.", valueName: "version"), transform: Input.count)
        var version: UInt32
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            guard version > 0 else { throw ValidationError("'0' is no version; those count from 1.") }
        }

        func run(_ session: Session) async throws {
            let reply = try await session.prices.listPrices(.init(version: version), session.reading())
            session.show(reply.message) { PriceListText.text(reply.message) }
        }
    }
}

/// The price list as the price page shows it.
enum PriceListText {
    static func text(_ list: PricingV1.ListPricesReply) -> String {
        var table = Table(
            .text("edition"), .text("specification"), .text("vCPU/GiB/GiB disk"), .money("ML month"),
            .money("ML hour"), .money("INT month"), .money("INT hour"))
        for each in list.specifications {
            let ml = price(each, .ml)
            let int = price(each, .int)
            table.add(
                each.edition, each.specification, "\(each.vcpus)/\(each.memoryGib)/\(each.diskGib)", ml.month, ml.hour,
                int.month, int.hour)
        }
        var regions = Table(.text("region"), .text("class"), .text("name"))
        for region in list.regions {
            regions.add(region.region, Readable.regionClass(region.regionClass), Readable.text(region.name))
        }
        let terms = list.termDiscounts.map {
            "\(Readable.count($0.months, "month")) x"
                + FixedPoint.format(Int64($0.factorMillionths), decimals: 6, atLeast: 2)
        }
        return "Price list \(list.version), in force from \(Readable.instant(list.effectiveAt)); USD for one phone\n\n"
            + table.text + "\n" + items(list.valueAddedItems) + regions.text
            + "\nTerms of a subscription: \(terms.joined(separator: ", "))\n" + scheduled(list.scheduled)
    }

    private static func items(_ items: [PricingV1.ValueAddedItem]) -> String {
        guard !items.isEmpty else { return "" }
        var table = Table(.text("item"), .text("name"), .text("per"), .money("ML"), .money("INT"), .text("note"))
        for item in items {
            func price(_ regionClass: CommonV1.RegionClass) -> String {
                item.prices.first { $0.regionClass == regionClass }.map { Readable.price($0.priceNanos) }
                    ?? Readable.nothing
            }
            let isFree = item.prices.allSatisfy { $0.priceNanos == 0 }
            table.add(
                item.item, Readable.text(item.name), item.priceUnit, price(.ml), price(.int),
                isFree ? "free" : item.isExample ? "example price" : "")
        }
        return table.text + "\n"
    }

    private static func scheduled(_ versions: [PricingV1.ScheduledVersion]) -> String {
        versions.reduce("") {
            $0 + "Published to follow: price list \($1.version), in force from \(Readable.instant($1.effectiveAt))\n"
        }
    }

    private static func price(
        _ specification: PricingV1.Specification, _ regionClass: CommonV1.RegionClass
    ) -> (month: String, hour: String) {
        guard let price = specification.prices.first(where: { $0.regionClass == regionClass }) else {
            return (Readable.nothing, Readable.nothing)
        }
        return (Readable.price(price.monthlyNanos), Readable.price(price.hourlyNanos))
    }
}
