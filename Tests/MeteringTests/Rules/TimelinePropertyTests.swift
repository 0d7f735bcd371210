import BillingCore
import Testing

@testable import Metering

@Suite("Timelines") struct TimelinePropertyTests {
    @Test("No millisecond of a group's life is covered twice or not at all, whatever happens to it", arguments: 0..<400)
    func coverage(_ seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let life = try RandomLife(&random)
        let faults = life.timeline.faults(of: life.machine.state, createdAt: life.created, overdue: life.overdue)
        #expect(faults.isEmpty, "seed \(seed)")

        let periods = life.billed()
        #expect(periods.first?.start == life.created, "seed \(seed)")
        for (earlier, later) in zip(periods, periods.dropFirst()) {
            let isGap = life.gaps.contains { $0.start == earlier.end && $0.end == later.start }
            #expect(earlier.end == later.start || isGap, "seed \(seed)")
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
            ([(0, 60, 1), (120, 180, 1)], "the next starts"),
            ([(0, 60, 2), (15 * 24 * 60 + 61, nil, 2)], "the next starts"),
        ] as [([(Int64, Int64?, Int64)], String)])
    func faults(_ kept: [(Int64, Int64?, Int64)], expected: String) {
        let start = instant("2026-04-10 08:00")
        let at = { (minutes: Int64) in start.adding(milliseconds: minutes * 60_000) }
        let segments = kept.map { segment in
            Segment(
                segment.2 == 1 ? .payAsYouGo(.second) : .subscription(id("ord-one")), start: at(segment.0),
                end: segment.1.map(at))
        }
        let state = GroupState.released(Release(.payAsYouGo(.second, anchor: start), at: at(60), .owner))
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
    private(set) var overdue: [OverdueInterval] = []
    /// Where nothing is billed: while overdue or expired.
    private(set) var gaps: [Period] = []
    private let saga: SagaID = id("saga-one")

    init(_ random: inout SeededGenerator) throws {
        let unit: BillingUnit = Bool.random(using: &random) ? .second : .fourHours
        created = instant("2026-04-10 00:00").adding(
            milliseconds: Self.duration(&random, largest: 3 * .millisecondsPerHour))
        machine = GroupStateMachine(id("ag-one"), .creating(.payAsYouGo(unit, anchor: nil)))
        expectedEnd = created
        try take(.creationReported(at: created, unit: nil))
        var anchor = created
        for _ in 0..<Int.random(in: 0...2, using: &random) { try fallBehind(&anchor, &random) }
        let change = anchor.adding(milliseconds: Self.duration(&random, largest: 30 * .millisecondsPerHour))
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            try take(.released(at: change))
            expectedEnd = unit.end(anchor: anchor, released: change)
            // An overdue account ends the tail.
            let hour = BillingCalendar.hourAtOrAfter(change.adding(milliseconds: 1))
            guard Bool.random(using: &random), hour < expectedEnd else { return }
            try take(.foundOverdue(at: hour))
            expectedEnd = hour
        case 1:
            let hour = BillingCalendar.hourAtOrAfter(change.adding(milliseconds: 1))
            try take(.foundOverdue(at: hour))
            overdue.append(OverdueInterval(start: hour, end: nil))
            let release = BillingCalendar.releaseAt(since: hour)
            try take(
                Bool.random(using: &random)
                    ? .released(at: change.adding(milliseconds: 4 * .millisecondsPerHour))
                    : .releaseDue(.overdue, since: hour, now: release))
            expectedEnd = hour
        default: try subscribe(at: change, &random)
        }
    }

    private mutating func fallBehind(_ anchor: inout Timestamp, _ random: inout SeededGenerator) throws {
        let used = 1 + Self.duration(&random, largest: 9 * .millisecondsPerHour)
        let hour = BillingCalendar.hourAtOrAfter(anchor.adding(milliseconds: used))
        try take(.foundOverdue(at: hour))
        anchor = hour.adding(milliseconds: Self.duration(&random, largest: 14 * .millisecondsPerDay))
        try take(.resumed(at: anchor, beforeReleases: false))
        overdue.append(OverdueInterval(start: hour, end: anchor))
        gaps.append(Period(hour, anchor))
    }

    private mutating func subscribe(at change: Timestamp, _ random: inout SeededGenerator) throws {
        let end = BillingCalendar.termEnd(start: change, months: 1)
        let term = Term(order: id("ord-one"), period: Period(change, end), months: 1)
        try take(.locked(by: saga, for: .payAsYouGo, orExpired: false, at: change))
        try take(.switched(Subscription(term), by: saga))
        expectedEnd = end
        for index in 0..<Int.random(in: 0...3, using: &random) { try renew(index, &random) }
        if Bool.random(using: &random), case .active(.subscription(let subscription), _) = machine.state {
            let last = subscription.current.end
            expectedEnd = subscription.current.start.adding(
                milliseconds: 1 + Self.duration(&random, largest: 20 * .millisecondsPerDay))
            expectedEnd = min(expectedEnd, last)
            try take(.locked(by: saga, for: .subscription, orExpired: false, at: expectedEnd))
            try take(.unsubscribed(at: expectedEnd, by: saga))
        } else {
            while case .active(.subscription(let subscription), _) = machine.state {
                try take(.termEnded(at: subscription.current.end))
                expectedEnd = subscription.current.end
            }
        }
    }

    /// Renews before the end of the terms, or some days after it.
    private mutating func renew(_ index: Int, _ random: inout SeededGenerator) throws {
        guard case .subscription(let subscription) = machine.state.billing else { return }
        let months = [1, 2, 3].randomElement(using: &random) ?? 1
        var paidAt = subscription.paidThrough.adding(milliseconds: -1)
        if subscription.pending.isEmpty, Bool.random(using: &random) {
            paidAt = subscription.paidThrough.adding(
                milliseconds: Self.duration(&random, largest: 14 * .millisecondsPerDay))
            try take(.termEnded(at: subscription.current.end))
            gaps.append(Period(subscription.current.end, paidAt))
        }
        let renewal = subscription.chain.renewal(
            months: months, paidAt: paidAt, paidThrough: subscription.paidThrough)
        try take(.locked(by: saga, for: .subscription, orExpired: true, at: paidAt))
        try take(.extended(Term(order: id("ord-\(index)"), period: renewal.term, months: months), by: saga))
        expectedEnd = max(expectedEnd, renewal.term.end)
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
