import BillingCore
import Testing

@testable import Metering

private func resource(_ state: ResourceState, _ text: String = "oss-one", quantity: Int64 = 100) -> ValueAddedResource {
    let resource: ResourceID
    do { resource = try ResourceID(text) } catch { preconditionFailure(error.message) }
    return ValueAddedResource(
        id: resource, account: id("acct-one"), region: "cn-hangzhou", network: resource.kind == .oss ? "" : "default",
        createdAt: created, quantity: quantity, state: state)
}

private let created = instant("2026-04-10 09:10")

@Suite("The life of a value-added resource") struct ValueAddedResourceTests {
    private static let active = ResourceState.active(since: created)
    private static let overdue = ResourceState.overdue(at: instant("2026-04-10 11:00"))
    private static let released = ResourceState.released(at: instant("2026-04-10 10:50"))

    /// What becomes of a state; `nil`: refused.
    private typealias Row = (ResourceState, ResourceEvent, ResourceState?, UseChange?)

    private static let eleven = instant("2026-04-10 11:00")
    private static let late = instant("2026-04-10 12:34")
    private static let edges: [Row] = [
        (active, .resized(to: 200, at: late), active, .resize(from: instant("2026-04-10 13:00"), to: 200)),
        (active, .foundOverdue(at: eleven), .overdue(at: eleven), .end(at: eleven)),
        (active, .resumed(at: late), active, nil),
        (active, .released(at: late), .released(at: late), .end(at: late)),
        (overdue, .resized(to: 200, at: late), nil, nil),
        (overdue, .foundOverdue(at: late), overdue, nil),
        (overdue, .resumed(at: late), .active(since: late), .begin(ResourceUse(start: late, quantity: 100))),
        (overdue, .released(at: late), .released(at: late), nil),
        (released, .resized(to: 200, at: late), nil, nil),
        (released, .foundOverdue(at: eleven), released, .end(at: eleven)),
        (released, .resumed(at: late), released, nil),
        (released, .released(at: late), nil, nil),
    ]

    @Test("Every event in every state moves it, changes nothing or is refused", arguments: 0..<edges.count)
    func edge(_ index: Int) throws {
        let (state, event, expected, change) = Self.edges[index]
        var resource = resource(state)
        guard let expected else {
            let before = resource
            #expect(throws: ResourceError.notActive(resource.id, state.status)) { try resource.take(event) }
            #expect(resource == before)
            return
        }
        #expect(try resource.take(event) == change)
        #expect(resource.state == expected)
    }

    @Test("The table has each pair once")
    func complete() {
        func name(_ event: ResourceEvent) -> String { String("\(event)".prefix { $0 != "(" }) }
        let pairs = Set(Self.edges.map { "\($0.0.status) \(name($0.1))" })
        #expect(pairs.count == Self.edges.count)
        #expect(pairs.count == ResourceStatus.allCases.count * 4)
    }

    @Test(
        "The size at the start of an hour counts for it; in the hour of the first use, the first size",
        arguments: [
            ("2026-04-10 09:10", "2026-04-10 09:10", "2026-04-10 10:00"),
            ("2026-04-10 09:10", "2026-04-10 09:59:59.999", "2026-04-10 10:00"),
            ("2026-04-10 09:10", "2026-04-10 10:00", "2026-04-10 10:00"),
            ("2026-04-10 09:10", "2026-04-10 10:00:00.001", "2026-04-10 11:00"),
            ("2026-04-10 09:00", "2026-04-10 09:00", "2026-04-10 10:00"),
        ])
    func sizes(since: String, at: String, from: String) throws {
        var resource = resource(.active(since: instant(since)))
        #expect(try resource.take(.resized(to: 7, at: instant(at))) == .resize(from: instant(from), to: 7))
        #expect(resource.quantity == 7)
    }

    @Test("The same size again changes nothing")
    func sameSize() throws {
        var resource = resource(Self.active)
        #expect(try resource.take(.resized(to: 100, at: Self.late)) == nil)
    }

    @Test("A release at the instant of the first use has touched that hour")
    func leastUse() throws {
        var resource = resource(Self.active, "nat-one", quantity: 1)
        #expect(try resource.take(.released(at: created)) == .end(at: created.adding(milliseconds: 1)))
    }

