import BillingCore
import Testing

@testable import billing

@Suite("Rows of a trace") struct ReplayRowTests {
    static let header = "group_id,account_id,edition,region,instances,requested_at,created_at,released_at,cutoff"
    static let catalog = ReplayCatalog(
        specifications: ["acp.basic.small", "acp.std.small"],
        regions: ["cn-hangzhou": "ML", "cn-beijing": "ML", "ap-southeast-1": "INT"])
    static let good =
        "one,x,acp.basic.small,cn,2,2026-02-01T00:00:00Z,2026-02-01T00:00:01Z,2026-02-01T03:00:00Z,"
        + "2026-02-02T00:00:00Z"

    static func rows(_ lines: String...) throws -> [ReplayRow] {
        try ReplayRow.read(Array(lines.joined(separator: "\n").utf8), catalog: catalog)
    }

    static func instant(_ text: String) throws -> Timestamp { try #require(Timestamp(text)) }

    @Test("A row is read with its line; columns may come in any order, and unknown ones are ignored")
    func reads() throws {
        let rows = try Self.rows(
            "note,cutoff,released_at,created_at,requested_at,instances,region,edition,account_id,group_id",
            "hello,2026-02-02T00:00:00Z,2026-02-01T03:00:00Z,2026-02-01T00:00:01Z,2026-02-01T00:00:00Z,2,"
                + "ap-southeast-1,acp.std.small,x,one")
        #expect(
            rows == [
                ReplayRow(
                    line: 2, group: "one", account: "x", specification: "acp.std.small", region: "ap-southeast-1",
                    instances: 2, requestedAt: try Self.instant("2026-02-01T00:00:00Z"),
                    createdAt: try Self.instant("2026-02-01T00:00:01Z"),
                    releasedAt: try Self.instant("2026-02-01T03:00:00Z"))
            ])
    }

    @Test(
        "cn and intl stand for one region each",
        arguments: [("cn", "cn-hangzhou"), ("intl", "ap-southeast-1"), ("cn-beijing", "cn-beijing")])
    func regions(text: String, region: String) throws {
        #expect(try Self.rows(Self.header, Self.good.replacing(",cn,", with: ",\(text),"))[0].region == region)
    }

    @Test("Where released_at is empty, or at the cutoff, a group is released at the cutoff")
    func cutoff() throws {
        for released in ["", "2026-02-02T00:00:00Z"] {
            let row = try Self.rows(Self.header, Self.good.replacing("2026-02-01T03:00:00Z", with: released))[0]
            #expect(row.releasedAt == (try Self.instant("2026-02-02T00:00:00Z")))
        }
    }

    @Test("An empty created_at is a creation that failed")
    func failed() throws {
        let row = try Self.rows(
            Self.header, "one,x,acp.basic.small,cn,2,2026-02-01T00:00:00Z,,,2026-02-02T00:00:00Z")[0]
        #expect(row.createdAt == nil)
    }

    @Test(
        "A bad row is refused with its line and the value",
        arguments: [
            ("one,y,acp.basic.small", .fieldCount(line: 3, found: 3, expected: 9)),
            (
                ",y,acp.basic.small,cn,1,2026-02-01T00:00:00Z,,,2026-02-02T00:00:00Z",
                .emptyValue(line: 3, column: "group_id")
            ),
            (
                "two,,acp.basic.small,cn,1,2026-02-01T00:00:00Z,,,2026-02-02T00:00:00Z",
                .emptyValue(line: 3, column: "account_id")
            ),
            (
                "one,y,acp.basic.small,cn,1,2026-02-01T00:00:00Z,,,2026-02-02T00:00:00Z",
                .repeatedGroup(line: 3, value: "one", firstLine: 2)
            ),
            (
                "two,y,acp.tiny,cn,1,2026-02-01T00:00:00Z,,,2026-02-02T00:00:00Z",
                .unknownSpecification(line: 3, value: "acp.tiny", known: catalog.specifications)
            ),
            (
                "two,y,acp.basic.small,moon,1,2026-02-01T00:00:00Z,,,2026-02-02T00:00:00Z",
                .unknownRegion(line: 3, value: "moon", known: ["ap-southeast-1", "cn-beijing", "cn-hangzhou"])
            ),
            (
                "two,y,acp.basic.small,cn,0,2026-02-01T00:00:00Z,,,2026-02-02T00:00:00Z",
                .instanceCount(line: 3, value: "0")
            ),
            (
                "two,y,acp.basic.small,cn,101,2026-02-01T00:00:00Z,,,2026-02-02T00:00:00Z",
                .instanceCount(line: 3, value: "101")
            ),
            (
                "two,y,acp.basic.small,cn,+1,2026-02-01T00:00:00Z,,,2026-02-02T00:00:00Z",
                .instanceCount(line: 3, value: "+1")
            ),
            (
                "two,y,acp.basic.small,cn,1,yesterday,,,2026-02-02T00:00:00Z",
                .notAnInstant(line: 3, column: "requested_at", value: "yesterday")
            ),
            (
                "two,y,acp.basic.small,cn,1,,,,2026-02-02T00:00:00Z",
                .emptyValue(line: 3, column: "requested_at")
            ),
            (
                "two,y,acp.basic.small,cn,1,2026-02-01T00:00:00Z,2026-01-31T00:00:00Z,,2026-02-02T00:00:00Z",
                .outOfOrder(
                    line: 3, column: "created_at", value: "2026-01-31T00:00:00Z", before: "requested_at",
                    beforeValue: "2026-02-01T00:00:00Z")
            ),
            (
                "two,y,acp.basic.small,cn,1,2026-02-01T00:00:00Z,2026-02-01T02:00:00Z,2026-02-01T01:00:00Z,"
                    + "2026-02-02T00:00:00Z",
                .outOfOrder(
                    line: 3, column: "released_at", value: "2026-02-01T01:00:00Z", before: "created_at",
                    beforeValue: "2026-02-01T02:00:00Z")
            ),
            (
                "two,y,acp.basic.small,cn,1,2026-02-01T00:00:00Z,2026-02-01T02:00:00Z,,2026-02-01T01:00:00Z",
                .outOfOrder(
                    line: 3, column: "cutoff", value: "2026-02-01T01:00:00Z", before: "created_at",
                    beforeValue: "2026-02-01T02:00:00Z")
            ),
            (
                "two,y,acp.basic.small,cn,1,2026-02-01T00:00:00Z,2026-02-01T02:00:00Z,,",
                .emptyValue(line: 3, column: "cutoff")
            ),
        ] as [(String, ReplayError)])
    func refuses(_ bad: String, error: ReplayError) {
        #expect(throws: error) { try Self.rows(Self.header, Self.good, bad) }
        #expect(error.message.hasPrefix("line 3: "))
    }

    @Test(
        "A bad header is refused",
        arguments: [
            ("", .empty), (header, .noRows),
            (header.replacing(",cutoff", with: ""), .missingColumn("cutoff")),
            (header + ",region", .repeatedColumn("region")),
        ] as [(String, ReplayError)])
    func refusesHeader(_ text: String, error: ReplayError) {
        #expect(throws: error) { try Self.rows(text) }
    }

    @Test("A name that would not fit a group is refused, not cut")
    func longName() {
        let name = String(repeating: "n", count: 65)
        #expect(throws: ReplayError.tooLong(line: 2, column: "account_id", value: name)) {
            try Self.rows(Self.header, Self.good.replacing(",x,", with: ",\(name),"))
        }
    }
}
