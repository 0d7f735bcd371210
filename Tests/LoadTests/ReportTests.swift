import BillingCore
import Foundation
import Histogram
import RPC
import RPCZeroMQ
import Synchronization
import Testing

@testable import billing_load

@Suite("Reports") struct ReportTests {
    /// A run in which the n-th call took n milliseconds, and some failed.
    static func result(
        calls: Int = 1000, failed: Int = 0, rate: Double = 100, lag: Int64 = 50_000, busiestThread: Double = 0.4,
        loop: Load.Loop? = nil
    ) -> RunResult {
        var sample = Sample(operations: 2)
        for index in 1...calls {
            let latency = Int64(index) * 1_000_000
            sample.record(
                EndedCall(
                    outcome: .success(1), operation: index % 2, intended: 0, ready: 0, sent: lag,
                    ended: max(latency, lag)), isInTime: true, isMeasured: true)
        }
        let refusal = RPCError(.resourceExhausted, "call.overloaded", "No.")
        for _ in 0..<failed { sample.operations[0].record(.failure(refusal), nanoseconds: 1) }
        let share = ProcessorTime.Share(process: 0.5, busiestThread: busiestThread)
        return RunResult(
            load: Load(
                loop: loop ?? .open(.constant(rate: rate)), duration: TimeSpan(seconds: 12),
                warmUp: TimeSpan(seconds: 2),
                seed: 1),
            measuredSeconds: 10, wasStopped: false, sample: sample, total: sample.measured,
            seconds: [
                Second(sample, from: 0, to: 1_000_000_000, isWarmUp: true),
                Second(sample, from: 1_000_000_000, to: 2_000_000_000, isWarmUp: false),
            ], usage: ProcessorUsage(generator: share, server: share, machine: 0.3), statistics: ClientStatistics())
    }

    static func report(
        _ result: RunResult = result(failed: 7), scenario: String = "lifecycle", ramp: Ramp.Outcome? = nil
    ) -> Report {
        Report(
            service: "metering", scenario: scenario, startedAt: "2026-01-01T00:00:00Z", command: "metering --start",
            load: Report.LoadFacts(
                loop: "open", intendedRate: 100, outstanding: nil, connections: 1, reactors: 1, durationSeconds: 12,
                warmUpSeconds: 2, seed: 1, accounts: 1, groups: 1),
            result: Report.ResultFacts(result, operations: ["create", "release"]),
            distribution: result.total.latency.distribution, seconds: result.seconds,
            ramp: ramp.map(Report.RampFacts.init),
            verdicts: [ServiceLevel.Verdict(objective: "p99 <= 1 s", measured: "990 ms", isMet: true)],
            warnings: ["machine < busy"])
    }

    private static func ramp() -> Ramp.Outcome {
        let steps = [(100.0, Saturation.nothing), (200, .nothing), (400, .server), (400, .errors)].map {
            Ramp.Step(rate: $0, result: result(rate: $0), saturation: $1)
        }
        return Ramp.Outcome(steps: steps, bound: TimeSpan(seconds: 0.02), isComplete: true)
    }

