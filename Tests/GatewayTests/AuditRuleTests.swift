import BillingCore
import Testing

@testable import Gateway

@Suite("Coverage of groups by bills") struct CoverageComparisonTests {
    static func usage(_ start: Int64, _ end: Int64, group: String = "ag-1") -> CoveredSpan {
        CoveredSpan(
            group: group, method: .payAsYouGo,
            period: Period(Timestamp(milliseconds: start), Timestamp(milliseconds: end)))
    }

    static func term(_ start: Int64, _ end: Int64, order: String = "ord-1") -> CoveredSpan {
        CoveredSpan(
            group: "ag-1", method: .subscription(orderID: order),
            period: Period(Timestamp(milliseconds: start), Timestamp(milliseconds: end)))
    }

    @Test(
        "What was used and what was billed agree, or the group is named",
        arguments: [
            ([], [], [0, 0, 0]),
            ([usage(0, 10)], [usage(0, 10)], [0, 0, 0]),
            ([usage(0, 10)], [usage(0, 4), usage(4, 10)], [0, 0, 0]),
            ([usage(5, 5)], [], [0, 0, 0]),
            ([usage(0, 10)], [usage(0, 9)], [1, 0, 0]),
            ([usage(0, 10)], [usage(0, 5), usage(4, 10)], [1, 0, 0]),
            ([], [usage(0, 10)], [1, 0, 0]),
            // Overdue from 10 to 20: two segments with a gap between them.
            ([usage(0, 10), usage(20, 30)], [usage(0, 10), usage(20, 30)], [0, 0, 0]),
            ([usage(0, 10), usage(20, 30)], [usage(0, 30)], [1, 0, 0]),
            ([usage(0, 10), usage(20, 30)], [usage(0, 10), usage(15, 30)], [1, 0, 0]),
            // A value-added resource beside the group.
            ([usage(0, 10), usage(0, 9, group: "nat-1")], [usage(0, 9, group: "nat-1"), usage(0, 10)], [0, 0, 0]),
            ([usage(0, 10), usage(0, 9, group: "nat-1")], [usage(0, 10)], [1, 0, 0]),
            ([usage(0, 10), term(10, 30)], [usage(0, 10), term(10, 40)], [0, 0, 0]),
            ([usage(0, 10), term(9, 30)], [usage(0, 10), term(9, 40)], [0, 1, 0]),
            ([term(10, 30)], [term(11, 30)], [0, 1, 0]),
            ([term(10, 30)], [term(10, 20)], [0, 1, 0]),
            ([term(10, 30)], [], [0, 0, 1]),
            ([], [term(10, 30)], [0, 0, 1]),
            // A pending renewal is a term like any other.
            ([term(10, 30), term(30, 50, order: "ord-2")], [term(10, 30), term(30, 50, order: "ord-2")], [0, 0, 0]),
            ([term(10, 30)], [term(10, 30), term(30, 50, order: "ord-2")], [0, 0, 1]),
            ([term(10, 30)], [term(10, 30), term(10, 30)], [0, 0, 1]),
            ([term(10, 30), term(10, 30)], [term(10, 30)], [0, 1, 1]),
            // Its money was given back.
            ([term(10, 30)], [term(10, 30), term(30, 50, order: "ord-back")], [0, 0, 0]),
        ] as [([CoveredSpan], [CoveredSpan], [Int])])
    func compare(_ segments: [CoveredSpan], _ billed: [CoveredSpan], _ breaches: [Int]) {
        let comparison = CoverageComparison(
            segments: segments, through: Timestamp(milliseconds: 100), billed: billed, later: segments,
            givenBack: ["ord-back"])
        let entitlements = comparison.entitlementBreaches + comparison.entitlementDoubts
        #expect(
            [comparison.payAsYouGoBreaches, comparison.subscriptionBreaches, entitlements].map(\.count) == breaches)
        #expect(comparison.agrees == (breaches == [0, 0, 0]))
    }

    @Test(
        "What is billed beyond the cursor, or paid since, is in doubt until a later reading knows it",
        arguments: [
            ([usage(0, 10)], [usage(0, 10)], [usage(0, 10)], [0, 0, 0]),
            // Two hours were cut since, and the reading after that knows of them, or of one.
            ([usage(0, 10)], [usage(0, 10), usage(10, 11), usage(11, 12)], [usage(0, 12)], [0, 0, 0]),
            ([usage(0, 10)], [usage(0, 10), usage(10, 11), usage(11, 12)], [usage(0, 11)], [0, 1, 0]),
            ([usage(0, 10)], [usage(0, 10), usage(12, 13)], [usage(0, 12)], [0, 1, 0]),
            // What is missing before the cursor no later reading explains.
            ([usage(0, 10)], [usage(0, 9), usage(10, 11)], [usage(0, 11)], [1, 0, 0]),
            // A line across the cursor.
            ([usage(0, 10)], [usage(0, 9), usage(9, 11)], [usage(0, 11)], [1, 0, 0]),
            // An order was paid since.
            ([], [term(12, 30)], [term(12, 30)], [0, 0, 0]),
            ([], [term(12, 30)], [], [0, 0, 1]),
        ] as [([CoveredSpan], [CoveredSpan], [CoveredSpan], [Int])])
    func doubts(_ segments: [CoveredSpan], _ billed: [CoveredSpan], _ later: [CoveredSpan], _ counts: [Int]) {
        let comparison = CoverageComparison(
            segments: segments, through: Timestamp(milliseconds: 10), billed: billed, later: later)
        #expect(
            [comparison.payAsYouGoBreaches, comparison.aheadDoubts, comparison.entitlementDoubts].map(\.count)
                == counts)
        #expect(comparison.isInDoubt == (counts[1] + counts[2] > 0))
        #expect(comparison.agrees == (counts == [0, 0, 0]))
    }
}

