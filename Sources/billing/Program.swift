import Glibc
import RPCZeroMQ

/// The command line of the billing system. All it does is call the public API of a gateway.
@main
enum Program {
    static func main() async {
        let reactor: Reactor
        do { reactor = try Connection.reactor() } catch {
            Terminal.process.writeError("billing: \(error)\n")
            exit(ExitStatus.unknown.rawValue)
        }
        let environment = Environment.process { try await Connection.open($0, on: reactor) }
        let arguments = Array(CommandLine.arguments.dropFirst())
        let status = await withTaskExecutorPreference(reactor) {
            await BillingCommand.run(arguments, in: environment)
        }
        exit(status.rawValue)
    }
}
