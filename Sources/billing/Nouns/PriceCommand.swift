import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct PriceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "price", abstract: "The price list.", subcommands: [List.self], defaultSubcommand: List.self)

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
        return "Price list \(list.version), in force since \(Readable.instant(list.effectiveAt)); USD for one phone\n\n"
            + table.text + "\n" + regions.text + "\nTerms of a subscription: \(terms.joined(separator: ", "))\n"
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
