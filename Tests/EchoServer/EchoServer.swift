import BillingTestKit
import Glibc
import Logging
import RPC
import RPCZeroMQ

/// A service for tests that kill, freeze and restart whole processes: `echo-server ENDPOINT` answers every call with its
/// process id.
@main
struct EchoServer {
    static func main() async throws {
        ShutdownSignal.install()
        let reactor = try Reactor.start(logger: Logger(label: "echo") { _ in SwiftLogNoOpLogHandler() })
        var router = Router()
        router.handle(EchoMessage.who) { _, _ in Response(EchoMessage(Int64(getpid()))) }
        let server = try await ZeroMQServer.start(on: reactor, endpoint: CommandLine.arguments[1], router: router)
        _ = await ShutdownSignal.wait()
        await server.shutDown()
        await reactor.stop()
    }
}
