import QuoteAPI
import RPC
import RPCZeroMQ

/// Keeps calls outstanding: each is made by a task that awaits its reply and makes the next one, or by the function that
/// got the reply of the one before.
struct QuoteClient {
    private enum Place: String {
        /// The tasks run on the default pool, as those of a program do that thinks of nothing.
        case pool
        /// The tasks prefer the channel's reactor.
        case reactor
        /// There are no tasks: replies go to functions.
        case callback
    }

    private let channel: ZeroMQChannel
    private let reactor: Reactor
    private let outstanding: Int
    private let seconds: Double
    private var method = QuoteV1.Quotes.ask
    private var place = Place.pool
    private var warm = 0.3
    private var marks: UInt64?

    init(_ reactor: Reactor, _ endpoint: String, _ arguments: inout Arguments) throws {
        self.reactor = reactor
        outstanding = try arguments.number("a number of calls")
        seconds = try arguments.number("a number of seconds")
        while let option = arguments.option() {
            switch option {
            case "--method":
                let name = try arguments.next("a method")
                guard ["ask", "later"].contains(name) else { throw Misuse(text: "no method \(name)") }
                method = name == "later" ? QuoteV1.Quotes.askLater : QuoteV1.Quotes.ask
            case "--client":
                let name = try arguments.next("a kind of client")
                guard let place = Place(rawValue: name) else { throw Misuse(text: "no client \(name)") }
                self.place = place
            case "--warm": warm = try arguments.number("a number of seconds")
            case "--marks": marks = try arguments.number("a number of calls")
            case _: throw Misuse(text: "unknown option \(option)")
            }
        }
        channel = try ZeroMQChannel(reactor: reactor, endpoint: endpoint)
    }

    func run() async throws {
        let measurement = Measurement(warm: warm, seconds: seconds)
        try await withThrowingTaskGroup(of: Void.self) { [channel, method] group in
            for index in 0..<outstanding {
                guard place != .callback else {
                    group.addTask {
                        await withUnsafeContinuation { over in
                            Caller(channel, method, measurement) { over.resume() }.call(UInt64(index))
                        }
                    }
                    continue
                }
                group.addTask(executorPreference: place == .reactor ? reactor : nil) {
                    try await Self.call(channel, method, from: UInt64(index), measurement)
                }
            }
            try await measurement.tell(marks: marks)
            try await group.waitForAll()
        }
        guard measurement.wrongCount == 0 else { throw Misuse(text: "\(measurement.wrongCount) wrong answers") }
    }

    private static func call(
        _ channel: ZeroMQChannel, _ method: Method<QuoteV1.AskRequest, QuoteV1.AskReply>, from first: UInt64,
        _ measurement: Measurement
    ) async throws {
        var sequence = first
        var isRunning = true
        while isRunning {
            let start = nowNanoseconds()
            let reply = try await channel.call(
                method, request(sequence), CallOptions(deadline: .after(milliseconds: 5000)))
            sequence += 1
            isRunning = measurement.report(from: start, isRight: isRight(reply.message))
        }
    }

    /// Makes one call after the other, by callback.
    private final class Caller: Sendable {
        private let channel: ZeroMQChannel
        private let method: Method<QuoteV1.AskRequest, QuoteV1.AskReply>
        private let measurement: Measurement
        /// Called when the measurement is over.
        private let over: @Sendable () -> Void

        init(
            _ channel: ZeroMQChannel, _ method: Method<QuoteV1.AskRequest, QuoteV1.AskReply>,
            _ measurement: Measurement, _ over: @escaping @Sendable () -> Void
        ) {
            self.channel = channel
            self.method = method
            self.measurement = measurement
            self.over = over
        }

        func call(_ sequence: UInt64) {
            let start = nowNanoseconds()
            let options = CallOptions(deadline: .after(milliseconds: 5000))
            do throws(RPCError) {
                try channel.send(method, request(sequence), options) { [self] outcome in
                    let isGood = if case .success(let reply) = outcome { isRight(reply.message) } else { false }
                    guard measurement.report(from: start, isRight: isGood) else { return over() }
                    call(sequence + 1)
                }
            } catch {
                _ = measurement.report(from: start, isRight: false)
                over()
            }
        }
    }

    private static func request(_ sequence: UInt64) -> QuoteV1.AskRequest {
        QuoteV1.AskRequest(
            specification: "acp.basic.small", region: "eu-frankfurt-1", instances: 10 + UInt32(sequence % 90),
            months: 12, at: 1_750_000_000_000 + Int64(sequence & 0xfffff))
    }

    private static func isRight(_ reply: QuoteV1.AskReply) -> Bool {
        reply.levels.count == 3 && reply.totalMicros + reply.discountMicros == reply.grossMicros
    }
}
