import BillingAPI
import BillingCore
import RPC
import Synchronization
import Testing

@testable import billing

/// The gateway's bills and what accrues: a test sets the answers and reads what was asked.
final class BillsDouble: Sendable {
    struct State {
        var lines: [OrderV1.BillLine] = []
        var explanation = GatewayV1.ExplainLineReply()
        var accruing: [MeteringV1.Accruing] = []
        var refusal: RPCError?
        var listed: [OrderV1.ListBillRequest] = []
        /// The accounts that lists were asked for.
        var listedFor: [String] = []
        var calls: [(account: String, line: String)] = []
    }

    let state = Mutex(State())

    var router: Router {
        var router = Router()
        router.handle(GatewayV1.Bills.listBill) { [self] request, call in
            try state.withLock { state in
                state.listed.append(request)
                state.listedFor.append(call.account)
                if let refusal = state.refusal { throw refusal }
                let start = Int(request.cursor) ?? 0
                let end = min(state.lines.count, start + Int(request.limit))
                return Response(
                    .init(
                        lines: Array(state.lines[start..<end]),
                        total: request.withoutTotal ? nil : BillsDouble.total(state.lines),
                        nextCursor: end < state.lines.count ? String(end) : ""))
            }
        }
        router.handle(GatewayV1.Bills.explainLine) { [self] request, call in
            try state.withLock { state in
                state.calls.append((call.account, request.lineID))
                if let refusal = state.refusal { throw refusal }
                return Response(state.explanation)
            }
        }
        router.handle(GatewayV1.Accounts.getAccount) { [self] _, call in
            state.withLock { $0.calls.append((call.account, "")) }
            return Response(
                .init(account: .init(accountID: call.account, name: call.account == "acct-2" ? "Owl" : "=Farm, Ltd")))
        }
        router.handle(GatewayV1.Prices.listPrices) { _, _ in
            Response(.init(regions: [.init(region: "cn-hangzhou", name: "Hangzhou", regionClass: .ml)]))
        }
        router.handle(GatewayV1.Resources.listAccruing) { [self] request, call in
            try state.withLock { state in
                state.calls.append((call.account, request.cursor))
                if let refusal = state.refusal { throw refusal }
                guard request.cursor.isEmpty, state.accruing.count > 1 else {
                    return Response(.init(accruing: request.cursor.isEmpty ? state.accruing : [state.accruing[1]]))
                }
                return Response(.init(accruing: [state.accruing[0]], nextCursor: "second"))
            }
        }
        return router
    }

    static func total(_ lines: [OrderV1.BillLine]) -> OrderV1.BillLine {
        OrderV1.BillLine(
            grossMicros: lines.reduce(0) { $0 + $1.grossMicros },
            payableMicros: lines.reduce(0) { $0 + $1.payableMicros },
            lines: Int64(lines.count))
    }

    func run(_ line: [String], variables: [String: String] = ["BILLING_ACCOUNT": "acct-1"]) async -> CommandRun {
        let channel = InProcessChannel(router: router)
        return await CommandRun.run(line, on: GatewayDouble(), variables: variables, connect: { _ in channel })
    }

    /// Three hours of a group of 10 acp.basic.small in Hangzhou from 2026-04-10 15:20 (UTC+8).
    static let slice = OrderV1.BillLine(
        lineID: "acct-1/1775805600000/ag-1", accountID: "acct-1", billingPeriod: "2026-04-10",
        itemKind: .payAsYouGoBill, billingMethod: .payAsYouGo, product: "cloud-phone",
        billingItem: "cloud phone instance", resourceID: "ag-1", groupID: "ag-1", region: "cn-hangzhou",
        specification: "acp.basic.small", usageStart: 1_775_805_600_000, usageEnd: 1_775_816_400_000,
        listPriceNanos: 45_700_000, priceUnit: "instance-hour", quantityThousandths: 30_000,
        quantityUnit: "instance-hour", grossMicros: 1_371_000, couponMicros: 371_000, payableMicros: 1_000_000,
        paidMicros: 400_000, outstandingMicros: 600_000, status: .partlyPaid, priceListVersion: 1, lines: 1,
        postedAt: 1_775_816_400_000, size: 10, billingUnit: .fourHours)
}

@Suite("Bills explained") struct BillCommandTests {
    private let bills = BillsDouble()

