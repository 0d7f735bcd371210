import BillingCore
import Testing

@testable import Metering

@Suite("Timelines") struct TimelinePropertyTests {
    @Test("No millisecond of a group's life is covered twice or not at all, whatever happens to it", arguments: 0..<400)
    func coverage(_ seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let life = try RandomLife(&random)
        #expect(life.timeline.faults(of: life.machine.state, createdAt: life.created).isEmpty, "seed \(seed)")

        let periods = life.billed()
        #expect(periods.first?.start == life.created, "seed \(seed)")
        for (earlier, later) in zip(periods, periods.dropFirst()) {
            #expect(earlier.end == later.start, "seed \(seed)")
        }
        #expect(periods.last?.end == life.expectedEnd, "seed \(seed)")
        #expect(periods.allSatisfy { !$0.isEmpty }, "seed \(seed)")
    }

    @Test(
        "A fault in a timeline is told",
        arguments: [
            ([], "has no segment"),
            ([(0, 60, 1), (61, nil, 2)], "the next starts"), ([(0, nil, 2), (0, 60, 1)], "one segment ends open"),
            ([(5, 60, 1)], "but billed from"), ([(0, 70, 1)], "is due"),
            ([(0, 30, 1), (30, 60, 2), (60, 60, 1)], "after a subscription"),
        ] as [([(Int64, Int64?, Int64)], String)])
    func faults(_ kept: [(Int64, Int64?, Int64)], expected: String) {
        let start = instant("2026-04-10 08:00")
        let at = { (minutes: Int64) in start.adding(milliseconds: minutes * 60_000) }
        let segments = kept.map { segment in
            Segment(
                segment.2 == 1 ? .payAsYouGo(.second) : .subscription(id("ord-one")), start: at(segment.0),
                end: segment.1.map(at))
        }
        let state = GroupState.released(.payAsYouGo(.second, anchor: start), at: at(60), .owner)
        let faults = Timeline(segments).faults(of: state, createdAt: start)
        #expect(faults.contains { $0.contains(expected) }, "\(faults)")
    }
}

/// A group that something happened to, and what it should be billed for.
private struct RandomLife {
    let created: Timestamp
    private(set) var machine: GroupStateMachine
    private(set) var timeline = Timeline()
    private(set) var expectedEnd: Timestamp

    init(_ random: inout SeededGenerator) throws {
        let unit: BillingUnit = Bool.random(using: &random) ? .second : .fourHours
        let saga: SagaID = id("saga-one")
        created = instant("2026-04-10 00:00").adding(
            milliseconds: Self.duration(&random, largest: 3 * .millisecondsPerHour))
        machine = GroupStateMachine(id("ag-one"), .creating(.payAsYouGo(unit, anchor: nil)))
        expectedEnd = created
        try take(.creationReported(at: created, unit: nil))
        let change = created.adding(milliseconds: Self.duration(&random, largest: 30 * .millisecondsPerHour))
        guard Bool.random(using: &random) else {
            try take(.released(at: change))
            expectedEnd = unit.end(anchor: created, released: change)
            return
        }
        let term = Term(
            order: id("ord-one"), period: Period(change, BillingCalendar.termEnd(start: change, months: 1)))
        try take(.locked(by: saga, for: .payAsYouGo))
        try take(.switched(term, by: saga))
        if Bool.random(using: &random) {
            let end = change.adding(milliseconds: 1 + Self.duration(&random, largest: 20 * .millisecondsPerDay))
            try take(.locked(by: saga, for: .subscription))
            try take(.unsubscribed(at: end, by: saga))
            expectedEnd = end
        } else {
            try take(.termEnded(at: term.end))
            expectedEnd = term.end
        }
    }

    /// Often a whole number of seconds, hours or units, where mistakes live; sometimes nothing at all.
    private static func duration(_ random: inout SeededGenerator, largest: Int64) -> Int64 {
        let grain =
            [1, 1000, 60_000, .millisecondsPerHour, 4 * .millisecondsPerHour].randomElement(using: &random) ?? 1
        return Int64.random(in: 0...largest, using: &random) / grain * grain
    }

    private mutating func take(_ event: GroupEvent) throws {
        if let change = try machine.take(event) { timeline.apply(change) }
    }

    /// The slices that are cut and the subscriptions, in order.
    func billed() -> [Period] {
        timeline.segments.flatMap { segment -> [Period] in
            let end = segment.end ?? segment.start
            switch segment.billing {
            case .payAsYouGo(let unit):
                return slices([
                    AccruingSegment(
                        .group(machine.group, specification: "acp.basic.small", instances: 1, unit),
                        region: "cn-hangzhou", createdAt: created, anchor: segment.start, end: end)
                ])
            case .subscription: return [Period(segment.start, end)]
            }
        }
    }
}
