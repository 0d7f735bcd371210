import BillingCore
import BillingTestKit
import RPC
import Storage
import Testing

@Suite("Keyed calls") struct OnceContractTests {
    @Test("A repeat gets the same reply, byte for byte, and does nothing", arguments: StorageDriver.all)
    func replay(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let call = try CallContext.test()
            let request: Note = "a"
            var replies: [Response<Note>] = []
            for round in 0..<3 {
                replies.append(
                    try await database.write(once: call, request) { transaction in
                        try transaction.insertNote("a")
                        return Response(Note("kept, round \(round)"), effectiveAt: Timestamp(milliseconds: 42))
                    })
            }
            #expect(replies.map(\.isReplay) == [false, true, true])
            #expect(Set(replies.map { $0.message.encoded() }).count == 1)
            #expect(replies.allSatisfy { $0.effectiveAt == Timestamp(milliseconds: 42) })
            #expect(try await database.notes() == ["a"])
        }
    }

    @Test("A reply without an instant is told again without one", arguments: StorageDriver.all)
    func noInstant(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let call = try CallContext.test(account: "", at: nil)
            for isReplay in [false, true] {
                let reply = try await database.write(once: call, Note("a")) { _ in Response(Note()) }
                #expect(reply.isReplay == isReplay)
                #expect(reply.effectiveAt == nil)
                #expect(reply.message == Note())
            }
        }
    }

    @Test("Many at once with one key: one is carried out and all get its reply", arguments: StorageDriver.all)
    func together(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let call = try CallContext.test()
            let replies = try await withThrowingTaskGroup { group in
                for number in 0..<50 {
                    group.addTask {
                        try await database.write(once: call, Note("a")) { transaction in
                            try transaction.insertNote("number \(number)")
                            return Response(Note("number \(number)"))
                        }
                    }
                }
                return try await group.reduce(into: [Response<Note>]()) { $0.append($1) }
            }
            #expect(replies.count { !$0.isReplay } == 1)
            #expect(Set(replies.map(\.text)).count == 1)
            #expect(try await database.notes() == [replies[0].text])
        }
    }

    @Test("The same key with another request is refused and does nothing", arguments: StorageDriver.all)
    func reusedKey(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let call = try CallContext.test()
            _ = try await database.write(once: call, Note("a")) { _ in Response(Note("first")) }
            let error = try await refusal {
                _ = try await database.write(once: call, Note("b")) { transaction in
                    try transaction.insertNote("b")
                    return Response(Note("second"))
                }
            }
            #expect(error.status == .failedPrecondition)
            #expect(error.reason == "call.key_reused")
            #expect(try await database.notes() == [])
            let again = try await database.write(once: call, Note("a")) { _ in Response(Note("third")) }
            #expect(again.text == "first")
        }
    }

    @Test("A key counts for one account and one method", arguments: StorageDriver.all)
    func scope(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let calls = [
                try CallContext.test(), try .test(account: "acct-2"), try .test(method: "test.Notes/Other"),
                try .test(key: "key-fedcba9876543210"),
            ]
            for (number, call) in calls.enumerated() {
                let reply = try await database.write(once: call, Note("request \(number)")) { _ in
                    Response(Note("reply \(number)"))
                }
                #expect(!reply.isReplay)
            }
        }
    }

    @Test("A call without a key is refused", arguments: StorageDriver.all)
    func missingKey(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let call = try CallContext.test(key: nil)
            let error = try await refusal {
                _ = try await database.write(once: call, Note("a")) { _ in Response(Note()) }
            }
            #expect(error.status == .invalidArgument)
            #expect(error.reason == "call.key_missing")
            #expect(error.field == "key")
        }
    }

    @Test(
        "A refusal is final exactly if its status is recorded; either way the effect is undone",
        arguments: StorageDriver.all, Status.allCases.filter { $0 != .ok })
    func refusals(_ driver: StorageDriver, _ status: Status) async throws {
        try await driver.withNotes { database in
            let call = try CallContext.test()
            let thrown = Refusal(status: status)
            let first = await #expect(throws: Refusal.self) {
                try await database.write(once: call, Note("a")) { transaction -> Response<Note> in
                    try transaction.insertNote("a")
                    throw thrown
                }
            }
            #expect(first == thrown)
            #expect(try await database.notes() == [])
            let again = try await outcome {
                try await database.write(once: call, Note("a")) { transaction in
                    try transaction.insertNote("a")
                    return Response(Note("second try"))
                }
            }
            switch again {
            case .success(let reply):
                #expect(!status.isRecorded)
                #expect(!reply.isReplay)
                #expect(try await database.notes() == ["a"])
            case .failure(let error):
                #expect(status.isRecorded)
                #expect(
                    error
                        == RPCError(
                            status, thrown.reason, thrown.message, field: thrown.field, value: thrown.value,
                            isReplay: true))
                #expect(try await database.notes() == [])
            }
        }
    }

    @Test("Our own errors are not recorded", arguments: StorageDriver.all)
    func ownError(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let call = try CallContext.test()
            await #expect(throws: StatementError.self) {
                try await database.write(once: call, Note("a")) { transaction -> Response<Note> in
                    try transaction.execute("INSERT INTO nowhere VALUES (1)")
                    return Response(Note())
                }
            }
            let reply = try await database.write(once: call, Note("a")) { _ in Response(Note("well now")) }
            #expect(!reply.isReplay)
        }
    }

    @Test("Answers outlive the process", arguments: StorageDriver.all)
    func reopening(_ driver: StorageDriver) async throws {
        let directory = try TemporaryDirectory()
        let call = try CallContext.test()
        for isReplay in [false, true] {
            let opened = try driver.open(directory.path, .notes)
            defer { opened.close() }
            let reply = try await opened.database.write(once: call, Note("a")) { _ in Response(Note("isReplay: no")) }
            #expect(reply.isReplay == isReplay)
            #expect(reply.text == "isReplay: no")
        }
    }

    @Test("A pruned reply is gone, yet its call is never carried out again", arguments: StorageDriver.all)
    func pruning(_ driver: StorageDriver) async throws {
        try await driver.withNotes { database in
            let old = try CallContext.test(at: Timestamp(milliseconds: 999))
            let young = try CallContext.test(key: "key-fedcba9876543210", at: Timestamp(milliseconds: 1000))
            for call in [old, young] {
                _ = try await database.write(once: call, Note("a")) { _ in Response(Note("done")) }
            }
            let partition = Partition.of(old.account)
            let cutoff = Timestamp(milliseconds: 1000)
            #expect(try await database.pruneReplies(partition: (partition + 1) % 256, before: cutoff) == 0)
            #expect(try await database.pruneReplies(partition: partition, before: cutoff) == 1)
            #expect(try await database.pruneReplies(partition: partition, before: cutoff) == 0)
            let error = try await refusal {
                _ = try await database.write(once: old, Note("a")) { transaction in
                    try transaction.insertNote("again")
                    return Response(Note("again"))
                }
            }
            #expect(error.status == .alreadyExists)
            #expect(error.reason == "call.already_done")
            #expect(try await database.notes() == [])
            let reply = try await database.write(once: young, Note("a")) { _ in Response(Note("again")) }
            #expect(reply.text == "done")
        }
    }

    private func outcome<Value>(_ body: () async throws -> Value) async throws -> Result<Value, RPCError> {
        do {
            return .success(try await body())
        } catch let error as RPCError {
            return .failure(error)
        }
    }
}