    @Test("A line is explained with its inputs, its steps, what paid it, and both amounts")
    func explained() async {
        bills.state.withLock { state in
            state.explanation = GatewayV1.ExplainLineReply(
                details: .init(
                    line: BillsDouble.slice, anchor: 1_775_805_600_000, createdAt: 1_775_805_600_000,
                    payments: [
                        .init(at: 1_775_816_400_000, kind: "coupon", reference: "cpn-1", amountMicros: 371_000),
                        .init(at: 1_775_816_400_000, kind: "balance", reference: "cut-1", amountMicros: 400_000),
                    ]),
                steps: ["3 hours x 10 instances x 0.0457 USD = 1.371 USD"], recomputedMicros: 1_371_000, agrees: true)
        }
        let result = await bills.run(["bill", "explain", "acct-1/1775805600000/ag-1"], variables: [:])
        #expect(result.status == .done && result.problem.isEmpty)
        for text in [
            "price version  1\n", "unit           four-hours\n", "anchor         2026-04-10 15:20:00\n",
            "slice          2026-04-10 15:20:00 to 2026-04-10 18:20:00\n",
            "list price     0.0457/instance-hour\n", "\n1. 3 hours x 10 instances x 0.0457 USD = 1.371 USD\n",
            "coupon       -0.371\n", "outstanding   0.600\n",
            "2026-04-10 18:20:00  coupon   cpn-1      0.371\n",
            "recomputed  1.371000\nstored      1.371000, which agrees\n",
        ] { #expect(result.output.contains(text), "\(text) in \(result.output)") }
        #expect(bills.state.withLock { $0.calls.map(\.account) } == ["acct-1"])
        #expect(bills.state.withLock { $0.calls.map(\.line) } == ["acct-1/1775805600000/ag-1"])
    }

    @Test("A line that does not agree with its inputs is an alarm, also for programs")
    func alarm() async {
        bills.state.withLock { state in
            state.explanation = GatewayV1.ExplainLineReply(
                details: .init(line: BillsDouble.slice), recomputedMicros: 1_371_001, agrees: false,
                disagreements: ["It is stored as 1.371000 USD.", "Its list price is stored as 0.05 USD."])
        }
        let line = ["bill", "explain", "acct-1/1775805600000/ag-1"]
        let result = await bills.run(line)
        #expect(result.status == .refused)
        #expect(result.output.contains("stored      1.371000\n"))
        #expect(
            result.problem.hasPrefix(
                "billing: ALARM: line acct-1/1775805600000/ag-1 is not what it follows from. It is stored as 1.371000 USD. "
                    + "Its list price is stored as 0.05 USD.\n"))
        let json = await bills.run(line + ["--json"])
        #expect(json.status == .refused)
        #expect(json.output.contains(#""recomputed":"1.371001","agrees":false,"disagreements":["It is stored as"#))
        #expect(json.problem.contains("ALARM"))
    }

    @Test("Of a refund and a round-down the payable amount is what is recomputed")
    func payable() async {
        let refund = OrderV1.BillLine(itemKind: .refund, grossMicros: -5, payableMicros: -4)
        let down = OrderV1.BillLine(itemKind: .payAsYouGoBill, payableMicros: -3, roundDownLine: true)
        #expect(ExplanationText.stored(.init(details: .init(line: refund))) == -4)
        #expect(ExplanationText.stored(.init(details: .init(line: down))) == -3)
    }

