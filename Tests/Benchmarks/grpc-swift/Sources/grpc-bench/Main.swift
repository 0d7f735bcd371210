import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Glibc
import SwiftProtobuf

/// `rpc-bench`'s counterpart over grpc-swift-2: grpc-bench server HOST PORT, or client HOST PORT OUTSTANDING SECONDS.
@main struct Main {
    static func main() async throws {
        let words = CommandLine.arguments
        guard words.count >= 4, let port = Int(words[3]) else { return misused() }
        switch words[1] {
        case "server":
            let server = GRPCServer(
                transport: .http2NIOPosix(
                    address: .ipv4(host: words[2], port: port), transportSecurity: .plaintext),
                services: [Quotes()])
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.serve() }
                _ = try await server.listeningAddress
                say("ready")
                try await group.waitForAll()
            }
        case "client":
            guard words.count == 6, let outstanding = Int(words[4]), let seconds = Double(words[5]) else {
                return misused()
            }
            let transport = try HTTP2ClientTransport.Posix(
                target: .ipv4(address: words[2], port: port), transportSecurity: .plaintext)
            try await withGRPCClient(transport: transport) { client in
                try await Self.measure(client, outstanding, Measurement(warm: 0.5, seconds: seconds))
            }
        case _:
            misused()
        }
    }

    private static func misused() {
        say("usage: grpc-bench server HOST PORT | client HOST PORT OUTSTANDING SECONDS")
        exit(2)
    }

    private static func measure<Transport: ClientTransport>(
        _ client: GRPCClient<Transport>, _ outstanding: Int, _ measurement: Measurement
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<outstanding {
                group.addTask {
                    var sequence = index
                    var isRunning = true
                    while isRunning {
                        let request = Ask.with {
                            $0.specification = "acp.basic.small"
                            $0.region = "eu-frankfurt-1"
                            $0.instances = 10 + UInt32(sequence % 90)
                            $0.months = 12
                            $0.at = 1_750_000_000_000 + Int64(sequence & 0xfffff)
                        }
                        sequence += 1
                        var options = CallOptions.defaults
                        options.timeout = .seconds(5)
                        let start = nowNanoseconds()
                        let reply = try await client.unary(
                            request: ClientRequest(message: request), descriptor: Quotes.ask, serializer: Coding<Ask>(),
                            deserializer: Coding<Reply>(), options: options
                        ) { try $0.message }
                        isRunning = measurement.report(
                            from: start,
                            isRight: reply.levels.count == 3
                                && reply.totalMicros + reply.discountMicros == reply.grossMicros)
                    }
                }
            }
            try await measurement.tell()
            try await group.waitForAll()
        }
        client.beginGracefulShutdown()
    }
}

typealias Ask = Benchmark_Quote_V1_AskRequest
typealias Reply = Benchmark_Quote_V1_AskReply

/// The service as grpc-swift's generated code would register it.
struct Quotes: RegistrableRPCService {
    static let ask = MethodDescriptor(fullyQualifiedService: "benchmark.quote.v1.Quotes", method: "Ask")

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        router.registerHandler(
            forMethod: Self.ask, deserializer: Coding<Ask>(), serializer: Coding<Reply>()
        ) { request, _ in
            let single = try await ServerRequest(stream: request)
            return StreamingServerResponse(single: ServerResponse(message: Self.answer(single.message)))
        }
    }

    /// The same arithmetic as `answer` in `../c/quote.c`.
    private static func answer(_ request: Ask) -> Reply {
        let monthMicros: Int64 = 297_171_000
        let gross = monthMicros * Int64(request.instances) * Int64(request.months)
        return Reply.with {
            $0.specification = request.specification
            $0.region = request.region
            $0.instances = request.instances
            $0.priceListVersion = 7
            $0.grossMicros = gross
            $0.discountMicros = gross / 10
            $0.totalMicros = gross - gross / 10
            $0.validUntil = request.at + 900_000
            $0.levels = (0..<3).map { index in
                .with {
                    $0.instances = UInt32(50 * (index + 1))
                    $0.monthMicros = monthMicros + 1000 * Int64(index)
                    $0.unitNanos = $0.monthMicros * 100
                }
            }
        }
    }
}

/// SwiftProtobuf's coding without a copy in between, as GRPCProtobuf has it.
struct Coding<Message: SwiftProtobuf.Message>: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: Message) throws -> Bytes {
        let adapter: Adapter<Bytes> = try message.serializedBytes()
        return adapter.bytes
    }

    func deserialize<Bytes: GRPCContiguousBytes>(_ serialized: Bytes) throws -> Message {
        try Message(serializedBytes: Adapter(bytes: serialized))
    }
}

/// gRPC's bytes as SwiftProtobuf knows them.
struct Adapter<Bytes: GRPCContiguousBytes>: SwiftProtobufContiguousBytes {
    var bytes: Bytes

    init(bytes: Bytes) { self.bytes = bytes }

    init(repeating byte: UInt8, count: Int) { bytes = Bytes(repeating: byte, count: count) }

    init<S: Sequence>(_ sequence: S) where S.Element == UInt8 { bytes = Bytes(sequence) }

    var count: Int { bytes.withUnsafeBytes { $0.count } }

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try bytes.withUnsafeBytes(body)
    }

    mutating func withUnsafeMutableBytes<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) rethrows -> R {
        try bytes.withUnsafeMutableBytes(body)
    }
}
