import Testing

@testable import billing_load

@Suite("Lengths of time and figures") struct FiguresTests {
    @Test(
        "A length of time has a unit",
        arguments: [
            ("30s", 30_000_000_000), ("1.5s", 1_500_000_000), ("20ms", 20_000_000), ("250us", 250_000),
            ("250µs", 250_000), ("7ns", 7), ("2m", 120_000_000_000), ("1h", 3_600_000_000_000), ("0s", 0),
            ("30", nil), ("s", nil), ("", nil), ("-1s", nil), ("1.2.3s", nil), ("1 s", nil), ("9999999h", nil),
        ] as [(String, Int64?)])
    func timeSpan(text: String, nanoseconds: Int64?) { #expect(TimeSpan(text)?.nanoseconds == nanoseconds) }

    @Test(
        "Figures have three digits",
        arguments: [
            (0, "0 ns"), (999, "999 ns"), (1000, "1 µs"), (812_345, "812 µs"), (1_240_000, "1.24 ms"),
            (12_349_000, "12.3 ms"), (30_000_000_000, "30 s"), (99_960_000, "100 ms"),
        ] as [(Int64, String)])
    func description(nanoseconds: Int64, text: String) {
        #expect(TimeSpan(nanoseconds: nanoseconds).description == text)
    }

    @Test("Numbers for people")
    func numbers() {
        #expect([0, 999, 1000, -1_234_567].map(Figures.grouped) == ["0", "999", "1,000", "-1,234,567"])
        #expect([0.001, 0, 1, 0.12345].map(Figures.percent) == ["0.1 %", "0 %", "100 %", "12.3 %"])
        #expect(
            [0.01234, 0.5, 12.34, 99.96, 1234.5, 0.0000001].map(Figures.short) == [
                "0.0123", "0.5", "12.3", "100", "1235", "0",
            ])
        #expect(Figures.fixed(-0.004, 2) == "0.00")
        #expect(Figures.fixed(1.005, 1) == "1.0")
        #expect(Figures.fixed(2.5, 0) == "3")
    }
}

@Suite("Targets") struct TargetCheckTests {
    @Test(
        "Only this machine is loaded, unless the user owns the target",
        arguments: [
            ("tcp://127.0.0.1:7410", true, true), ("tcp://127.8.9.1:1", true, true),
            ("tcp://localhost:7410", true, true),
            ("tcp://[::1]:7410", true, true), ("ipc:///tmp/pricing.sock", true, true),
            ("tcp://10.0.0.1:7410", false, true), ("tcp://127.0.0.1.example.com:7410", false, true),
            ("tcp://example.com:7410", false, true), ("tcp://0.0.0.0:7410", false, true),
            ("tcp://[::]:7410", false, true), ("tcp://localhost.example.com:7410", false, true),
            ("http://127.0.0.1:7410", false, false), ("tcp://127.0.0.1", false, false), ("ipc://", false, false),
            ("tcp://127.0.0.1:0", false, false), ("tcp://:7410", false, false), ("127.0.0.1:7410", false, false),
            // A list is what a channel takes it for, each part an endpoint.
            ("tcp://127.0.0.1:1,tcp://localhost:2,ipc:///tmp/a", true, true),
            ("ipc:///tmp/x,tcp://192.0.2.1:7410", false, true), ("tcp://127.0.0.1:1,tcp://192.0.2.1:7410", false, true),
            ("ipc:///tmp/x,", false, false), ("tcp://127.0.0.1:1, tcp://127.0.0.1:2", false, false),
        ])
    func check(endpoint: String, isAllowed: Bool, isAllowedToOwner: Bool) {
        #expect((TargetCheck.refusal(of: endpoint, isOwned: false) == nil) == isAllowed)
        #expect((TargetCheck.refusal(of: endpoint, isOwned: true) == nil) == isAllowedToOwner)
    }

    @Test(
        "A process is looked for at an endpoint of this machine alone",
        arguments: [
            ("tcp://127.0.0.1:7410", 7410, nil), ("tcp://[::1]:1", 1, nil), ("tcp://192.0.2.1:7410", nil, nil),
            ("tcp://example.com:7410", nil, nil), ("tcp://127.0.0.1:1,tcp://127.0.0.1:2", nil, nil),
            ("ipc:///tmp/x", nil, "/tmp/x"), ("ipc://", nil, nil),
        ] as [(String, UInt16?, String?)])
    func local(endpoint: String, port: UInt16?, path: String?) {
        #expect(TargetCheck.loopbackPort(of: endpoint) == port)
        #expect(TargetCheck.path(of: endpoint) == path)
    }
}

@Suite("Service levels") struct ServiceLevelTests {
    private struct Facts: MeasuredFacts {
        var milliseconds: [Double: Double] = [50: 1, 99: 20, 100: 80]
        var ended = 10_000
        var errorShare = 0.001
        var rate = 5000.0
        func latency(percentile: Double) -> TimeSpan? {
            milliseconds[percentile].map { TimeSpan(seconds: $0 / 1000) }
        }
    }