    @Test("What is written is read again")
    func roundTrip() throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "report-\(UInt64.random(in: 0...UInt64.max))")
        defer { try? FileManager.default.removeItem(at: folder) }
        let result = Self.result()
        try ReportFiles.write(
            Self.report(result, ramp: Self.ramp()), result.total.latency, before: nil, to: folder.path())
        let path = folder.appending(path: "report.json").path()
        let read = try ReportFiles.read(path, of: .metering, "lifecycle")
        #expect(read.result.rate == 100 && read.result.calls == 1000 && read.ramp?.knee == 200)
        #expect(read.ramp?.saturated == .errors)
        #expect(read.distribution == result.total.latency.distribution && read.seconds == result.seconds)
        #expect(read.result.operations.map(\.calls) == [500, 500])
        for name in ["histogram.csv", "report.html"] {
            #expect(FileManager.default.contents(atPath: folder.appending(path: name).path())?.isEmpty == false)
        }
        try Data(#"{"format": 2}"#.utf8).write(to: folder.appending(path: "other.json"))
        for (path, service, scenario) in [
            (folder.appending(path: "other.json").path(), .metering, "lifecycle"),
            (folder.appending(path: "none.json").path(), .metering, "lifecycle"), (path, .metering, "cuts"),
            (path, .refund, "lifecycle"),
        ] as [(String, Service, String)] {
            #expect(throws: ReportFiles.Fault.self) { try ReportFiles.read(path, of: service, scenario) }
        }
    }

    @Test("A folder that cannot be made is found out before the run; one that can is there then")
    func folder() throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "report-\(UInt64.random(in: 0...UInt64.max))/a/b")
        defer {
            try? FileManager.default.removeItem(at: folder.deletingLastPathComponent().deletingLastPathComponent())
        }
        try ReportFiles.prepare(folder.path())
        try ReportFiles.prepare(folder.path())
        #expect(FileManager.default.isWritableFile(atPath: folder.path()))
        #expect(throws: ReportFiles.Fault.self) { try ReportFiles.prepare("/dev/null/report") }
    }

    @Test("The histogram's cells hold all calls, in order")
    func csv() {
        let rows = Self.result().total.latency.csv.split(separator: "\n").dropFirst().map {
            $0.split(separator: ",").compactMap { Double($0) }
        }
        #expect(rows.reduce(0) { $0 + $1[1] } == 1000)
        #expect(rows.last.map { $0[2] } == 1000 && rows.last.map { $0[3] } == 100)
        #expect(zip(rows, rows.dropFirst()).allSatisfy { $0[0] < $1[0] && $0[2] + $1[1] == $1[2] })
    }

    @Test("The page needs nothing else, and text from outside is text in it")
    func page() {
        let page = ReportPage(report: Self.report(scenario: "<b>&\"x"), before: nil).html
        #expect(page.contains("&lt;b&gt;&amp;&quot;x") && !page.contains("<b>&"))
        #expect(page.contains("machine &lt; busy"))
        for word in ["http:", "https:", "src=", "<link", "<script", "url(", "@import"] { #expect(!page.contains(word)) }
        #expect(page.contains("call.overloaded") && page.contains("<th>create</th>"))
        #expect(page.components(separatedBy: "<svg").count == 4)
        #expect(!page.contains("class=\"a-old\""))
        // Nothing that this run has not, and percentiles as such where the pointer rests.
        #expect(!page.contains("knee") && page.contains("<title>this run: 50.000 %, 500</title>"))
    }

    @Test("Two runs are drawn together, with the change of each figure; a ramp adds its curve")
    func comparison() {
        let page = ReportPage(
            report: Self.report(Self.result(calls: 500), ramp: Self.ramp()), before: Self.report(Self.result())
        ).html
        #expect(page.components(separatedBy: "<svg").count == 5)
        #expect(page.contains("<polyline class=\"a-old\"") && page.contains("<polyline class=\"a\""))
        #expect(page.contains("<th>answered, calls a second</th><td>50</td><td>100</td><td>-50 %</td>"))
        #expect(page.contains("<th>knee, calls a second</th><td>200</td><td>-</td><td></td>"))
        #expect(page.contains("<th>400</th><td>100</td><td>500</td><td>990</td><td>0</td><td>fails: server</td>"))
        #expect(page.contains("what saturated above the knee: errors: calls are refused or lost"))
    }

    @Test(
        "Changes are told in percent", arguments: [(100, 112, "+12 %"), (100, 50, "-50 %"), (3, 3, "0 %"), (0, 5, "")])
    func change(before: Double, now: Double, text: String) {
        #expect(ReportPage.change(from: before, to: now) == text)
    }
}

@Suite("Charts") struct LineChartTests {
    @Test("Axes go from and to round values, and places lie between their ends")
    func axes() {
        #expect(Axis([3, 47], .linear, from: 0, to: 100).marks.map(\.text) == ["0", "10", "20", "30", "40", "50"])
        #expect(Axis([0.3, 47], .logarithmic, from: 0, to: 100).marks.map(\.text) == ["0.1", "1", "10", "100"])
        #expect(Axis([5, 5], .logarithmic, from: 0, to: 100).marks.map(\.text) == ["1", "10"])
        let axis = Axis([1, 100], .logarithmic, from: 200, to: 0)
        #expect([1, 10, 100, 1000].map { axis.place($0).rounded() } == [200, 100, 0, 0])
        #expect(Axis([0, 0], .linear, from: 0, to: 10).place(0) == 0)
        #expect([0.9, 1, 1.1, 3, 30, 700].map(Axis.step) == [1, 1, 2, 5, 50, 1000])
        #expect([950, 20_000, 1_500_000].map(Axis.brief) == ["950", "20k", "1.5M"])
    }

