import BillingAPI
import RPC
import RPCZeroMQ

/// Lets the pricing service rate batches of slices, several batches at a time.
struct RateClient {
    private let channel: ZeroMQChannel
    private let outstanding: Int
    private let seconds: Double
    private var slices = 1000
    private var warm = 0.3

    init(_ reactor: Reactor, _ endpoint: String, _ arguments: inout Arguments) throws {
        outstanding = try arguments.number("a number of calls")
        seconds = try arguments.number("a number of seconds")
        while let option = arguments.option() {
            switch option {
            case "--slices": slices = try arguments.number("a number of slices")
            case "--warm": warm = try arguments.number("a number of seconds")
            case _: throw Misuse(text: "unknown option \(option)")
            }
        }
        channel = try ZeroMQChannel(reactor: reactor, endpoint: endpoint)
    }

    /// The rate that is told is of slices.
    func run() async throws {
        let measurement = Measurement(warm: warm, seconds: seconds)
        let request = Self.request(slices)
        try await withThrowingTaskGroup(of: Void.self) { [channel, slices] group in
            for _ in 0..<outstanding {
                group.addTask {
                    var isRunning = true
                    while isRunning {
                        let start = nowNanoseconds()
                        let reply = try await channel.call(
                            PricingV1.Prices.rate, request, CallOptions(deadline: .after(milliseconds: 5000)))
                        isRunning = measurement.report(
                            from: start,
                            isRight: reply.message.grossMicros.count == slices
                                && reply.message.grossMicros.allSatisfy { $0 > 0 })
                    }
                }
            }
            try await measurement.tell(scale: Double(slices))
            try await group.waitForAll()
        }
        guard measurement.wrongCount == 0 else { throw Misuse(text: "\(measurement.wrongCount) wrong answers") }
    }

    /// Twenty billing units of four hours for each of as many groups as it takes.
    private static func request(_ slices: Int) -> PricingV1.RateRequest {
        let unit: Int64 = 4 * 3_600_000
        let anchor: Int64 = 1_780_000_000_000
        var request = PricingV1.RateRequest()
        for index in 0..<slices {
            if index % 20 == 0 {
                request.resources.append(
                    PricingV1.RatedResource(
                        specification: "acp.basic.small", region: "cn-hangzhou", instances: 1 + UInt32(index % 7),
                        anchor: anchor + Int64(index)))
            }
            request.resource.append(UInt32(index / 20))
            let start = anchor + Int64(index / 20 * 20) + Int64(index % 20) * unit
            request.start.append(start)
            request.end.append(start + unit)
        }
        return request
    }
}
