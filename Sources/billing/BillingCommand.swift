import ArgumentParser
import BillingCore
import RPC

/// `billing`: the nouns, each with its verbs.
struct BillingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "billing",
        abstract: "Prices, accounts, cloud phone groups, orders, refunds and bills, through the gateway.",
        discussion: """
            Tables show USD and times of the billing time zone (UTC+8). With --json every line is one object: fields \
            have the names of the .proto files; a number whose unit is in its name is a decimal string under the name \
            without it (gross_micros 5388000 is "gross": "5.388000"); instants are ISO 8601 in UTC or null; enums are \
            the words that options take.

            Exit status: 0 done, 1 refused by a rule, 2 wrong usage, 3 the gateway cannot be reached or the outcome is \
            unknown (the key to repeat with is printed).

            Shell completion: billing --generate-completion-script bash|zsh|fish.
            """,
        subcommands: [
            PriceCommand.self, QuoteCommand.self, AccountCommand.self, CouponCommand.self, GroupCommand.self,
            NetworkCommand.self, BackupCommand.self, OrderCommand.self, PaymentCommand.self, RefundCommand.self,
            BillCommand.self, ExportCommand.self, ClockCommand.self, CutCommand.self,
            SagaCommand.self, HealthCommand.self, AuditCommand.self, ReplayCommand.self,
        ])

    /// Runs a command line. Never ends the process.
    static func run(_ arguments: [String], in environment: Environment) async -> ExitStatus {
        await Environment.$current.withValue(environment) { await run(arguments, environment.terminal) }
    }

    private static func run(_ arguments: [String], _ terminal: Terminal) async -> ExitStatus {
        do {
            var command = try await asyncParseAsRoot(GlobalOptions.moved(arguments))
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return .done
        } catch let failure as CommandFailure {
            terminal.writeError(arguments.contains("--json") ? failure.json + "\n" : failure.text)
            return failure.status
        } catch {
            // Help and completion scripts come this way too, with success.
            guard exitCode(for: error) == .success else {
                let message = fullMessage(for: error)
                terminal.writeError(message + "\n" + negativeNumber(arguments, message))
                return .usage
            }
            terminal.write(fullMessage(for: error) + "\n")
            return .done
        }
    }

    /// The parser takes "-5" for an option; says what a person needs to know instead.
    private static func negativeNumber(_ arguments: [String], _ message: String) -> String {
        guard let number = arguments.first(where: { $0.wholeMatch(of: /-[0-9.]+/) != nil }),
            !message.contains("'\(number)' is")
        else { return "" }
        return "'\(number)' is negative; amounts and counts are more than 0.\n"
    }
}

/// A command that talks to the gateway.
protocol GatewayCommand: AsyncParsableCommand {
    var global: GlobalOptions { get }

    /// Does the command's work.
    /// - Throws: `RPCError` as a call ended; `CommandFailure` for all else.
    func run(_ session: Session) async throws
}

extension GatewayCommand {
    func run() async throws {
        guard let environment = Environment.current else {
            preconditionFailure("a command was run outside BillingCommand.run")
        }
        let endpoint = try global.endpoint(environment)
        let channel = LateChannel { try await environment.connect(endpoint) }
        let session = Session(global, environment, endpoint, channel)
        do { try await run(session) } catch let error as RPCError { throw session.failure(error) }
    }
}
