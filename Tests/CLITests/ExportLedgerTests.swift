import BillingAPI
import BillingCore
import RPC
import Synchronization
import Testing

@testable import billing

/// Accounts with statements, each read in pages of two movements.
private final class StatementsDouble: Sendable {
    let statements = Mutex<[String: [OrderV1.LedgerTransaction]]>([:])
    let pages = Mutex<[String]>([])

    var router: Router {
        var router = Router()
        router.handle(GatewayV1.Accounts.listAccounts) { [self] request, _ in
            let names = statements.withLock { $0.keys.sorted() }
            let index = Int(request.cursor) ?? 0
            guard index < names.count else { return Response(.init()) }
            return Response(
                .init(
                    accounts: [.init(accountID: names[index], openedAt: 1_775_750_400_000)],
                    nextCursor: index + 1 < names.count ? String(index + 1) : ""))
        }
        router.handle(GatewayV1.Accounts.listStatement) { [self] request, call in
            pages.withLock { $0.append("\(call.account) \(request.afterSequence)") }
            let rest = statements.withLock { $0[call.account] ?? [] }.filter { $0.sequence > request.afterSequence }
            return Response(
                .init(
                    transactions: Array(rest.prefix(2)), nextSequence: rest.count > 2 ? rest[1].sequence : 0))
        }
        return router
    }

    func run(_ line: String...) async -> CommandRun {
        let channel = InProcessChannel(router: router)
        return await CommandRun.run(line, on: GatewayDouble(), connect: { _ in channel })
    }
}

@Suite("The ledger exported") struct ExportLedgerTests {
    private let gateway = StatementsDouble()

    /// 2026-04-10 12:00 in the billing time zone.
    private static let noon: Int64 = 1_775_793_600_000

    private func topUp(_ sequence: Int64, _ at: Int64, reference: String = "cash") -> OrderV1.LedgerTransaction {
        OrderV1.LedgerTransaction(
            sequence: sequence, at: at, cause: .topUp, reference: reference,
            entries: [
                .init(ledgerAccount: .balance, amountMicros: 1_000_001),
                .init(ledgerAccount: .external, amountMicros: -1_000_001),
            ], balanceAfterMicros: sequence * 1_000_001)
    }

