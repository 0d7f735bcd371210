import BillingCore
import Glibc
import RPC

/// What a command meets outside itself. Tests put a double here and run whole command lines on it.
struct Environment: Sendable {
    let terminal: Terminal
    let variables: [String: String]
    /// Makes the keys of writes.
    let identifiers: any IdentifierGenerator
    /// Opens a way to the gateway that listens at an endpoint.
    let connect: @Sendable (_ endpoint: String) async throws -> any Channel

    /// The environment of the command that runs; `nil` outside `BillingCommand.run`.
    @TaskLocal static var current: Environment?

    /// The environment of this process.
    static func process(connect: @escaping @Sendable (String) async throws -> any Channel) -> Environment {
        Environment(
            terminal: .process, variables: variables(["BILLING_ACCOUNT", "BILLING_BASE_PORT", "BILLING_GATEWAY"]),
            identifiers: RandomIdentifierGenerator(), connect: connect)
    }

    private static func variables(_ names: [String]) -> [String: String] {
        names.reduce(into: [:]) { variables, name in
            if let value = getenv(name) { variables[name] = String(cString: value) }
        }
    }
}
