import BillingAPI
import BillingCore
import RPC
import Synchronization
import Testing

@testable import billing

@Suite("Commands") struct CommandTests {
    private let gateway = GatewayDouble()
    private let account = ["BILLING_ACCOUNT": "acct-1"]

    private func run(_ line: String..., answer: String? = nil) async -> CommandRun {
        await CommandRun.run(line, on: gateway, variables: account, answer: answer)
    }

    @Test("The price list is shown as on the price page")
    func prices() async {
        let result = await run("price", "list")
        #expect(result.status == .done)
        #expect(
            result.output.contains(
                "edition      specification    vCPU/GiB/GiB disk  ML month  ML hour  INT month  INT hour\n"
                    + "Lightweight  acp.basic.small  2/4/32               9.9057   0.0457    15.3538    0.0709\n"))
        #expect(result.output.contains("Terms of a subscription: 1 month x1.00\n"))
        #expect(result.problem.isEmpty)
    }

    @Test("JSON is one object a line, through all pages, and --json may stand anywhere")
    func json() async {
        gateway.state.withLock { state in
            for index in 0..<450 { state.accounts.append(.init(accountID: "acct-\(index)", name: "name")) }
        }
        let result = await run("--json", "account", "list")
        let lines = result.output.split(separator: "\n")
        #expect(lines.count == 450)
        #expect(lines.allSatisfy { $0.hasPrefix("{\"account_id\":\"acct-") && $0.hasSuffix("}") })
        #expect(gateway.requests(GatewayV1.Accounts.listAccounts).map(\.limit) == [200, 200, 200])
        let some = await run("account", "list", "--limit", "201", "--json")
        #expect(some.output.split(separator: "\n").count == 201)
        #expect(gateway.requests(GatewayV1.Accounts.listAccounts).suffix(2).map(\.limit) == [200, 1])
    }

    @Test("A rule's refusal names reason, field and value and what to do, and exits with 1")
    func refusal() async {
        let result = await run("group", "unsubscribe", "ag-1", "--quantity", "2")
        #expect(result.status == .refused)
        #expect(
            result.problem
                == "billing: Only whole groups are unsubscribed. (refund.partial; quantity = 2)\n")
        let json = await run("group", "unsubscribe", "ag-1", "--instances", "acp-1,acp-2", "--json")
        #expect(
            json.problem.hasPrefix(
                #"{"status":"invalidArgument","reason":"refund.partial","message":"Only whole groups"#))
        #expect(gateway.requests(GatewayV1.Groups.unsubscribe).last?.instanceIDs == ["acp-1", "acp-2"])
        #expect(gateway.requests(GatewayV1.Refunds.quoteRefund).isEmpty)
    }

    @Test(
        "Wrong usage exits with 2, names the value, and sends nothing",
        arguments: [
            (["account", "top-up", "0"], "'0'"), (["account", "top-up", "--", "-5"], "'-5'"),
            (["account", "top-up", "-5"], "'-5' is negative"), (["account", "top-up", "1.0000001"], "'1.0000001'"),
            (["account", "top-up", "1234567890123456789"], "'1234567890123456789'"),
            (["account", "top-up", "acct-1", "1", "2"], "'2'"), (["account", "top-up", "ag-1", "1"], "'ag-1'"),
            (["account", "top-up"], "amount"), (["frobnicate"], "frobnicate"),
            (["group", "list", "--status", "sleeping"], "sleeping"), (["clock", "advance"], "3h"),
            (["clock", "advance", "3x"], "'3x'"), (["clock", "set", "noon"], "'noon'"),
            (["bill", "list", "--month", "2026-01", "--from", "2026-01-01"], "--from"),
            (["bill", "list", "--period", "details", "--group-by", "group"], "--group-by"),
            (["account", "show", "acct-2", "--account", "acct-3"], "acct-2"),
        ] as [([String], String)])
    func usage(line: [String], text: String) async {
        let result = await CommandRun.run(line, on: gateway, variables: account)
        #expect(result.status == .usage)
        #expect(result.problem.contains(text))
        #expect(result.output.isEmpty)
        #expect(gateway.log.isEmpty)
    }

    @Test("A command for an account needs one")
    func accountMissing() async {
        let result = await CommandRun.run(["group", "list"], on: gateway)
        #expect(result.status == .usage)
        #expect(result.problem.contains("--account"))
        let bad = await CommandRun.run(["group", "list"], on: gateway, variables: ["BILLING_ACCOUNT": "me"])
        #expect(bad.problem.contains("BILLING_ACCOUNT"))
        #expect(bad.problem.contains("'me'"))
    }

    @Test("The gateway is found by option, environment, base port, and port 7414, in this order")
    func endpoint() async {
        for (line, variables, expected) in [
            (["health"], [:], "tcp://127.0.0.1:7414"),
            (["health"], ["BILLING_BASE_PORT": "9000"], "tcp://127.0.0.1:9004"),
            (["health"], ["BILLING_BASE_PORT": "9000", "BILLING_GATEWAY": "ipc:///g"], "ipc:///g"),
            (["health", "--gateway", "ipc:///h"], ["BILLING_GATEWAY": "ipc:///g"], "ipc:///h"),
        ] as [([String], [String: String], String)] {
            let result = await CommandRun.run(line, on: gateway, variables: variables) { endpoint in
                throw RPCError(.unavailable, "call.unreachable", "Nobody answers.", value: endpoint)
            }
            #expect(result.status == .unknown)
            #expect(
                result.problem
                    == "billing: No gateway answers at \(expected) (call.unreachable).\nnext: start the services with "
                    + "deploy/run --keep, or name another gateway with --gateway.\n")
        }
        let bad = await CommandRun.run(["health"], on: gateway, variables: ["BILLING_BASE_PORT": "70000"])
        #expect(bad.status == .usage)
        #expect(bad.problem.contains("'70000'"))
    }

    @Test("A service behind the gateway that is away is named, not the gateway; what is only late is tried again")
    func unavailable() async {
        let text = "Nobody answers at tcp://127.0.0.1:7412, so nothing was sent; start the service."
        let away = await CommandRun.run(["account", "open", "Pixel Farm"], on: gateway) { _ in
            throw RPCError(.unavailable, "call.unreachable", text, value: "tcp://127.0.0.1:7412")
        }
        #expect(away.status == .unknown)
        #expect(
            away.problem
                == "billing: \(text) (call.unreachable)\nnext: start that service; deploy/run --keep starts them all.\n"
        )
        let line = ["account", "open", "Pixel Farm", "--key", "key-0123456789abcdef"]
        let late = await CommandRun.run(line, on: gateway) { _ in
            throw RPCError(.unavailable, "clock.standing", "The clock stands.")
        }
        #expect(late.status == .unknown)
        #expect(
            late.problem
                == "billing: The clock stands. (clock.standing)\n"
                + "next: try again in a moment, with --key key-0123456789abcdef.\n")
    }

    @Test("After an unknown outcome the key is printed; the same command with it is answered as a replay")
    func unknownOutcome() async {
        gateway.refuse(
            GatewayV1.Accounts.openAccount,
            RPCError(.deadlineExceeded, "call.deadline_exceeded", "OpenAccount did not answer in time."))
        let lost = await run("account", "open", "Pixel Farm")
        #expect(lost.status == .unknown)
        let key = "key-0000000900000001"
        #expect(lost.problem.contains("repeat the command with --key "))
        let first = await run("account", "open", "Pixel Farm", "--key", key)
        #expect(first.status == .done)
        #expect(first.problem.isEmpty)
        let second = await run("account", "open", "Pixel Farm", "--key", key)
        #expect(second.output == first.output)
        #expect(second.problem.contains("replayed"))
        let json = await run("account", "open", "Pixel Farm", "--key", key, "--json")
        #expect(json.output.hasSuffix("\"replayed\":true}\n"))
        #expect(gateway.log.count == 1)
    }

    @Test("What cannot be undone asks on a terminal, and needs --yes in a pipe")
    func confirmation() async {
        let piped = await run("group", "unsubscribe", "ag-1")
        #expect(piped.status == .usage)
        #expect(piped.problem.contains("--yes"))
        let no = await run("group", "unsubscribe", "ag-1", answer: "n")
        #expect(no.status == .usage)
        #expect(no.problem.contains("Unsubscribe ag-1 for a refund of 25.50? [y/N]"))
        #expect(no.output.contains("order  cash paid  days used  consumed  refund\nord-1"))
        #expect(no.output.contains("lost: The data of the group's 3 phones is gone."))
        #expect(gateway.requests(GatewayV1.Groups.unsubscribe).isEmpty)
        let yes = await run("group", "unsubscribe", "ag-1", answer: "y")
        #expect(yes.status == .done)
        let flag = await run("group", "unsubscribe", "ag-1", "--yes")
        #expect(flag.status == .done)
        let token = await run("group", "unsubscribe", "ag-1", "--token", "token-2")
        #expect(token.status == .done)
        #expect(gateway.requests(GatewayV1.Groups.unsubscribe).map(\.token) == ["token-1", "token-1", "token-2"])
        #expect(gateway.requests(GatewayV1.Refunds.quoteRefund).count == 4)
        let release = await run("group", "release", "ag-1")
        #expect(release.status == .usage)
        #expect(gateway.requests(GatewayV1.Groups.releaseGroup).isEmpty)
    }

    @Test("A repeat of an unsubscription names its token, as a new quote could differ")
    func unsubscribeAgain() async {
        gateway.refuse(
            GatewayV1.Groups.unsubscribe,
            RPCError(.deadlineExceeded, "call.deadline_exceeded", "Unsubscribe did not answer in time."))
        let lost = await run("group", "unsubscribe", "ag-1", "--yes", "--key", "key-0000000900000001")
        #expect(lost.problem.contains("repeat the command with --key key-0000000900000001 --token token-1"))
    }

    @Test("A switch places an order; --pay pays it with the same key")
    func switching() async {
        let placed = await run("group", "switch", "ag-1", "--months", "3")
        #expect(placed.output.contains("next: billing order pay ord-1, before 1970-01-02 08:00:00.\n"))
        #expect(gateway.requests(GatewayV1.Orders.payOrder).isEmpty)
        let paid = await run("group", "switch", "ag-1", "--months", "3", "--pay")
        #expect(paid.status == .done)
        #expect(paid.output.contains("paid from  balance"))
        #expect(gateway.requests(GatewayV1.Orders.payOrder).map(\.orderID) == ["ord-1"])
        gateway.refuse(
            GatewayV1.Orders.payOrder,
            RPCError(.failedPrecondition, "order.insufficient_balance", "The balance is 0.00."))
        let poor = await run("group", "switch", "ag-1", "--months", "3", "--pay")
        #expect(poor.status == .refused)
        #expect(poor.problem.contains("Order ord-1 of 256.02 was placed and is unpaid until 1970-01-02 08:00:00"))
        #expect(poor.problem.contains("next: billing account top-up AMOUNT"))
    }

    @Test("The clock is moved until it is there")
    func clock() async {
        let result = await run("clock", "advance", "1d")
        #expect(result.status == .done)
        #expect(result.output.contains("now                        1970-01-02 08:00:00\n"))
        // Twice on the way, once there, and again where an answer took too long to tell that all is done.
        #expect(gateway.requests(GatewayV1.Operations.advanceClock).count >= 3)
        #expect(gateway.requests(GatewayV1.Operations.advanceClock).allSatisfy { $0.to == 86_400_000 })
        let back = await run("clock", "set", "1970-01-01T00:00:00Z")
        #expect(back.status == .refused)
    }

    @Test("An audit adds up all slices and says OK; health exits with 3 while a service is away")
    func operations() async {
        let audit = await run("audit")
        #expect(audit.status == .done)
        #expect(audit.output.contains("M1    the ledger sums to zero       10       0"))
        #expect(audit.output.hasSuffix("audit: OK\n"))
        let health = await run("health")
        #expect(health.status == .unknown)
        #expect(health.problem.contains("order"))
    }

    @Test("Help and completion scripts are answers, not mistakes")
    func help() async {
        #expect(await CommandRun.run(["bill", "list", "--help"], on: gateway).output.contains("month)"))
        for line in [["--help"], ["group", "switch", "--help"], ["--generate-completion-script", "bash"]] {
            let result = await CommandRun.run(line, on: gateway)
            #expect(result.status == .done)
            #expect(!result.output.isEmpty)
            #expect(result.problem.isEmpty)
        }
    }
}