    @Test("A journal declares all it uses, and asserts the balance after each transaction, touched or not")
    func hledger() async {
        let debt = OrderV1.LedgerTransaction(
            sequence: 2, at: Self.noon + 1, cause: .usage, reference: "cut, 1",
            entries: [
                .init(ledgerAccount: .receivable, amountMicros: -500_000),
                .init(ledgerAccount: .revenue, amountMicros: 500_000),
            ], balanceAfterMicros: 1_000_001, outstandingAfterMicros: 500_000)
        gateway.statements.withLock { $0 = ["acct-1": [topUp(1, Self.noon), debt]] }
        let result = await gateway.run("export", "ledger", "--format", "hledger")
        #expect(result.status == .done && result.problem.isEmpty)
        #expect(
            result.output == """
                ; The ledger of all accounts. Days are billing days (UTC+8).
                commodity USD
                    format 1000.000000 USD
                tag reference
                tag at
                account assets:bank
                account income:revenue
                account expenses:coupons
                account liabilities:customers:acct-1:balance
                account assets:customers:acct-1:receivable
                account liabilities:customers:acct-1:refunds
                account liabilities:customers:acct-1:clearing

                2026-04-10 * (acct-1/1) top-up
                    ; reference: cash
                    ; at: 2026-04-10T04:00:00Z
                    liabilities:customers:acct-1:balance  -1.000001 USD = -1.000001 USD
                    assets:bank  1.000001 USD

                2026-04-10 * (acct-1/2) usage
                    ; reference: cut%2C%201
                    ; at: 2026-04-10T04:00:00.001Z
                    assets:customers:acct-1:receivable  0.500000 USD = 0.500000 USD
                    income:revenue  -0.500000 USD
                    liabilities:customers:acct-1:balance  0.000000 USD = -1.000001 USD

                """)
    }

    @Test("beancount asserts each balance on the day after its last transaction of a day")
    func beancount() async {
        let day = Int64.millisecondsPerDay
        gateway.statements.withLock { statements in
            statements = [
                "acct-1": [
                    topUp(1, Self.noon), topUp(2, Self.noon + 1, reference: "\"a\\b\""),
                    topUp(3, Self.noon + day, reference: "\"\u{301}\\\u{301}"),
                ]
            ]
        }
        let result = await gateway.run("export", "ledger", "--format", "beancount")
        #expect(result.status == .done)
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(lines.contains("option \"inferred_tolerance_default\" \"USD:0\""))
        #expect(lines.contains("2026-04-10 open Liabilities:Customers:ACCT-1:Balance USD"))
        #expect(lines.contains("  reference: \"\\\"a\\\\b\\\"\""))
        // A quote and the mark that joins it are one character, and the quote ends a string all the same.
        #expect(lines.contains("  reference: \"\\\"\u{301}\\\\\u{301}\""))
        #expect(
            lines.filter { $0.contains(" balance Liabilities") } == [
                "2026-04-11 balance Liabilities:Customers:ACCT-1:Balance  -2.000002 ~ 0 USD",
                "2026-04-12 balance Liabilities:Customers:ACCT-1:Balance  -3.000003 ~ 0 USD",
            ])
        #expect(
            lines.filter { $0.contains(" balance Assets:Customers:ACCT-1:Receivable  0.000000 ~ 0 USD") }.count == 2)
        #expect(lines.firstIndex { $0.contains(" balance ") }! < lines.firstIndex { $0.hasPrefix("2026-04-11 *") }!)
    }

    @Test("Statements of all accounts are merged by time, a page of each at once")
    func merged() async {
        gateway.statements.withLock { statements in
            for (index, name) in ["acct-1", "acct-2", "acct-3"].enumerated() {
                statements[name] = (1...5).map { topUp($0, Self.noon + $0 * 10 + Int64(2 - index)) }
            }
            statements["acct-4"] = []
            statements["acct-5"] = [topUp(7, Self.noon), topUp(8, Self.noon)]
        }
        let result = await gateway.run("export", "ledger", "--format", "hledger")
        let order = result.output.split(separator: "\n").filter { $0.contains(" * ") }
            .map { String($0.split(separator: "(")[1].split(separator: ")")[0]) }
        let expected = ["acct-5/7", "acct-5/8"] + (1...5).flatMap { ["acct-3/\($0)", "acct-2/\($0)", "acct-1/\($0)"] }
        #expect(order == expected)
        #expect(
            gateway.pages.withLock { $0.filter { $0.hasPrefix("acct-1") } } == ["acct-1 0", "acct-1 2", "acct-1 4"])
    }

    @Test("No accounts make an empty journal of each format")
    func empty() async {
        #expect(await gateway.run("export", "ledger", "--format", "hledger").status == .done)
        #expect(
            await gateway.run("export", "ledger", "--format", "beancount").output.hasSuffix("Expenses:Coupons USD\n"))
    }

    @Test("Every ledger account of the wire has its place in the books, and no other does")
    func places() throws {
        for ledger in OrderV1.LedgerAccount.choices {
            #expect((LedgerBook.shared + LedgerBook.ofCustomer).contains(ledger))
            #expect(try !LedgerBook.name(ledger, of: "acct-1").isEmpty)
        }
        #expect(throws: CommandFailure.self) { try LedgerBook.name(.unspecified, of: "acct-1") }
    }

    @Test(
        "What is typed wrongly is named",
        arguments: [
            (["--format", "gnucash"], "gnucash"), ([], "--format"), (["--format", "hledger", "--json"], "not JSON"),
            (["--format", "hledger", "--output", "/nowhere/at/all"], "'/nowhere/at/all' cannot be written"),
        ] as [([String], String)])
    func usage(line: [String], text: String) async {
        let channel = InProcessChannel(router: gateway.router)
        let result = await CommandRun.run(
            ["export", "ledger"] + line, on: GatewayDouble(), connect: { _ in channel })
        #expect(result.status == .usage && result.output.isEmpty)
        #expect(result.problem.contains(text), "\(result.problem)")
    }
}
