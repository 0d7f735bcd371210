import ArgumentParser
import BillingCore
import RPC

/// What every command takes.
struct GlobalOptions: ParsableArguments {
    @Option(
        name: .customLong("gateway"),
        help: ArgumentHelp(
            "Where the gateway listens (default: BILLING_GATEWAY, else tcp://127.0.0.1 at BILLING_BASE_PORT + 4, which "
                + "is 7414).", valueName: "endpoint"),
        transform: Input.endpoint)
    var endpointText: String?

    @Option(
        name: .customLong("account"),
        help: ArgumentHelp("The account that the command is for (default: BILLING_ACCOUNT).", valueName: "account"),
        transform: Input.accountID)
    var accountText: String?

    @Flag(help: "Print one JSON object a line instead of tables; `billing --help` has the rules.")
    var json = false

    @Option(
        name: .customLong("timeout"),
        help: ArgumentHelp("Seconds to wait for one call (default: 30).", valueName: "seconds"),
        transform: Input.timeout)
    var timeoutMilliseconds: Int64 = 30_000

    @Option(
        help: ArgumentHelp(
            "Idempotency key of the command's writes, 16 to 64 characters (default: a new one). The same command with "
                + "the same key is done once.", valueName: "key"),
        transform: Input.key)
    var key: IdempotencyKey?

    /// - Throws: `CommandFailure` for a base port that is none.
    func endpoint(_ environment: Environment) throws -> String {
        if let endpointText { return endpointText }
        if let text = environment.variables["BILLING_GATEWAY"], !text.isEmpty {
            do { return try Input.endpoint(text) } catch { throw CommandFailure(.usage, "BILLING_GATEWAY: \(error)") }
        }
        guard let text = environment.variables["BILLING_BASE_PORT"], !text.isEmpty else {
            return "tcp://127.0.0.1:\(GlobalOptions.basePort + GlobalOptions.gatewayOffset)"
        }
        guard let base = Int(text), (1...(65_535 - GlobalOptions.gatewayOffset)).contains(base) else {
            throw CommandFailure(.usage, "BILLING_BASE_PORT '\(text)' is not a port from 1 to 65531.")
        }
        return "tcp://127.0.0.1:\(base + GlobalOptions.gatewayOffset)"
    }

    private static let basePort = 7410
    private static let gatewayOffset = 4

    /// The account that a command is for.
    /// - Parameter named: what the command's own argument says, if it has one.
    /// - Throws: `CommandFailure` when nobody names one, or both do and differ.
    func account(_ environment: Environment, named: String? = nil) throws -> String {
        if let named, let accountText, named != accountText {
            throw CommandFailure(
                .usage, "The argument names '\(named)' and --account '\(accountText)'; name one account.")
        }
        if let account = named ?? accountText { return account }
        guard let text = environment.variables["BILLING_ACCOUNT"], !text.isEmpty else {
            throw CommandFailure(
                .usage, "This command needs an account: give --account, or set BILLING_ACCOUNT.",
                next: "billing account list shows them, billing account open NAME opens one.")
        }
        do { return try Input.accountID(text) } catch { throw CommandFailure(.usage, "BILLING_ACCOUNT: \(error)") }
    }
}

extension GlobalOptions {
    private static let withValue: Set = ["--gateway", "--account", "--timeout", "--key"]

    /// `arguments` with the global options that stand before the first word moved behind it all, where the parser
    /// expects options of the innermost command.
    static func moved(_ arguments: [String]) -> [String] {
        var index = 0
        while index < arguments.count {
            let argument = arguments[index]
            let name = argument.split(separator: "=", maxSplits: 1).first.map(String.init) ?? ""
            if withValue.contains(name) {
                index += argument == name ? 2 : 1
            } else if argument == "--json" {
                index += 1
            } else {
                break
            }
        }
        guard index > 0, index < arguments.count, !arguments[index].hasPrefix("-") else { return arguments }
        let rest = arguments[index...]
        // What follows "--" is taken as it is, so the options go before it.
        let end = rest.firstIndex(of: "--") ?? rest.endIndex
        return Array(rest[..<end]) + arguments[..<index] + rest[end...]
    }
}
