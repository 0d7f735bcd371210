import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Storage
import Testing

@testable import Ordering

@Suite("Accounts") struct AccountTests {
    @Test("Every method of the schema is answered")
    func registration() throws {
        var router = Router()
        try Shop().service.register(in: &router)
        #expect(router.handlers.count == 38)
    }

    @Test("A new account is empty; the same key opens it once, another body under it is refused")
    func openOnce() async throws {
        let shop = try Shop()
        let open = OrderV1.Accounts.openAccount.descriptor
        let call = try shop.call(open, "", at: opening, key: "key-0123456789abcdef")
        let first = try await shop.service.openAccount(OrderV1.OpenAccountRequest(name: "Ann"), call)
        let second = try await shop.service.openAccount(OrderV1.OpenAccountRequest(name: "Ann"), call)
        #expect(!first.isReplay && second.isReplay)
        #expect(first.message == second.message)
        #expect(first.account?.name == "Ann")
        #expect(first.account?.openedAt == opening.milliseconds)
        #expect(first.account?.balanceMicros == 0 && first.account?.overdue == false)
        #expect(
            await reason { try await shop.service.openAccount(OrderV1.OpenAccountRequest(name: "Bob"), call) }
                == "call.key_reused")
    }

    @Test(
        "A name is 1 to 100 characters without control characters",
        arguments: [
            ("", false), (" ", false), ("a\nb", false), (String(repeating: "é", count: 101), false), ("é", true),
            (String(repeating: "é", count: 100), true),
        ])
    func names(_ name: String, _ isGood: Bool) async throws {
        let shop = try Shop()
        let reason = await reason {
            try await shop.service.openAccount(
                OrderV1.OpenAccountRequest(name: name),
                shop.call(OrderV1.Accounts.openAccount.descriptor, "", at: opening))
        }
        #expect(reason == (isGood ? "" : "account.name_malformed"))
    }

    @Test("Cash is in the balance at once, and in the statement with the sums after it")
    func cash() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        let reply = try await shop.topUp(account, "12.5", at: opening.adding(hours: 1))
        #expect(reply.account?.balanceMicros == 112_500_000)
        #expect(reply.payment == nil && reply.settledMicros == 0)
        #expect(reply.effectiveAt == opening.adding(hours: 1))
        let statement = try await shop.statement(account)
        #expect(statement.map(\.balanceAfterMicros) == [100_000_000, 112_500_000])
        #expect(statement.map(\.sequence) == [1, 2])
        #expect(statement.allSatisfy { $0.cause == .topUp && $0.reference == "cash" })
        #expect(try await shop.lastEntries(account) == ["BALANCE 12.500000", "EXTERNAL -12.500000"])
        #expect(try await shop.breaches() == [:])
    }

    @Test(
        "Amounts that are not positive or too large are refused and name the value",
        arguments: [
            (0, "money.not_positive"), (-1, "money.not_positive"), (.min, "money.not_positive"),
            (Money.largestInput.micros + 1, "money.too_large"), (1_234_567_890_123_456_789, "money.too_large"),
        ] as [(Int64, String)])
    func amounts(_ micros: Int64, _ expected: String) async throws {
        let shop = try Shop()
        let account = try await shop.account()
        do {
            _ = try await shop.service.topUp(
                OrderV1.TopUpRequest(amountMicros: micros),
                shop.call(OrderV1.Accounts.topUp.descriptor, account, at: opening))
            Issue.record("a top-up of \(micros) was taken")
        } catch let error as any BillingError {
            #expect(error.reason == expected)
            #expect(error.value == Money(micros: micros).description)
        }
    }

    @Test("A balance that would not fit is refused, and the balance stays")
    func overflow() async throws {
        let shop = try Shop()
        let account = try await shop.account("1")
        _ = try await shop.database.write { try $0.execute("UPDATE account SET balance = ?", .integer(Int64.max)) }
        #expect(await reason { try await shop.topUp(account, "1") } == "money.overflow")
        #expect(try await shop.show(account).balanceMicros == .max)
    }

    @Test("An unknown account is not found; a call for none is told so")
    func unknown() async throws {
        let shop = try Shop()
        #expect(await reason { try await shop.show("acct-0000000000000000") } == "account.not_found")
        #expect(await reason { try await shop.topUp("acct-0000000000000000", "1") } == "account.not_found")
        #expect(await reason { try await shop.show("") } == "call.account_missing")
        #expect(await reason { try await shop.show("robert'); --") } == "id.malformed")
    }

    @Test("A call more than 5 s before the account's last instant is refused; a smaller step back is moved up")
    func time() async throws {
        let shop = try Shop()
        let account = try await shop.account("1")
        let later = opening.adding(milliseconds: -5000)
        #expect(try await shop.topUp(account, "1", at: later).effectiveAt == opening)
        #expect(
            await reason { try await shop.topUp(account, "1", at: later.adding(milliseconds: -1)) }
                == "call.time_went_back")
    }

    @Test("Lists of accounts and of statements come in pages without loss")
    func pages() async throws {
        let shop = try Shop()
        var opened: Set<String> = []
        for _ in 0..<7 { opened.insert(try await shop.account()) }
        var listed: [String] = []
        var request = OrderV1.ListAccountsRequest(limit: 3)
        repeat {
            let page = try await shop.service.listAccounts(
                request, shop.call(OrderV1.Accounts.listAccounts.descriptor, "", at: nil))
            listed += page.accounts.map(\.accountID)
            request.cursor = page.nextCursor
        } while !request.cursor.isEmpty
        #expect(listed.count == 7 && Set(listed) == opened)

        let account = try await shop.account()
        for _ in 0..<5 { _ = try await shop.topUp(account, "1") }
        var sequences: [Int64] = []
        var statement = OrderV1.ListStatementRequest(limit: 2)
        repeat {
            let page = try await shop.service.listStatement(
                statement, shop.call(OrderV1.Accounts.listStatement.descriptor, account, at: nil))
            sequences += page.transactions.map(\.sequence)
            statement.afterSequence = page.nextSequence
        } while statement.afterSequence != 0
        #expect(sequences == [1, 2, 3, 4, 5])
        #expect(
            await reason {
                try await shop.service.listAccounts(
                    OrderV1.ListAccountsRequest(limit: 201),
                    shop.call(OrderV1.Accounts.listAccounts.descriptor, "", at: nil))
            } == "page.malformed")
    }

    @Test(
        "Nothing that was posted can be edited or deleted",
        arguments: ["ledger_transaction", "ledger_entry", "bill_line", "bill_source", "allocation"])
    func immutable(_ table: String) async throws {
        let shop = try Shop()
        let account = try await shop.account("0.10")
        _ = try await shop.post(.hour(account, endingAt: opening.adding(hours: 1), "0.20"))
        _ = try await shop.topUp(account, "1", at: opening.adding(hours: 1))
        let rows = try await shop.database.read { try $0.first("SELECT COUNT(*) FROM \(table)") { $0.integer(0) } }
        #expect(rows ?? 0 > 0)
        for sql in ["DELETE FROM \(table)", "UPDATE \(table) SET account = account"] {
            await #expect(throws: StatementError.self) { try await shop.database.write { try $0.execute(sql) } }
        }
    }
}