    @Test(
        "Sizes are taken from 1 on",
        arguments: [(0, false), (1, true), (1000, true), (1001, false), (1_000_000, false)] as [(UInt32, Bool)])
    func bandwidth(mbps: UInt32, isSold: Bool) throws {
        if isSold {
            #expect(try ValueAddedResource.checkedBandwidth(mbps) == Int64(mbps))
        } else {
            #expect(throws: ResourceError.quantity(field: "mbps", Int64(mbps), largest: 1000)) {
                try ValueAddedResource.checkedBandwidth(mbps)
            }
        }
    }

    @Test(
        "Backups have 1 to 1,000,000 GiB",
        arguments: [(-1, false), (0, false), (1, true), (1_000_000, true), (1_000_001, false)] as [(Int64, Bool)])
    func backup(gib: Int64, isSold: Bool) throws {
        if isSold {
            #expect(try ValueAddedResource.checkedBackup(gib) == gib)
        } else {
            #expect(throws: ResourceError.quantity(field: "gib", gib, largest: 1_000_000)) {
                try ValueAddedResource.checkedBackup(gib)
            }
        }
    }
}

@Suite("The network that a request means") struct NetworkPlaceTests {
    @Test("Without a region, the only one")
    func only() throws {
        #expect(
            try NetworkPlace(network: "web", region: "", among: ["cn-hangzhou"])
                == NetworkPlace(network: "web", region: "cn-hangzhou"))
        #expect(
            try NetworkPlace(network: "web", region: "cn-hangzhou", among: ["cn-hangzhou", "cn-beijing"]).region
                == "cn-hangzhou")
    }

    @Test("None, the wrong one and several are refused by name")
    func refused() {
        #expect(throws: ResourceError.noGroups(network: "web", region: "")) {
            try NetworkPlace(network: "web", region: "", among: [])
        }
        #expect(throws: ResourceError.noGroups(network: "web", region: "cn-beijing")) {
            try NetworkPlace(network: "web", region: "cn-beijing", among: ["cn-hangzhou"])
        }
        let several = ResourceError.regionAmbiguous(network: "web", regions: ["cn-beijing", "cn-hangzhou"])
        #expect(throws: several) {
            try NetworkPlace(network: "web", region: "", among: ["cn-hangzhou", "cn-beijing"])
        }
        #expect(several.message.contains("cn-beijing, cn-hangzhou"))
    }
}

@Suite("The use of a resource") struct UseTimelineTests {
    private func timeline(_ changes: UseChange...) -> UseTimeline {
        changes.reduce(into: UseTimeline()) { $0.apply($1) }
    }

    private func use(_ start: String, _ end: String?, _ quantity: Int64) -> ResourceUse {
        ResourceUse(start: instant(start), end: end.map { instant($0) }, quantity: quantity)
    }

    private func begin(_ start: String, _ quantity: Int64) -> UseChange { .begin(use(start, nil, quantity)) }

