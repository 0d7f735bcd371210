import BillingCore
import Testing

@testable import Metering

private let hour = Int64.millisecondsPerHour

private func segment(
    _ name: String = "ag-one", from anchor: String, to end: Timestamp? = nil, created: String? = nil,
    unit: BillingUnit = .fourHours
) -> AccruingSegment {
    AccruingSegment(
        .group(id(name), specification: "acp.basic.small", instances: 1, unit), region: "cn-hangzhou",
        createdAt: instant(created ?? anchor), anchor: instant(anchor), end: end)
}

/// All slices of some segments, cut hour by hour as the account's cursor goes.
func slices(_ segments: [AccruingSegment], until last: Timestamp? = nil) -> [Period] {
    guard let first = segments.map(\.anchor).min() else { return [] }
    var periods: [Period] = []
    var due: Timestamp? = CutPlan.due(cutThrough: first, anchor: first)
    while let hour = due, last.map({ hour <= $0 }) ?? true {
        let plan = CutPlan(segments, hourEnding: hour)
        periods += plan.slices.map(\.period)
        due = plan.nextDue
    }
    return periods
}

@Suite("Billing units") struct BillingUnitTests {
    @Test(
        "A release pays to the end of its unit, at least one",
        arguments: [
            // unit, used milliseconds, billed milliseconds
            (.fourHours, 0, 4 * hour), (.fourHours, 1, 4 * hour), (.fourHours, 95 * 60_000, 4 * hour),
            (.fourHours, 4 * hour, 4 * hour), (.fourHours, 4 * hour + 1, 8 * hour),
            (.fourHours, 4 * hour + 1000, 8 * hour),
            (.fourHours, 9 * hour + hour / 2, 12 * hour), (.second, 0, 1000), (.second, 1, 1000), (.second, 1000, 1000),
            (.second, 1001, 2000), (.second, 30 * 60_000, 30 * 60_000),
        ] as [(BillingUnit, Int64, Int64)])
    func end(_ unit: BillingUnit, used: Int64, billed: Int64) {
        let anchor = instant("2026-04-10 08:45:30")
        #expect(unit.end(anchor: anchor, released: anchor.adding(milliseconds: used)) - anchor == billed)
    }
}

@Suite("The plan of a cut") struct CutPlanTests {
    @Test("Example 2: slices are split at hours and where billing starts or ends, and the tail of the unit is cut")
    func exampleTwo() {
        let end = BillingUnit.fourHours.end(
            anchor: instant("2026-04-10 08:45:30"), released: instant("2026-04-10 10:20:30"))
        #expect(end == instant("2026-04-10 12:45:30"))
        #expect(
            slices([segment(from: "2026-04-10 08:45:30", to: end)]) == [
                Period(instant("2026-04-10 08:45:30"), instant("2026-04-10 09:00")),
                Period(instant("2026-04-10 09:00"), instant("2026-04-10 10:00")),
                Period(instant("2026-04-10 10:00"), instant("2026-04-10 11:00")),
                Period(instant("2026-04-10 11:00"), instant("2026-04-10 12:00")),
                Period(instant("2026-04-10 12:00"), end),
            ])
    }

    @Test("Example 12: a switch ends the last slice to the second, at 5:20:00")
    func exampleTwelve() {
        let periods = slices([segment(from: "2026-04-10 09:10", to: instant("2026-04-10 14:30"))])
        #expect(periods.count == 6)
        #expect(periods.first == Period(instant("2026-04-10 09:10"), instant("2026-04-10 10:00")))
        #expect(periods.last == Period(instant("2026-04-10 14:00"), instant("2026-04-10 14:30")))
        #expect(periods.reduce(0) { $0 + $1.milliseconds } == 5 * hour + 20 * 60_000)
    }

    @Test("Example 14: a group billed by the second is cut to the second it was released in")
    func exampleFourteen() {
        let end = BillingUnit.second.end(
            anchor: instant("2025-05-05 23:59:59"), released: instant("2025-05-06 00:29:59"))
        let periods = slices([segment(from: "2025-05-05 23:59:59", to: end, unit: .second)])
        #expect(
            periods == [
                Period(instant("2025-05-05 23:59:59"), instant("2025-05-06 00:00")),
                Period(instant("2025-05-06 00:00"), instant("2025-05-06 00:29:59")),
            ])
    }

    @Test("A unit's end inside an hour splits nothing")
    func unitEnds() {
        let periods = slices([segment(from: "2026-04-10 08:30")], until: instant("2026-04-10 15:00"))
        #expect(periods.count == 7)
        #expect(periods[4] == Period(instant("2026-04-10 12:00"), instant("2026-04-10 13:00")))
    }

    @Test("Slices are settled by their start, then by creation, then by id")
    func order() {
        let segments = [
            segment("ag-d", from: "2026-04-10 08:00"), segment("ag-c", from: "2026-04-10 09:20"),
            segment("ag-b", from: "2026-04-10 08:30"), segment("ag-a", from: "2026-04-10 08:30"),
        ]
        let plan = CutPlan(segments, hourEnding: instant("2026-04-10 10:00"))
        #expect(plan.slices.map { segments[$0.segment].thing.id } == ["ag-d", "ag-a", "ag-b", "ag-c"])
    }

    @Test("A segment that starts at the top of an hour is due an hour later; one that ends there is finished")
    func boundaries() {
        let plan = CutPlan(
            [
                segment("ag-starts", from: "2026-04-10 10:00"),
                segment("ag-ends", from: "2026-04-10 06:00", to: instant("2026-04-10 10:00")),
            ], hourEnding: instant("2026-04-10 10:00"))
        #expect(plan.slices.map(\.segment) == [1])
        #expect(plan.finished == [1])
        #expect(plan.nextDue == instant("2026-04-10 11:00"))
    }

    @Test("A segment without length, created and switched at once, is finished without a slice")
    func empty() {
        let at = instant("2026-04-10 09:30")
        let plan = CutPlan([segment(from: "2026-04-10 09:30", to: at)], hourEnding: instant("2026-04-10 10:00"))
        #expect(plan.slices.isEmpty)
        #expect(plan.finished == [0])
        #expect(plan.nextDue == nil)
    }

    @Test("An account that fell behind is due where it stopped, and skips hours in which nothing accrued")
    func gaps() {
        let segments = [
            segment("ag-past", from: "2026-04-10 08:00", to: instant("2026-04-10 09:00")),
            segment("ag-new", from: "2026-04-10 13:20"),
        ]
        let plan = CutPlan(segments, hourEnding: instant("2026-04-10 09:00"))
        #expect(plan.slices.map(\.segment) == [0])
        #expect(plan.nextDue == instant("2026-04-10 14:00"))
    }
}