@Suite("Online payments of top-ups") struct OnlineTopUpTests {
    @Test("Money under a reference counts when it is confirmed, once")
    func confirmation() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let announced = try await shop.topUp(account, "20", reference: "wire-1")
        #expect(announced.account?.balanceMicros == 0)
        #expect(announced.payment?.status == .pending && announced.payment?.confirmedAt == 0)

        let confirmed = try await shop.confirm("wire-1", at: opening.adding(hours: 1))
        #expect(confirmed.account?.balanceMicros == 20_000_000)
        #expect(confirmed.payment?.status == .booked)
        #expect(confirmed.payment?.confirmedAt == opening.adding(hours: 1).milliseconds)
        #expect(
            await reason { try await shop.confirm("wire-1", at: opening.adding(hours: 1)) }
                == "payment.not_pending")
        #expect(try await shop.show(account).balanceMicros == 20_000_000)
        #expect(try await shop.breaches() == [:])
    }

    @Test("A reference belongs to one payment of one account for ever")
    func references() async throws {
        let shop = try Shop()
        let (account, other) = (try await shop.account(), try await shop.account())
        _ = try await shop.topUp(account, "20", reference: "wire-1")
        #expect(await reason { try await shop.topUp(account, "20", reference: "wire-1") } == "payment.reference_used")
        #expect(await reason { try await shop.topUp(other, "30", reference: "wire-1") } == "payment.reference_used")
        _ = try await shop.confirm("wire-1")
        #expect(await reason { try await shop.topUp(other, "30", reference: "wire-1") } == "payment.reference_used")
    }

    @Test("A reference that nobody announced, or of another account, is not found")
    func foreign() async throws {
        let shop = try Shop()
        let (account, other) = (try await shop.account(), try await shop.account())
        _ = try await shop.topUp(account, "20", reference: "wire-1")
        #expect(await reason { try await shop.confirm("wire-2") } == "payment.not_found")
        #expect(await reason { try await shop.confirm("wire-1", account: other) } == "payment.not_found")
        #expect(await reason { try await shop.confirm("wire-1", account: account) } == "")
    }

    @Test("A reference is 1 to 128 characters without control characters", arguments: ["a\u{0}b", "a\tb"])
    func malformed(_ reference: String) async throws {
        let shop = try Shop()
        let account = try await shop.account()
        #expect(
            await reason { try await shop.topUp(account, "20", reference: reference) } == "payment.reference_malformed")
        let long = String(repeating: "r", count: 129)
        #expect(await reason { try await shop.topUp(account, "20", reference: long) } == "payment.reference_malformed")
    }

    @Test("Payments are listed by status and in pages, for one account or for all")
    func listing() async throws {
        let shop = try Shop()
        let (account, other) = (try await shop.account(), try await shop.account())
        for number in 1...3 { _ = try await shop.topUp(account, "1", reference: "a-\(number)") }
        _ = try await shop.topUp(other, "1", reference: "b-1")
        _ = try await shop.confirm("a-2")
        func list(_ account: String, _ statuses: [OrderV1.PaymentStatus]) async throws -> [String] {
            var request = OrderV1.ListPaymentsRequest(statuses: statuses, limit: 1)
            var references: [String] = []
            repeat {
                let page = try await shop.service.listPayments(
                    request, shop.call(OrderV1.Payments.listPayments.descriptor, account, at: nil))
                references += page.payments.map(\.reference)
                request.cursor = page.nextCursor
            } while !request.cursor.isEmpty
            return references
        }
        #expect(Set(try await list(account, [])) == ["a-1", "a-2", "a-3"])
        #expect(Set(try await list("", [.pending])) == ["a-1", "a-3", "b-1"])
        #expect(try await list("", [.booked]) == ["a-2"])
    }
}
