import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct CutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cut", abstract: "The hourly cut of bills.", subcommands: [Status.self],
        defaultSubcommand: Status.self)

    struct Status: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "status", abstract: "How far the cuts have come.")

        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let reply = try await session.operations.cutStatus(.init(), session.reading())
            session.show(reply.message) {
                FactSheet(
                    ("accounts with something due", Readable.count(reply.accountsDue)),
                    ("cut everywhere through", Readable.instant(reply.oldestCursor)),
                    ("accounts waiting for a saga", Readable.count(reply.waiting))
                ).text
            }
        }
    }
}
