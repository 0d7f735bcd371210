import BillingAPI
import BillingCore
import Foundation
import RPC
import Synchronization
import Testing

@testable import billing

@Suite("A replay") struct ReplayTests {
    private let gateway = GatewayDouble()
    private static let trace = """
        group_id,account_id,edition,region,instances,requested_at,created_at,released_at,cutoff
        one,x,acp.basic.small,cn,1,2026-02-01T00:00:00Z,2026-02-01T00:45:30Z,2026-02-01T02:20:30Z,2026-02-02T00:00:00Z
        two,x,acp.basic.small,intl,5,2026-02-01T00:00:00Z,2026-02-01T00:00:00Z,,2026-02-02T00:00:00Z
        three,y,acp.basic.small,cn,5,2026-02-01T00:00:00Z,,,2026-02-02T00:00:00Z

        """

    private func run(_ arguments: String..., trace: String = trace) async throws -> CommandRun {
        let file = FileManager.default.temporaryDirectory.appending(path: "replay-\(UUID().uuidString).csv")
        try trace.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        return await CommandRun.run(["replay", file.path()] + arguments, on: gateway)
    }

    @Test("Everything happens at its instant, those of one group in order, and totals are the replay's own")
    func replays() async throws {
        gateway.state.withLock { state in
            state.accounts.append(.init(accountID: "acct-stranger", name: "stranger"))
            state.groups["ag-stranger"] = .init(groupID: "ag-stranger", accountID: "acct-stranger", createdAt: 1)
        }
        let result = try await run()
        #expect(result.status == .done, "\(result.problem)")
        let log = gateway.log
        let first = "2026-02-01T00:00:00Z"
        // Accounts are opened together, and so are the groups of one instant, so only the order within each is certain.
        #expect(
            Set(log.prefix(4))
                == ["open x", "credit x", "open y", "credit y"].reduce(into: []) { $0.insert("\(first) \($1)") })
        #expect(
            Set(log[4..<9])
                == ["create one external", "create two external", "report two", "create three external", "fail three"]
                .reduce(into: []) { $0.insert("\(first) \($1)") })
        #expect(
            try #require(log.firstIndex(of: "\(first) create two external")) < #require(
                log.firstIndex(of: "\(first) report two")))
        #expect(
            log[9...] == [
                "2026-02-01T00:45:30Z report one", "2026-02-01T02:20:30Z release one",
                "2026-02-02T00:00:00Z release two",
            ])
        #expect(gateway.state.withLock { $0.now } == Timestamp("2026-02-02T04:00:00Z"))
        #expect(
            gateway.state.withLock { $0.accounts.map(\.balanceMicros) } == [
                0, 100_000_000_000_000, 100_000_000_000_000,
            ])
        #expect(result.output.contains("acp.basic.small  INT          1     24  6.000000\n"))
        #expect(result.output.contains("acp.basic.small  ML           1      4  1.000000\n"))
        #expect(result.output.contains("2026-02       2     28  7.000000\n"))
        #expect(result.output.contains("3 groups in 2 accounts, 1 of which never came up; 2 groups charged\n"))
        #expect(result.output.contains("gross 7.000000 USD in 28 bill lines\n"))
        #expect(result.output.contains("audit: OK"))
    }

    @Test("The calls of one instant are outstanding together, up to the bound")
    func together() async throws {
        let rows = (0..<50).map {
            "g\($0),x,acp.basic.small,cn,1,2026-02-01T00:00:00Z,2026-02-01T00:00:00Z,,2026-02-02T00:00:00Z\n"
        }
        let result = try await run("--concurrency", "8", trace: ReplayRowTests.header + "\n" + rows.joined())
        #expect(result.status == .done, "\(result.problem)")
        let most = gateway.state.withLock { $0.mostInFlight }
        #expect(most > 1)
        #expect(most <= 8)
    }

    @Test("A bad row stops it before anything is created, with its line")
    func badRow() async throws {
        let result = try await run(
            trace: Self.trace + "four,x,acp.tiny,cn,1,2026-02-01T00:00:00Z,,,2026-02-02T00:00:00Z\n")
        #expect(result.status == .usage)
        #expect(result.problem.contains("line 5: edition 'acp.tiny' is not sold; known are acp.basic.small."))
        #expect(gateway.log.isEmpty)
    }

    @Test("A clock that is later than the first row, or not manual, is refused before anything is created")
    func clock() async throws {
        gateway.state.withLock { $0.now = Timestamp(milliseconds: 1_769_904_000_001) }
        let late = try await run()
        #expect(late.status == .refused)
        #expect(late.problem.contains("2026-02-01 08:00:00.001"))
        gateway.state.withLock { $0.mode = .real }
        let real = try await run()
        #expect(real.status == .refused)
        #expect(real.problem.contains("manual"))
        #expect(gateway.log.isEmpty)
    }

    @Test("What a service asks to do again is done again; a refusal stops it with the line, and --resume goes on")
    func resume() async throws {
        gateway.refuse(
            GatewayV1.Groups.releaseGroup, RPCError(.aborted, "group.locked", "A saga holds it."),
            RPCError(.failedPrecondition, "account.overdue", "The account owes 1.00."))
        let stopped = try await run()
        #expect(stopped.status == .refused)
        #expect(
            stopped.problem.contains("line 2: releasing group 'one' at 2026-02-01 10:20:30: The account owes 1.00."))
        #expect(stopped.problem.contains("--resume"))
        let again = try await run()
        #expect(again.status == .refused)
        #expect(again.problem.contains("--resume"))
        let resumed = try await run("--resume")
        #expect(resumed.status == .done, "\(resumed.problem)")
        #expect(resumed.output.contains("gross 7.000000 USD"))
        #expect(Set(gateway.log).count == gateway.log.count)
        #expect(gateway.state.withLock { $0.accounts.count } == 2)
    }

    @Test("Another file is not resumed")
    func resumeOther() async throws {
        gateway.state.withLock { $0.now = Timestamp(milliseconds: 1_770_000_000_000) }
        let result = try await run("--resume")
        #expect(result.status == .refused)
        #expect(result.problem.contains("has not replayed this row"))
    }

    @Test("JSON has a line for each kind, each month, and the whole")
    func json() async throws {
        let lines = try await run("--json").output.split(separator: "\n")
        #expect(lines.count == 4)
        #expect(
            lines.first
                == #"{"specification":"acp.basic.small","region_class":"int","groups":1,"lines":24,"gross":"6.000000"}"#
        )
        #expect(lines.last?.hasPrefix(#"{"groups":3,"groups_charged":2,"accounts":2,"#) == true)
    }

    @Test("A packed file is unpacked; what cannot be read is said in a sentence")
    func files() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "replay-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // What gzip made of "group_id\none\n".
        let packed = try #require(Data(base64Encoded: "H4sIAAAAAAACA0svyi8tiM9M4crPS+UCACqgxAUNAAAA"))
        let file = folder.appending(path: "trace.csv.gz")
        try packed.write(to: file)
        #expect(try ReplayFile.read(file.path()) == Array("group_id\none\n".utf8))
        let broken = folder.appending(path: "broken.csv.gz")
        try "not gzip".write(to: broken, atomically: true, encoding: .utf8)
        #expect(throws: ReplayError.unreadable(because: "gzip cannot unpack it")) { try ReplayFile.read(broken.path()) }
        let absent = await CommandRun.run(["replay", folder.path() + "/absent.csv"], on: gateway)
        #expect(absent.status == .usage)
        #expect(absent.problem.contains("absent.csv: it cannot be read: No such file or directory."))
    }
}
