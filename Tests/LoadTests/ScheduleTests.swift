import Foundation
import Testing

@testable import billing_load

@Suite("When calls are sent") struct ScheduleTests {
    private func first(_ count: Int, _ arrivals: Schedule.Arrivals) -> [Int64] {
        var schedule = Schedule(arrivals)
        return (0..<count).compactMap { _ in schedule.next() }
    }

    @Test("A constant rate is even and does not drift")
    func constant() {
        #expect(first(4, .constant(rate: 1000)) == [0, 1_000_000, 2_000_000, 3_000_000])
        #expect(first(4, .constant(rate: 3)) == [0, 333_333_333, 666_666_666, 1_000_000_000])
        var schedule = Schedule(.constant(rate: 30_000))
        var last: Int64 = 0
        for _ in 0...3_000_000 { last = schedule.next() ?? 0 }
        #expect(last == 100_000_000_000)
    }

    @Test("Poisson arrivals have the mean rate, exponential gaps, and the same instants for the same seed")
    func poisson() {
        let arrivals = first(100_000, .poisson(rate: 1000, seed: 7))
        #expect(arrivals == first(100_000, .poisson(rate: 1000, seed: 7)))
        #expect(arrivals != first(100_000, .poisson(rate: 1000, seed: 8)))
        let gaps = zip(arrivals.dropFirst(), arrivals).map { Double($0 - $1) }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        #expect((0.99e6...1.01e6).contains(mean))
        // Of an exponential distribution 63.2 % lies below the mean, and the deviation is the mean.
        #expect((0.625...0.639).contains(Double(gaps.count { $0 < mean }) / Double(gaps.count)))
        let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
        #expect((0.97...1.03).contains(variance.squareRoot() / mean))
        #expect(gaps.allSatisfy { $0 >= 0 })
    }

    @Test("A trace is played at its speed and ends")
    func trace() {
        let offsets: [Int64] = [0, 1_000_000_000, 1_500_000_000]
        #expect(first(5, .trace(offsets, speed: 1)) == offsets)
        #expect(first(5, .trace(offsets, speed: 10)) == [0, 100_000_000, 150_000_000])
        #expect(Schedule(.trace(offsets, speed: 10)).end == TimeSpan("150ms"))
        #expect(Schedule(.constant(rate: 1)).end == nil)
        let schedule = Schedule(.trace(offsets, speed: 1))
        #expect(schedule.meanRate(from: TimeSpan(seconds: 0), to: TimeSpan(seconds: 1.25)) == 2 / 1.25)
        #expect(schedule.meanRate(from: TimeSpan(seconds: 0.5), to: TimeSpan(seconds: 1.5)) == 1)
        #expect(schedule.meanRate(from: TimeSpan(seconds: 1.5), to: TimeSpan(seconds: 1.5)) == 0)
    }

    @Test(
        "Workers divide a schedule without loss or doubling",
        arguments: [
            Schedule.Arrivals.constant(rate: 700), .poisson(rate: 700, seed: 3), .trace([0, 5, 5, 9], speed: 1),
        ])
    func shares(arrivals: Schedule.Arrivals) {
        var whole: [Int64] = []
        var schedule = Schedule(arrivals)
        while whole.count < 1000, let offset = schedule.next() { whole.append(offset) }
        var seen: [Int: Int64] = [:]
        for worker in 0..<3 {
            var share = ScheduleShare(arrivals, worker: worker, of: 3)
            while let (number, offset) = share.next(), number < whole.count {
                #expect(number % 3 == worker)
                #expect(seen.updateValue(offset, forKey: number) == nil)
            }
        }
        #expect(seen.sorted { $0.key < $1.key }.map(\.value) == whole)
    }
}

@Suite("Arrival traces") struct ArrivalTraceTests {
    @Test(
        "The first column holds instants in any of these forms; a heading is left out",
        arguments: [
            ("TIMESTAMP,Tokens\n2023-11-16 18:17:03.9799600,4808\n2023-11-16 18:17:04.0319600,3180", [0, 52_000_000]),
            ("2023-11-16T18:17:03Z\r\n2023-11-16T18:17:04.5Z\r\n", [0, 1_500_000_000]),
            ("2023-11-16 23:59:59.9\n2023-11-17 00:00:00", [0, 100_000_000]),
            ("at\n0.5\n0.5\n2\n", [0, 0, 1_500_000_000]),
            ("\"1700000000.000000001\",x\n\"1700000000.25\",y", [0, 250_000_000]),
        ] as [(String, [Int64])])
    func forms(text: String, offsets: [Int64]) throws {
        let read = try ArrivalTrace.offsets(ofCSV: text)
        #expect(read.count == offsets.count)
        // Seconds since 1970 as a binary fraction are exact to a quarter of a microsecond.
        for (one, other) in zip(read, offsets) { #expect(abs(one - other) < 300) }
    }

    @Test(
        "What is no trace is refused, with its line",
        arguments: [
            ("", "no instants"), ("at\n", "no instants"), ("at\n1\nx\n", "line 3"), ("2\n1\n", "line 2 is earlier"),
            ("at\n2023-13-01 00:00:00\n", "line 2"), ("at\nnan\n", "line 2"), ("at\n-1\n", "line 2"),
        ])
    func refused(text: String, why: String) {
        let fault = #expect(throws: ArrivalTrace.Fault.self) { try ArrivalTrace.offsets(ofCSV: text) }
        #expect(fault?.description.contains(why) == true, "\(fault?.description ?? "")")
    }

    @Test("Files are read packed or plain; a missing or damaged one is refused")
    func files() throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "trace-\(UInt64.random(in: 0...UInt64.max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let plain = folder.appending(path: "a.csv").path()
        try Data("at\n1\n2.5\n".utf8).write(to: URL(filePath: plain))
        #expect(try ArrivalTrace.offsets(ofFile: plain) == [0, 1_500_000_000])
        let gzip = Process()
        gzip.executableURL = URL(filePath: "/usr/bin/env")
        gzip.arguments = ["gzip", "-k", plain]
        try gzip.run()
        gzip.waitUntilExit()
        #expect(try ArrivalTrace.offsets(ofFile: plain + ".gz") == [0, 1_500_000_000])
        #expect(throws: ArrivalTrace.Fault.self) { try ArrivalTrace.offsets(ofFile: plain + ".no") }
        try Data("not packed".utf8).write(to: URL(filePath: plain + ".gz"))
        #expect(throws: ArrivalTrace.Fault.self) { try ArrivalTrace.offsets(ofFile: plain + ".gz") }
    }
}
