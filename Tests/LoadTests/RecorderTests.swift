import BillingCore
import Histogram
import RPC
import Testing

@testable import billing_load

@Suite("What is recorded") struct RecorderTests {
    private let refusal = RPCError(.resourceExhausted, "call.overloaded", "Too much.")

    @Test("Latencies to three digits, failures by reason and apart from them, items, and lag; once taken they are gone")
    func tallies() {
        let recorder = Recorder(operations: 2)
        for index in 1...1000 {
            recorder.record(
                .success(3), operation: 0, latency: Int64(index) * 1_000_000, lag: 5_000_000, isMeasured: true)
        }
        for _ in 0..<10 {
            recorder.record(.failure(refusal), operation: 1, latency: 1, lag: 0, isMeasured: true)
        }
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
        let recorder = Recorder(operations: 1)
        recorder.record(.success(1), operation: 0, latency: 2_000_000, lag: 0, isMeasured: false)
        recorder.record(.failure(refusal), operation: 0, latency: 1, lag: 0, isMeasured: false)
        let sample = recorder.take()
        #expect(sample.measured.ended == 0 && sample.lag.totalCount == 0)
        let second = Second(sample, from: 1_000_000_000, to: 2_000_000_000, isWarmUp: true)
        #expect(second.answered == 1 && second.failed == 1 && second.p99.map { Int($0) } == 2)
    }

    @Test("Samples of workers are summed without loss")
    func sums() {
        var sum = Sample(operations: 1)
        for milliseconds in [1, 10, 100] as [Int64] {
            let recorder = Recorder(operations: 1)
            for _ in 0..<100 {
                recorder.record(
                    .success(1), operation: 0, latency: milliseconds * 1_000_000, lag: 0, isMeasured: true)
            }
            recorder.record(.failure(refusal), operation: 0, latency: 0, lag: 0, isMeasured: true)
            sum.add(recorder.take())
        }
        #expect(sum.measured.answered == 300 && sum.measured.failures == ["call.overloaded": 3])
        #expect(sum.measured.latency.span(percentile: 50).map { Int($0.milliseconds.rounded()) } == 10)
        #expect(sum.measured.latency.span(percentile: 34).map { Int($0.milliseconds.rounded()) } == 10)
        #expect(sum.measured.latency.span(percentile: 33).map { Int($0.milliseconds.rounded()) } == 1)
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
