import BillingCore
import RPC
import Testing

@testable import billing

@Suite("The plan of a replay") struct ReplayPlanTests {
    private func plan(_ rows: [(group: String, account: String, requested: Int64, created: Int64?, released: Int64)])
        -> ReplayPlan
    {
        ReplayPlan(
            rows.enumerated().map { index, row in
                ReplayRow(
                    line: index + 2, group: row.group, account: row.account, specification: "s", region: "r",
                    instances: 1, requestedAt: Timestamp(milliseconds: row.requested),
                    createdAt: row.created.map(Timestamp.init(milliseconds:)),
                    releasedAt: Timestamp(milliseconds: row.released))
            })
    }

    private func outline(_ plan: ReplayPlan) -> [String] {
        plan.instants.map { instant in
            var parts = instant.newAccounts.map { "open \(plan.accounts[$0])" }
            for chain in instant.chains {
                parts.append("\(plan.rows[chain.row].group) \(chain.operations.map { "\($0)" }.joined(separator: "+"))")
            }
            return "\(instant.at.milliseconds): " + parts.joined(separator: ", ")
        }
    }

    @Test("Instants ascend, whatever the order of the rows; an account is opened with its first group")
    func order() {
        let plan = plan([("late", "x", 50, 60, 70), ("early", "x", 10, 10, 60), ("other", "y", 50, 50, 60)])
        #expect(
            outline(plan) == [
                "10: open x, early create+reportCreated", "50: open y, late create, other create+reportCreated",
                "60: late reportCreated, early release, other release", "70: late release",
            ])
        #expect(plan.accountOfRow.map { plan.accounts[$0] } == ["x", "x", "y"])
    }

    @Test("A group that lives for no time is created, reported and released in this order")
    func instantLife() {
        #expect(outline(plan([("g", "x", 5, 5, 5)])) == ["5: open x, g create+reportCreated+release"])
    }

    @Test("A failed creation is reported when it was requested, and nothing is released")
    func failed() {
        #expect(outline(plan([("g", "x", 5, nil, 9)])) == ["5: open x, g create+reportFailed"])
    }

    @Test(
        "The plan ends when the tail of a 4-hour unit that starts at the last instant is cut",
        arguments: [("2026-05-30T08:09:20Z", "2026-05-30T13:00:00Z"), ("2026-05-30T08:00:00Z", "2026-05-30T12:00:00Z")])
    func end(last: String, end: String) throws {
        let last = try #require(Timestamp(last))
        let plan = plan([("g", "x", 0, 0, last.milliseconds)])
        #expect(plan.end == Timestamp(end))
    }

    @Test("Keys depend on the file, the row and the call alone, and the longest is short enough")
    func keys() throws {
        let keys = ReplayKeys(fileHash: 7)
        #expect(try keys.key(.create, line: 12).text == "replay-0000000000000007-create-12")
        #expect(try keys.key(.reportFailed, line: 12).text == "replay-0000000000000007-report-12")
        #expect(try keys.key(.credit, 3).text == "replay-0000000000000007-credit-3")
        #expect(try ReplayKeys(fileHash: .max).key(.release, line: .max).text.utf8.count <= 64)
    }
}