    @Test("What cannot be drawn is left out; where nothing is left there is no chart")
    func undrawable() {
        func chart(_ points: [(x: Double, y: Double)]) -> String {
            LineChart(
                title: "t", x: "x", y: "y", yScale: .logarithmic,
                series: [LineChart.Series(name: "n", style: "a", points: points)]
            ).svg
        }
        #expect(chart([]).isEmpty && chart([(1, 0), (.nan, 1), (1, .infinity)]).isEmpty)
        #expect(chart([(1, 0), (2, 3)]).components(separatedBy: "<circle").count == 2)
    }
}

@Suite("What is shown") struct ShowingTests {
    @Test("A line a second, with the warm-up marked")
    func line() {
        let second = ReportTests.result().seconds[0]
        #expect(
            LiveDisplay.line(second, of: TimeSpan(seconds: 12))
                == "   1 of 12 s      1,000/s  p50  500.17 ms  p99  990.38 ms  errors 0  warm-up")
    }

    @Test("The table has a row for each operation and for all, reasons of failures, and what makes figures doubtful")
    func table() {
        final class Two: Scenario {
            let operations = ["create", "release"]
            func plan(_ number: Int, _ random: inout SeededGenerator) -> PlannedCall? {
                PlannedCall(operation: 0) { _ throws(RPCError) in 1 }
            }
        }
        let text = ResultText.text(ReportTests.result(failed: 250), Two())
        #expect(text.contains("  create       750          50"))
        #expect(text.contains("  release      500          50"))
        #expect(text.contains("250 (33.3 %)") && text.contains("  call.overloaded           250   20 %"))
        #expect(text.contains("100/s answered of 100/s intended"))
        #expect(text.contains("sent late     p50 50 µs, p99 50 µs"))
        #expect(!text.contains("warning"))
        #expect(ResultText.text(ReportTests.result(calls: 1), Two()).contains("  release"))
    }

    @Test(
        "A thread without rest makes the load tester no cause, unless calls are late for it; a closed loop cannot tell")
    func generator() {
        func isNamed(_ result: RunResult) -> Bool {
            ResultText.warnings(of: result).contains { $0.hasPrefix("the load tester's busiest thread") }
        }
        #expect(!isNamed(ReportTests.result(busiestThread: 1)))
        #expect(isNamed(ReportTests.result(lag: 400_000_000, busiestThread: 1)))
        #expect(!isNamed(ReportTests.result(lag: 400_000_000)))
        let closed = ReportTests.result(busiestThread: 1, loop: .closed(outstanding: 1))
        #expect(
            ResultText.warnings(of: closed).contains { $0.hasSuffix("if --reactors 2 gives more, it is what is slow") })
        func saturation(_ seconds: Double, lag: Int64, busiestThread: Double = 0.4) -> Saturation {
            ReportTests.result(lag: lag, busiestThread: busiestThread).saturation(
                bound: TimeSpan(seconds: seconds), errors: 1)
        }
        #expect(saturation(0.6, lag: 400_000_000, busiestThread: 1) == .generator)
        #expect(saturation(0.6, lag: 400_000_000) == .schedule)
        // Within the bound with all our lateness, which is less than half of it.
        #expect(saturation(1, lag: 400_000_000, busiestThread: 1) == .nothing)
        #expect(saturation(1, lag: 600_000_000) == .schedule)
        // Half of the calls take 500 of 1000 ms, so they queue in a service without rest; a few slow ones do not.
        let bound = TimeSpan(seconds: 0.9)
        #expect(ReportTests.result(busiestThread: 1).saturation(bound: bound, errors: 1) == .server)
    }

    @Test("A ramp that ran out of time says so")
    func cutShort() {
        let step = Ramp.Step(rate: 100, result: ReportTests.result(), saturation: .nothing)
        func text(_ isComplete: Bool) -> String {
            RampText.outcome(Ramp.Outcome(steps: [step], bound: TimeSpan(seconds: 2), isComplete: isComplete))
        }
        #expect(!text(true).contains("warning") && text(false).contains("warning: the time was over"))
    }

    @Test("A status line fits its terminal, so that the next one can take its place")
    func status() {
        let written = Mutex("")
        func show(_ text: String, columns: Int?) -> String {
            Console(isTerminal: true, columns: { columns }, write: { text in written.withLock { $0 = text } })
                .status(text)
            return written.withLock { $0 }
        }
        #expect(show("12345678", columns: 6) == "\r\u{1b}[K12345")
        #expect(show("12345678", columns: nil) == "\r\u{1b}[K12345678")
    }

    @Test("A bar is full at the end, also of nothing")
    func bar() {
        #expect(Progress.bar("groups", 1500, of: 3000).hasSuffix("[###############...............] 1,500 of 3,000"))
        #expect(Progress.bar("groups", 0, of: 0).contains("[##############################]"))
    }
}