@Suite("What services keep of a saga") struct SagaEvidenceTests {
    typealias State = StepRow.State

    static let places = [
        StepRow.Place(participant: "metering", step: "lock", decides: false),
        StepRow.Place(participant: "refund", step: "pay", decides: true),
        StepRow.Place(participant: "order", step: "post", decides: true),
    ]

    @Test(
        "A committed saga has all its steps done and took effect once, an aborted one has none",
        arguments: [
            (true, [State.done, .done, .done], 0, 0),
            (true, [.undone, .done, .done], 1, 0),
            (true, [.done, .tombstone, .done], 1, 1),
            (true, [.done, .done, nil], 1, 1),
            (true, [nil, nil, nil], 3, 1),
            (false, [nil, nil, nil], 0, 0),
            (false, [.undone, .rejected, .tombstone], 0, 0),
            (false, [.done, .rejected, .tombstone], 1, 1),
            (false, [.undone, .done, .done], 2, 1),
        ] as [(Bool, [State?], Int, Int)])
    func table(_ isCommitted: Bool, _ states: [State?], _ steps: Int, _ effects: Int) {
        let rows = zip(Self.places, states).compactMap { place, state in
            state.map { StepRow(participant: place.participant, step: place.step, state: $0) }
        }
        let evidence = SagaEvidence(of: isCommitted ? Self.places : nil, rows: rows)
        #expect(evidence.steps.count == steps && evidence.effects.count == effects)
        #expect(evidence.isSound == (steps + effects == 0))
    }

    @Test("A step that the saga does not have is no step of it")
    func stranger() {
        let rows = (Self.places + [.init(participant: "order", step: "lock", decides: false)]).map {
            StepRow(participant: $0.participant, step: $0.step, state: .done)
        }
        #expect(SagaEvidence(of: Self.places, rows: rows).steps.count == 1)
    }
}

@Suite("Where an audit stands") struct AuditPlaceTests {
    @Test("It goes through all partitions, and on within some of them")
    func places() throws {
        var partitions: [Int] = []
        var place: AuditPlace? = try AuditPlace("")
        while let here = place {
            partitions += here.partitions
            #expect(try AuditPlace(here.cursor) == here)
            let account = "acct-\(here.partitions.lowerBound)"
            let within = AuditPlace(after: account)
            #expect(try AuditPlace(within.cursor) == within && within.account == account)
            #expect(within.partitions.lowerBound == Partition.of(account))
            place = here.nextPartitions
        }
        #expect(partitions == Array(0..<Partition.count))
    }

    @Test("A cursor of something else is refused", arguments: ["x", "-1", "256", "0/acct-1", "/"])
    func refused(_ cursor: String) {
        #expect(throws: (any Error).self) { try AuditPlace(cursor) }
    }
}