    @Test(
        "A bound is met up to its value and broken above it",
        arguments: [
            ("p99=20ms", true), ("p99=19999us", false), ("max=80ms", true), ("max=79ms", false), ("p50=1ms", true),
            ("errors=0.1%", true), ("errors=0.09%", false), ("errors=0%", false), ("rate=5000", true),
            ("rate=5001", false), ("p99=20ms,errors=0.1%,rate=5000", true), ("p99=20ms,errors=0.05%", false),
        ])
    func judge(text: String, isMet: Bool) throws {
        #expect(try ServiceLevel(text).judge(Facts()).allSatisfy(\.isMet) == isMet)
    }

    @Test("A run in which no call ended has met nothing")
    func nothing() throws {
        let facts = Facts(milliseconds: [:], ended: 0, errorShare: 0, rate: 0)
        let verdicts = try ServiceLevel("p99=1h,errors=1%,rate=1").judge(facts)
        #expect(verdicts.map(\.isMet) == [false, false, false])
        #expect(verdicts.map(\.measured) == ["nothing was measured", "nothing was measured", "0/s"])
        #expect(verdicts[0].objective == "p99 <= 3600 s")
    }

    @Test("A percentile at which a failed call stands is broken, whatever the bound")
    func failed() throws {
        let verdicts = try ServiceLevel("p50=1ms,p99=1h").judge(Facts(milliseconds: [50: 1]))
        #expect(verdicts.map(\.isMet) == [true, false])
        #expect(verdicts[1].measured == "a failed call")
    }

    @Test(
        "What is no service level is refused",
        arguments: [
            "", "p99", "p99=20", "p0=1s", "p101=1s", "99=1s", "errors=1", "errors=101%", "errors=-1%", "rate=0",
            "rate=x", "p99=20ms,", "p99=20ms=1", "p99 = 20ms",
        ])
    func refused(text: String) { #expect(throws: ServiceLevel.Fault.self) { try ServiceLevel(text) } }
}

@Suite("The search for the knee") struct RampPlanTests {
    private func search(from start: Double, capacity: Double) -> RampPlan {
        var plan = RampPlan(start: start)
        while let rate = plan.next { plan.judged(holds: rate <= capacity) }
        return plan
    }

    @Test(
        "It ends within its precision below the capacity, in few steps",
        arguments: [
            (1000, 1000), (1000, 1001), (1000, 31_415), (1000, 999), (1000, 17), (100, 250_000), (5000, 4000), (10, 3),
        ] as [(Double, Double)])
    func knee(start: Double, capacity: Double) throws {
        let plan = search(from: start, capacity: capacity)
        let held = try #require(plan.held)
        #expect(held <= capacity)
        #expect(held >= capacity / 1.06 || capacity - held < 1)
        #expect(plan.steps <= 32)
    }

    @Test("One hiccup at a rate that would hold costs a step and changes nothing")
    func hiccup() {
        var plan = RampPlan(start: 1000)
        var hiccups: Set<Double> = [2000, 3000]
        while let rate = plan.next { plan.judged(holds: hiccups.remove(rate) == nil && rate <= 3100) }
        #expect(plan.held == search(from: 1000, capacity: 3100).held)
        #expect(plan.steps == search(from: 1000, capacity: 3100).steps + 2)
    }

    @Test("Where nothing holds there is no knee, and where everything holds the search ends all the same")
    func bounds() {
        #expect(search(from: 1000, capacity: 0).held == nil)
        let plan = search(from: 1000, capacity: .infinity)
        #expect(plan.steps == 40)
        #expect(plan.failed == nil)
    }

    private static let held = Saturation.Facts(
        holdsLatency: true, holdsErrors: true, keptSchedule: true, isGeneratorSaturated: false, isDataShort: false,
        serverThreadShare: 0.5, isQueueing: false, machineShare: 0.5)

    @Test("What is saturated is told by the first cause that fits; a thread that never rests is none by itself")
    func saturation() {
        let cases: [(Saturation, (inout Saturation.Facts) -> Void)] = [
            (.nothing, { ($0.isGeneratorSaturated, $0.serverThreadShare, $0.isQueueing) = (true, 1, true) }),
            (.generator, { ($0.holdsLatency, $0.isGeneratorSaturated, $0.isDataShort) = (false, true, true) }),
            (.data, { ($0.holdsErrors, $0.isDataShort, $0.serverThreadShare, $0.isQueueing) = (false, true, 1, true) }),
            (.server, { ($0.holdsLatency, $0.serverThreadShare, $0.isQueueing) = (false, 0.95, true) }),
            (.server, { ($0.holdsErrors, $0.serverThreadShare, $0.isQueueing) = (false, 0.95, true) }),
            (.latency, { ($0.holdsLatency, $0.serverThreadShare) = (false, 1) }),
            (.latency, { ($0.holdsLatency, $0.isQueueing) = (false, true) }),
            (.machine, { ($0.holdsLatency, $0.serverThreadShare, $0.machineShare) = (false, nil, 0.97) }),
            (.errors, { ($0.holdsErrors, $0.keptSchedule) = (false, false) }),
            (.schedule, { $0.keptSchedule = false }),
            (.latency, { $0.holdsLatency = false }),
        ]
        for (index, (cause, change)) in cases.enumerated() {
            var facts = Self.held
            change(&facts)
            #expect(Saturation(facts) == cause, "case \(index)")
        }
    }
}
