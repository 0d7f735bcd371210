import ArgumentParser

@main
struct Billingd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "billingd",
        abstract: "The services of the billing system, one process each, or all of them in one.",
        discussion: """
            Each service keeps its data in a folder of its own and listens on loopback: pricing, metering, order, refund \
            and gateway at BILLING_BASE_PORT (7410) and the next four ports. Clients call the gateway. SIGTERM lets the \
            calls in flight finish and ends the process.
            """,
        subcommands: [
            PricingCommand.self, MeteringCommand.self, OrderCommand.self, RefundCommand.self, GatewayCommand.self,
            AllCommand.self,
        ])
}
