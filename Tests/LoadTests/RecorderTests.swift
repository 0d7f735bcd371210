import BillingCore
import Histogram
import RPC
import Testing

@testable import billing_load

@Suite("What is recorded") struct RecorderTests {
    private let refusal = RPCError(.resourceExhausted, "call.overloaded", "Too much.")

    /// A call that was due at `intended` and ready to be sent then.
    private func call(
        _ outcome: Result<Int, RPCError>, _ operation: Int? = 0, latency: Int64 = 1, lag: Int64 = 0,
        intended: Int64 = 1000
    ) -> EndedCall {
        EndedCall(
            outcome: outcome, operation: operation, intended: intended, ready: intended, sent: intended + lag,
            ended: intended + latency)
    }

    @Test("Latencies to three digits, failures by reason and apart from them, items, and lag; once taken they are gone")
    func tallies() {
        let recorder = Recorder(operations: 2, measured: 0..<2_000_000_000)
        for index in 1...1000 {
            recorder.record(call(.success(3), latency: Int64(index) * 1_000_000, lag: 5_000_000))
        }
        for _ in 0..<10 { recorder.record(call(.failure(refusal), 1)) }
        let sample = recorder.take()
        let (first, second) = (sample.operations[0], sample.operations[1])
        #expect(first.answered == 1000 && first.failed == 0 && first.items == 3000)
        #expect(second.answered == 0 && second.failures == ["call.overloaded": 10])
        #expect(second.latency.span(percentile: 99) == nil)
        for (percentile, milliseconds) in [(50.0, 500.0), (99, 990), (100, 1000)] {
            let found = first.latency.span(percentile: percentile)?.milliseconds ?? 0
            #expect(abs(found - milliseconds) <= milliseconds / 1000)
        }
        #expect(sample.measured.ended == 1010)
        #expect(sample.measured.errorShare == 10.0 / 1010)
        #expect(sample.lag.totalCount == 1010)
        #expect(recorder.take().measured.ended == 0)
    }

    @Test("The warm-up counts for the display alone")
    func warmUp() {
        let recorder = Recorder(operations: 1, measured: 5000..<1_000_000_000)
        recorder.record(call(.success(1), latency: 2_000_000, intended: 4999))
        recorder.record(call(.failure(refusal), intended: 4999))
        let sample = recorder.take()
        #expect(sample.measured.ended == 0 && sample.lag.totalCount == 0)
        let second = Second(sample, from: 1_000_000_000, to: 2_000_000_000, isWarmUp: true)
        #expect(second.answered == 1 && second.failed == 1 && second.p99.map { Int($0) } == 2)
    }

    @Test("Samples of workers are summed without loss")
    func sums() {
        var sum = Sample(operations: 1)
        for milliseconds in [1, 10, 100] as [Int64] {
            let recorder = Recorder(operations: 1, measured: 0..<1_000_000_000)
            for _ in 0..<100 { recorder.record(call(.success(1), latency: milliseconds * 1_000_000)) }
            recorder.record(call(.failure(refusal)))
            recorder.record(call(.failure(refusal), nil))
            sum.add(recorder.take())
        }
        #expect(sum.measured.answered == 300 && sum.measured.failures == ["call.overloaded": 6])
        #expect(sum.operations[0].failed == 3 && sum.unsent.failed == 3 && sum.measured.answeredInTime == 300)
        #expect(sum.measured.latency.span(percentile: 50).map { Int($0.milliseconds.rounded()) } == 10)
        #expect(sum.measured.latency.span(percentile: 34).map { Int($0.milliseconds.rounded()) } == 10)
        #expect(sum.measured.latency.span(percentile: 33).map { Int($0.milliseconds.rounded()) } == 1)
    }

    @Test("The rate is of the answers that come while calls are sent, also to calls of the warm-up, and not after")
    func inTime() {
        let recorder = Recorder(operations: 1, measured: 1000..<2000)
        recorder.record(call(.success(1), latency: 999, intended: 0))
        recorder.record(call(.success(1), latency: 1000, intended: 0))
        recorder.record(call(.success(1), latency: 999))
        recorder.record(call(.success(1), latency: 1000))
        recorder.record(call(.failure(refusal), latency: 10))
        let tally = recorder.take().operations[0]
        #expect(tally.answered == 2 && tally.failed == 1 && tally.answeredInTime == 2)
    }

    @Test("To wait for something to be about is part of the latency, and not our lateness")
    func held() {
        let recorder = Recorder(operations: 1, measured: 0..<1_000_000_000)
        recorder.record(
            EndedCall(
                outcome: .success(1), operation: 0, intended: 0, ready: 70_000_000, sent: 71_000_000, ended: 73_000_000)
        )
        recorder.record(call(.success(1)))
        let sample = recorder.take()
        #expect(sample.held == 1)
        func most(_ histogram: LatencyHistogram) -> Int? {
            histogram.span(percentile: 100).map { Int($0.milliseconds.rounded()) }
        }
        #expect(most(sample.operations[0].latency) == 73 && most(sample.lag) == 1 && most(sample.afterSending) == 2)
    }

    @Test(
        "A failed call is slower than any that is answered",
        arguments: [
            (50, 0, 50), (50, 1, 51), (99, 0, 99), (99, 1, 100), (99, 2, nil), (100, 0, 100), (100, 1, nil),
            (99.9, 100, nil), (50, 100, 100), (50, 101, nil), (50.1, 100, nil),
        ] as [(Double, Int, Int?)])
    func failures(percentile: Double, failed: Int, milliseconds: Int?) {
        var tally = Tally()
        for index in 1...100 { tally.record(.success(1), nanoseconds: Int64(index) * 1_000_000) }
        for _ in 0..<failed { tally.record(.failure(refusal), nanoseconds: 1) }
        #expect(tally.latency(percentile: percentile).map { Int($0.milliseconds.rounded()) } == milliseconds)
        #expect(Tally().latency(percentile: percentile) == nil)
    }

    @Test("Latencies beyond what is kept are kept as the longest, and negative ones as nothing")
    func extremes() {
        var histogram = LatencyHistogram.empty()
        histogram.record(nanoseconds: .max)
        histogram.record(nanoseconds: -5)
        #expect(histogram.totalCount == 2)
        #expect((histogram.span(percentile: 100)?.seconds ?? 0) > 3590)
        #expect((histogram.span(percentile: 50)?.nanoseconds ?? .max) <= 1024)
    }
}