    @Test("Of several sizes set within an hour the last counts from the next one on")
    func resizes() {
        let timeline = timeline(
            begin("2026-04-10 09:10", 1), .resize(from: instant("2026-04-10 10:00"), to: 2),
            .resize(from: instant("2026-04-10 10:00"), to: 3))
        #expect(
            timeline.uses
                == [use("2026-04-10 09:10", "2026-04-10 10:00", 1), use("2026-04-10 10:00", nil, 3)])
    }

    @Test("A release before a new size counts ends the old one; that size was never used")
    func release() {
        let timeline = timeline(
            begin("2026-04-10 09:10", 1), .resize(from: instant("2026-04-10 10:00"), to: 2),
            .end(at: instant("2026-04-10 09:50")))
        #expect(timeline.uses == [use("2026-04-10 09:10", "2026-04-10 09:50", 1)])
    }

    @Test("The hours of one stretch are one slice each, and each has one size")
    func hours() throws {
        let timeline = timeline(
            begin("2026-04-10 09:10", 1), .resize(from: instant("2026-04-10 10:00"), to: 2),
            .end(at: instant("2026-04-10 10:50")))
        let id = try ResourceID("oss-one")
        let segments = timeline.uses.map { use in
            AccruingSegment(
                .resource(id, network: "", quantity: use.quantity), region: "cn-hangzhou", createdAt: created,
                anchor: use.start, end: use.end)
        }
        #expect(
            slices(segments)
                == [
                    Period(instant("2026-04-10 09:10"), instant("2026-04-10 10:00")),
                    Period(instant("2026-04-10 10:00"), instant("2026-04-10 10:50")),
                ])
    }

    @Test(
        "What does not agree with the life is told",
        arguments: [
            (.active(since: created), [("2026-04-10 09:10", nil, 100)], ""),
            (.active(since: created), [], "active and not used"),
            (.active(since: created), [("2026-04-10 09:10", nil, 7)], "100 large, used as 7"),
            (.active(since: created), [("2026-04-10 09:00", nil, 100)], "before it was created"),
            (
                .active(since: created),
                [("2026-04-10 09:10", "2026-04-10 11:00", 7), ("2026-04-10 10:00", nil, 100)], "used twice"
            ),
            (
                .active(since: created),
                [("2026-04-10 09:10", "2026-04-10 10:20", 7), ("2026-04-10 10:30", nil, 100)], "two stretches"
            ),
            (
                .active(since: instant("2026-04-10 11:20")),
                [("2026-04-10 09:10", "2026-04-10 11:00", 7), ("2026-04-10 11:20", nil, 100)], ""
            ),
            (.overdue(at: instant("2026-04-10 11:00")), [("2026-04-10 09:10", "2026-04-10 11:00", 100)], ""),
            (.overdue(at: instant("2026-04-10 11:00")), [("2026-04-10 09:10", nil, 100)], "used after"),
            (.released(at: created), [("2026-04-10 09:10", "2026-04-10 09:10:00.001", 100)], ""),
            (.released(at: created), [("2026-04-10 09:10", "2026-04-10 09:10:00.002", 100)], "used after"),
            (.released(at: created), [("2026-04-10 09:10", "2026-04-10 09:10", 100)], "before it starts"),
        ] as [(ResourceState, [(String, String?, Int64)], String)])
    func faults(state: ResourceState, uses: [(String, String?, Int64)], fault: String) {
        let faults = UseTimeline(uses.map { use($0.0, $0.1, $0.2) }).faults(of: resource(state))
        if fault.isEmpty {
            #expect(faults == [])
        } else {
            #expect(faults.joined(separator: "; ").contains(fault))
        }
    }
}

@Suite("Any life of a resource") struct ResourcePropertyTests {
    @Test("Each clock hour that is touched is billed once, at the size that it began with", arguments: UInt64(1)...200)
    func hours(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var resource = resource(.active(since: created))
        var timeline = UseTimeline([ResourceUse(start: created, quantity: 100)])
        // What is expected, told naively: the size with which each touched hour began.
        var sizes: [Timestamp: Int64] = [:]
        var now = created
        var size: Int64 = 100
        func touch(_ instant: Timestamp) {
            let hour = BillingCalendar.hour(of: instant)
            if resource.state.status == .active, sizes[hour] == nil { sizes[hour] = size }
        }
        func pass(to later: Timestamp) {
            touch(now)
            var hour = BillingCalendar.hour(of: now).adding(milliseconds: .millisecondsPerHour)
            while hour < later {
                touch(hour)
                hour = hour.adding(milliseconds: .millisecondsPerHour)
            }
            now = later
        }
        for _ in 0..<12 where resource.state.status != .released {
            pass(to: now.adding(milliseconds: Int64.random(in: 1...4 * .millisecondsPerHour, using: &random)))
            let event: ResourceEvent
            switch (resource.state.status, Int.random(in: 0..<6, using: &random)) {
            case (.active, 0):
                pass(to: BillingCalendar.hourAtOrAfter(now))
                event = .foundOverdue(at: now)
            case (.active, 1): event = .released(at: now)
            case (.active, _):
                size = Int64.random(in: 1...1000, using: &random)
                event = .resized(to: size, at: now)
            case (.overdue, 0): event = .released(at: now)
            case (.overdue, _): event = .resumed(at: now)
            case (.released, _): preconditionFailure("nothing happens to a released resource")
            }
            if let change = try resource.take(event) { timeline.apply(change) }
        }
        pass(to: now.adding(milliseconds: 3 * .millisecondsPerHour))
        #expect(timeline.faults(of: resource) == [])
        var billed: [Timestamp: Int64] = [:]
        for use in timeline.uses {
            let segment = AccruingSegment(
                .resource(resource.id, network: "", quantity: use.quantity), region: "cn-hangzhou", createdAt: created,
                anchor: use.start, end: use.end)
            for slice in slices([segment], until: now) {
                #expect(billed.updateValue(use.quantity, forKey: BillingCalendar.hour(of: slice.start)) == nil)
            }
        }
        // Hours that are not over are not cut yet.
        let cutThrough = BillingCalendar.hour(of: now)
        #expect(billed == sizes.filter { $0.key < cutThrough })
    }
}
