import BillingCore
import BillingTestKit
import Dispatch
import Glibc
import Logging
import RPC
import RPCZeroMQ

/// A service for tests that kill, freeze, restart and overload whole processes: `echo-server ENDPOINT [FILE]`.
@main
struct EchoServer {
    static func main() async throws {
        ShutdownSignal.install()
        let reactor = try Reactor.start(logger: Logger(label: "echo") { _ in SwiftLogNoOpLogHandler() })
        var router = Router()
        router.handle(EchoMessage.who) { _, _ in Response(EchoMessage(Int64(getpid()))) }
        let queue = DispatchQueue(label: "store")
        // They sleep, so that what they can do does not depend on what else the machine does.
        router.handle(EchoMessage.store) { request, _ async in
            await withUnsafeContinuation { continuation in
                queue.async {
                    usleep(UInt32(request.number))
                    continuation.resume()
                }
            }
            return Response(request)
        }
        router.handle(EchoMessage.compute) { request, _ in
            usleep(UInt32(request.number))
            return Response(request)
        }
        if CommandLine.arguments.count > 2 {
            let effects = try Effects(path: CommandLine.arguments[2])
            router.handle(EchoMessage.add) { request, context in
                guard let key = context.key?.text else {
                    throw RPCError(.invalidArgument, "call.key_missing", "An addition takes a key.")
                }
                return Response(request, isReplay: try !effects.add(key))
            }
        }
        let server = try await ZeroMQServer.start(on: reactor, endpoint: CommandLine.arguments[1], router: router)
        _ = await ShutdownSignal.wait()
        await server.shutDown()
        await reactor.stop()
    }
}