    @Test("What accrues is listed through all pages with what ends it, and a tail with its own end")
    func why() async {
        bills.state.withLock { state in
            state.accruing = [
                .init(
                    resourceID: "ag-1", specification: "acp.basic.small", region: "cn-hangzhou", instances: 10,
                    since: 1_775_805_600_000, until: 1_775_820_000_000, name: "farm", hourMicros: 457_000),
                .init(
                    resourceID: "oss-1", item: "oss", region: "cn-hangzhou", quantity: 250, since: 1_775_805_600_000,
                    hourMicros: 7_294),
            ]
        }
        let result = await bills.run(["bill", "why", "acct-1"], variables: [:])
        #expect(
            result.output
                == "what            item             name or network  region          size  since                "
                + "USD per hour  ends with\n"
                + "ag-1            acp.basic.small  farm             cn-hangzhou       10  2026-04-10 15:20:00  "
                + "    0.457000  by itself at 2026-04-10 19:20:00\n"
                + "oss-1           oss              -                cn-hangzhou  250 GiB  2026-04-10 15:20:00  "
                + "    0.007294  billing backup release oss-1\n"
                + "total per hour" + String(repeating: " ", count: 79)
                + "    0.464294\n")
        let json = await bills.run(["bill", "why", "--json"])
        #expect(json.output.split(separator: "\n").count == 2)
        #expect(json.output.contains(#""since":"2026-04-10T07:20:00Z","until":"2026-04-10T11:20:00Z""#))
        #expect(json.output.contains(#""ended_by":"billing backup release oss-1"}"#))
    }

    @Test("Each kind of thing names the command that ends it")
    func ending() {
        #expect(AccruingText.ending(.init(resourceID: "ag-1")) == "billing group release ag-1")
        for item in ["nat-gateway", "eip", "shared-bandwidth"] {
            #expect(AccruingText.ending(.init(resourceID: "x-1", item: item)) == "billing network release x-1")
        }
        #expect(AccruingText.ending(.init(resourceID: "ag-1", until: 1)).isEmpty)
    }

    @Test("Where nothing accrues, it says so")
    func nothing() async {
        let result = await bills.run(["bill", "why"])
        #expect(result.output == "Nothing accrues: acct-1 is not billed by time.\n")
        #expect(await bills.run(["bill", "why", "--json"]).output.isEmpty)
    }

    @Test("Lines are filtered by state, and shown in the columns that are asked for")
    func columns() async {
        bills.state.withLock { $0.lines = [BillsDouble.slice] }
        let line = [
            "bill", "list", "--period", "details", "--overdue", "--columns", "status,payable,quantity,posted_at",
        ]
        let result = await bills.run(line + ["--status", "partly-paid"])
        #expect(
            result.output
                == "status       payable  quantity  posted_at\n"
                + "partly-paid     1.00     30.00  2026-04-10 18:20:00\n")
        let request = bills.state.withLock { $0.listed.first }
        #expect(request?.outstanding == true && request?.statuses == [.partlyPaid] && request?.period == .details)
        #expect(
            await bills.run(line + ["--json"]).output.hasPrefix(
                #"{"status":"partly-paid","payable":"1.000000","quantity":"30.000","posted_at":"2026-04-10T10:20:00Z"}"#
                    + "\n"))
    }

    @Test("The bills of all accounts are asked for without one, and their lines say whose they are")
    func allAccounts() async {
        bills.state.withLock { $0.lines = [BillsDouble.slice] }
        let details = await bills.run(["bill", "list", "--all-accounts", "--period", "details"])
        #expect(details.status == .done && details.problem.isEmpty)
        let rows = details.output.split(separator: "\n")
        #expect(rows.count == 3 && rows[0].hasSuffix("status       account"), "\(details.output)")
        #expect(rows[1].hasSuffix("partly-paid  acct-1") && rows[2].hasPrefix("total of 1 line"))
        let one = await bills.run(["bill", "list", "--period", "details"])
        #expect(one.output.hasPrefix("use or term") && !one.output.contains("acct-1"))
        let sums = await bills.run(["bill", "list", "--all-accounts", "--group-by", "account"], variables: [:])
        #expect(sums.status == .done)
        #expect(bills.state.withLock { $0.listedFor } == ["", "acct-1", ""])
        #expect(bills.state.withLock { $0.listed.last?.groupBy } == .account)
    }

    @Test(
        "What is typed wrongly is named and not sent",
        arguments: [
            (["bill", "explain", "line-1"], "'line-1' does not name a bill line"),
            (["bill", "explain", "ag-1/5/x"], "'ag-1'"), (["bill", "explain", "acct-1/"], "'acct-1/'"),
            (["bill", "explain", "acct-1/5/x", "--account", "acct-2"], "acct-2"), (["bill", "why", "ag-1"], "'ag-1'"),
            (
                ["bill", "list", "--columns", "payable,colour"],
                "'colour' is no column of bill lines; there are line_id"
            ),
            (["bill", "list", "--columns", "payable,payable"], "named twice"),
            (["bill", "list", "--status", "paid", "--overdue"], "--status paid"),
            (["bill", "list", "--status", "late"], "'late'"),
            (["bill", "list", "--all-accounts", "--account", "acct-2"], "leave out --account"),
            (["bill", "export", "--all-accounts", "--account", "acct-2"], "leave out --account"),
            (
                ["bill", "list", "--period", "details", "--group-by", "region"],
                "take --group-by region with --period month, day or total"
            ),
        ] as [([String], String)])
    func usage(line: [String], text: String) async {
        let result = await bills.run(line)
        #expect(result.status == .usage)
        #expect(result.problem.contains(text), "\(result.problem)")
        #expect(bills.state.withLock { $0.listed.isEmpty && $0.calls.isEmpty })
    }

    @Test("A line that is not there is refused by its reason")
    func refused() async {
        bills.state.withLock { $0.refusal = RPCError(.notFound, "bill.line_not_found", "No such line.") }
        let result = await bills.run(["bill", "explain", "acct-1/5/x"])
        #expect(result.status == .refused && result.problem.contains("(bill.line_not_found)"))
    }
}
