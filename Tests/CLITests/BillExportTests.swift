import BillingAPI
import BillingCore
import Glibc
import RPC
import Synchronization
import Testing

@testable import billing

@Suite("Bills exported") struct BillExportTests {
    private let bills = BillsDouble()

    private func export(_ options: String..., lines: [OrderV1.BillLine] = BillExportTests.lines) async -> CommandRun {
        bills.state.withLock { $0.lines = lines }
        return await bills.run(["bill", "export"] + options)
    }

    /// The rows of a table, each ended by CR LF.
    private func rows(_ text: String) -> [String] {
        text.split(separator: "\r\n", omittingEmptySubsequences: false).dropLast().map { String($0) }
    }

    /// The cells of FOCUS columns, a row a line, without the header.
    private func focus(_ columns: String, _ lines: [OrderV1.BillLine]) async -> [String] {
        let result = await export("--format", "focus", "--columns", columns, lines: lines)
        return Array(rows(result.output).dropFirst())
    }

    /// A slice, a paid order, a refund, a round-down and an adjustment.
    private static let lines = [
        BillsDouble.slice,
        OrderV1.BillLine(
            lineID: "acct-1/2/ord-1", accountID: "acct-1", billingPeriod: "2026-04-30",
            itemKind: .subscriptionOrder, billingMethod: .subscription, product: "cloud-phone",
            billingItem: "cloud phone instance", resourceID: "ag-2", groupID: "ag-2", region: "ap-southeast-1",
            specification: "acp.basic.small", usageStart: 1_777_564_799_999, usageEnd: 1_780_243_200_000,
            listPriceNanos: 15_353_800_000, priceUnit: "instance-month", quantityThousandths: 3_000,
            quantityUnit: "instance-month", grossMicros: 46_061_400, discountMicros: 4_606_140,
            payableMicros: 41_455_260, paidMicros: 41_455_260, status: .paid, priceListVersion: 2, orderID: "ord-1",
            lines: 1, postedAt: 1_777_564_799_999, size: 3),
        OrderV1.BillLine(
            lineID: "acct-1/3/ref-1", accountID: "acct-1", billingPeriod: "2026-05-01", itemKind: .refund,
            billingMethod: .subscription, product: "cloud-phone", billingItem: "cloud phone instance",
            resourceID: "ag-2", groupID: "ag-2", region: "ap-southeast-1", specification: "acp.basic.small",
            usageStart: 1_777_570_000_000, usageEnd: 1_777_570_000_000, listPriceNanos: 15_353_800_000,
            priceUnit: "instance-month", grossMicros: -9_990_000, payableMicros: -9_990_000, paidMicros: -9_990_000,
            status: .paid, refundID: "ref-1", lines: 1),
        OrderV1.BillLine(
            lineID: "acct-1/4/round-down-2026-04-01", accountID: "acct-1", billingPeriod: "2026-04-30",
            itemKind: .payAsYouGoBill, billingMethod: .payAsYouGo, product: "cloud-phone",
            billingItem: "round-down discount", usageStart: 1_777_564_799_999, usageEnd: 1_777_564_799_999,
            roundDownMicros: 1_000, payableMicros: -1_000, paidMicros: -1_000, status: .paid, lines: 1,
            roundDownLine: true),
        OrderV1.BillLine(
            lineID: "acct-1/5/adj-1", accountID: "acct-1", billingPeriod: "2026-05-02", itemKind: .adjustment,
            product: "cloud-phone", billingItem: "adjustment", usageStart: 1_777_700_000_000,
            usageEnd: 1_777_700_000_000, grossMicros: -5_000_000, payableMicros: -5_000_000, paidMicros: -5_000_000,
            status: .paid, lines: 1, reason: "=HYPERLINK(\"http://x\",\"late, sorry\")"),
    ]

    @Test("CSV has the fields of lines by name, exact values, and lines that end with CR LF")
    func csv() async {
        let result = await export("--columns", "item_kind,payable,list_price,quantity,usage_start,order_id,final")
        #expect(result.status == .done && result.problem.isEmpty)
        #expect(
            rows(result.output) == [
                "item_kind,payable,list_price,quantity,usage_start,order_id,final",
                "pay-as-you-go-bill,1.000000,0.045700000,30.000,2026-04-10T07:20:00Z,,false",
                "subscription-order,41.455260,15.353800000,3.000,2026-04-30T15:59:59.999Z,ord-1,false",
                "refund,-9.990000,15.353800000,0.000,2026-04-30T17:26:40Z,,false",
                "pay-as-you-go-bill,-0.001000,0.000000000,0.000,2026-04-30T15:59:59.999Z,,false",
                "adjustment,-5.000000,0.000000000,0.000,2026-05-02T05:33:20Z,,false",
            ])
        let all = rows(await export().output)
        #expect(all.first?.hasPrefix("line_id,account_id,billing_period,item_kind,") == true)
        #expect(all.first?.contains("grouping") == false && all.count == 6)
    }

    @Test("A cell that a spreadsheet would run as a formula begins with an apostrophe; numbers are left alone")
    func formulas() async throws {
        let reasons = [
            "=1+1", "+1", "-1", "@sum", "\tx", "\rx", "plain", "a\"b", "a,b", "a\nb", "'=1",
            // A quote, or a sign, and the mark that joins it are one character, and two scalars.
            "a\"\u{301},=HYPERLINK(\"http://x\")", "\"\u{301}", "=\u{301}1",
        ]
        let lines = reasons.map { OrderV1.BillLine(itemKind: .adjustment, payableMicros: -1, reason: $0) }
        let result = await export("--columns", "reason,payable", lines: lines)
        #expect(
            rows(result.output).dropFirst() == [
                "'=1+1,-0.000001", "'+1,-0.000001", "'-1,-0.000001", "'@sum,-0.000001", "'\tx,-0.000001",
                "\"'\rx\",-0.000001", "plain,-0.000001", "\"a\"\"b\",-0.000001", "\"a,b\",-0.000001",
                "\"a\nb\",-0.000001", "'=1,-0.000001",
                "\"a\"\"\u{301},=HYPERLINK(\"\"http://x\"\")\",-0.000001", "\"\"\"\u{301}\",-0.000001",
                "'=\u{301}1,-0.000001",
            ])
        // What a reader makes of the rows is what was written.
        var reader = CSVReader(Array(await export("--columns", "reason,line_id", lines: lines.suffix(3)).output.utf8))
        var read: [[String]] = []
        while let record = try reader.next() { read.append(record.fields) }
        #expect(read == [["reason", "line_id"]] + [reasons[11], reasons[12], "'" + reasons[13]].map { [$0, ""] })
        #expect(
            await focus("ChargeDescription,BilledCost", [Self.lines[4]])
                == ["\"'=HYPERLINK(\"\"http://x\"\",\"\"late, sorry\"\")\",-5.000000"])
    }

    @Test("FOCUS has all its columns in its order, text in quotes, and NULL where there is nothing")
    func focusColumns() async {
        let result = await export("--format", "focus")
        #expect(result.status == .done, "\(result.problem)")
        let table = rows(result.output)
        let header = """
            AvailabilityZone,BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,\
            BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargeFrequency,ChargePeriodEnd,\
            ChargePeriodStart,CommitmentDiscountCategory,CommitmentDiscountId,CommitmentDiscountName,\
            CommitmentDiscountStatus,CommitmentDiscountType,ConsumedQuantity,ConsumedUnit,ContractedCost,\
            ContractedUnitPrice,EffectiveCost,InvoiceIssuerName,ListCost,ListUnitPrice,PricingCategory,\
            PricingQuantity,PricingUnit,ProviderName,PublisherName,RegionId,RegionName,ResourceId,ResourceName,\
            ResourceType,ServiceCategory,ServiceName,SkuId,SkuPriceId,SubAccountId,SubAccountName,Tags
            """
        #expect(table.first?.replacing("\"", with: "") == header)
        let cells = [
            "NULL", "1.000000", "\"acct-1\"", "\"'=Farm, Ltd\"", "\"USD\"", "\"2026-04-30T16:00:00Z\"",
            "\"2026-03-31T16:00:00Z\"", "\"Usage\"", "NULL",
            "\"cloud phone instance acp.basic.small in cn-hangzhou\"", "\"Usage-Based\"",
            "\"2026-04-10T10:20:00Z\"", "\"2026-04-10T07:20:00Z\"", "NULL", "NULL", "NULL", "NULL", "NULL", "30.000",
            "\"Instance-Hours\"", "1.371000", "0.045700000", "1.371000", "\"Cloud Phone\"", "1.371000", "0.045700000",
            "\"Standard\"", "30.000", "\"Instance-Hours\"", "\"Cloud Phone\"", "\"Cloud Phone\"", "\"cn-hangzhou\"",
            "\"Hangzhou\"", "\"ag-1\"", "NULL", "\"Instance group\"", "\"Compute\"", "\"Cloud Phone\"",
            "\"pay-as-you-go/acp.basic.small/cn-hangzhou\"", "\"pay-as-you-go/acp.basic.small/cn-hangzhou/1\"",
            "NULL", "NULL", "NULL",
        ]
        #expect(table.dropFirst().first == cells.joined(separator: ","))
    }

    /// Real bills in FOCUS 1.0, which the repository does not hold.
    private static let sample = environment("BILLING_FOCUS_SAMPLE") ?? "../shared/data/focus10_sample_1000.csv.gz"

    private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    @Test(
        "The columns are those of the foundation's sample data, but for its Id",
        .enabled(
            if: access(BillExportTests.sample, R_OK) == 0,
            "There is no \(BillExportTests.sample) (set BILLING_FOCUS_SAMPLE to FOCUS 1.0 sample data)."))
    func focusSample() async throws {
        var reader = CSVReader(try ReplayFile.read(Self.sample))
        let header = try #require(try reader.next()).fields
        #expect(header.filter { $0 != "Id" } == FocusTable(accountNames: [:], regionNames: [:]).columns.map(\.name))
        var rows = 0
        while let record = try reader.next() {
            #expect(record.fields.count == header.count)
            rows += 1
        }
        #expect(rows > 0)
    }

    @Test("A refund is a purchase with its price and no quantity")
    func focusRefund() async {
        #expect(
            await focus(
                "ChargeCategory,BilledCost,ListUnitPrice,PricingCategory,PricingQuantity,SkuId", [Self.lines[2]])
                == [
                    #""Purchase",-9.990000,15.353800000,"Standard",NULL,"subscription/acp.basic.small/ap-southeast-1""#
                ])
    }

    @Test("Each kind of line has its category, its costs, and a period that is not empty")
    func focusKinds() async {
        #expect(
            await focus("ChargeCategory,ChargeClass,ChargeFrequency,EffectiveCost,PricingUnit,ConsumedUnit", Self.lines)
                == [
                    #""Usage",NULL,"Usage-Based",1.371000,"Instance-Hours","Instance-Hours""#,
                    #""Purchase",NULL,"One-Time",41.455260,"Instance-Months",NULL"#,
                    #""Purchase",NULL,"One-Time",-9.990000,"Instance-Months",NULL"#,
                    #""Credit",NULL,"One-Time",-0.001000,NULL,NULL"#,
                    #""Adjustment","Correction","One-Time",-5.000000,NULL,NULL"#,
                ])
        #expect(
            await focus("ChargePeriodStart,ChargePeriodEnd,BillingPeriodStart", [Self.lines[1], Self.lines[3]]) == [
                #""2026-04-30T15:59:59Z","2026-05-31T16:00:00Z","2026-03-31T16:00:00Z""#,
                #""2026-04-30T15:59:59Z","2026-04-30T16:00:00Z","2026-03-31T16:00:00Z""#,
            ])
    }

    @Test("Storage that is priced by the month counts its hours' part of the month")
    func storage() async {
        let oss = OrderV1.BillLine(
            billingPeriod: "2026-04-10", itemKind: .payAsYouGoBill, billingMethod: .payAsYouGo, product: "oss",
            billingItem: "OSS", resourceID: "oss-1", region: "cn-hangzhou", usageStart: 1_775_805_600_000,
            usageEnd: 1_775_809_200_000, listPriceNanos: 20_000_000, priceUnit: "GiB-month",
            quantityThousandths: 250_000, quantityUnit: "GiB-hour", grossMicros: 6_944, payableMicros: 6_944)
        #expect(
            await focus(
                "PricingQuantity,PricingUnit,ConsumedQuantity,ConsumedUnit,ServiceCategory,ResourceType,SkuId", [oss])
                == [
                    #"0.347222222,"GiB-Months",250.000,"GiB-Hours","Storage","Object Storage Service","pay-as-you-go/oss/cn-hangzhou""#
                ])
    }

    @Test("The billed costs of all pages add up to what the total says is payable")
    func sums() async throws {
        let lines = (0..<450).map { OrderV1.BillLine(payableMicros: Int64($0) * 1_234_567 - 9_999_999) }
        let costs = await focus("BilledCost", lines)
        #expect(costs.count == 450)
        let sum = try costs.reduce(Money.zero) { $0 + (try Money($1)) }
        #expect(sum.micros == BillsDouble.total(lines).payableMicros)
        let requests = bills.state.withLock { $0.listed }
        #expect(requests.map(\.cursor) == ["", "200", "400"])
        #expect(requests.allSatisfy { $0.withoutTotal && $0.period == .details && $0.limit == 200 })
    }

    @Test("An export of all accounts names each account once, however many pages its lines fill")
    func allAccounts() async {
        let lines = (0..<450).map { OrderV1.BillLine(accountID: $0 < 250 ? "acct-1" : "acct-2", lines: 1) }
        let result = await export(
            "--all-accounts", "--format", "focus", "--columns", "BillingAccountId,BillingAccountName", lines: lines)
        #expect(result.status == .done && result.problem.isEmpty)
        let cells = rows(result.output).dropFirst()
        #expect(cells.prefix(250).allSatisfy { $0 == #""acct-1","'=Farm, Ltd""# })
        #expect(cells.dropFirst(250).allSatisfy { $0 == #""acct-2","Owl""# } && cells.count == 450)
        #expect(bills.state.withLock { $0.listedFor } == ["", "", ""])
        #expect(bills.state.withLock { $0.calls.map(\.account) } == ["acct-1", "acct-2"])
    }

    @Test("The filters of bill list choose the lines")
    func filters() async {
        _ = await export("--month", "2026-04", "--overdue", "--kind", "refund", "--region", "cn-hangzhou")
        #expect(
            bills.state.withLock { $0.listed.first }
                == .init(
                    start: 1_774_972_800_000, end: 1_777_564_800_000, region: "cn-hangzhou", itemKinds: [.refund],
                    period: .details, limit: 200, outstanding: true, withoutTotal: true))
    }

    @Test("A file appears when it is whole, and not after a failure")
    func file() async throws {
        let path = "/tmp/billing-export-test-\(getpid()).csv"
        defer { unlink(path) }
        bills.state.withLock { $0.refusal = RPCError(.invalidArgument, "page.bad_cursor", "No.") }
        #expect(await export("--output", path).status == .refused)
        #expect(access(path, F_OK) != 0 && access(path + ".part", F_OK) != 0)
        bills.state.withLock { $0.refusal = nil }
        let result = await export("--columns", "payable", "--output", path)
        #expect(result.status == .done && result.output.isEmpty)
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1000)
        let count = fread(&bytes, 1, bytes.count, file)
        #expect(
            String(decoding: bytes.prefix(count), as: UTF8.self)
                == "payable\r\n1.000000\r\n41.455260\r\n-9.990000\r\n-0.001000\r\n-5.000000\r\n")
    }

    @Test(
        "What is typed wrongly is named and not sent",
        arguments: [
            (["--columns", "payable,colour"], "'colour' is no column of csv; there are line_id, account_id"),
            (["--columns", "payable,payable"], "'payable' is named twice"), (["--columns", ""], "''"),
            (["--format", "focus", "--columns", "payable"], "'payable' is no column of focus; there are Availability"),
            (["--format", "excel"], "'excel'"), (["--json"], "not JSON"),
            (["--month", "2026-04", "--to", "2026-05-01"], "--month"),
            (["--output", "/nowhere/at/all"], "'/nowhere/at/all' cannot be written"),
        ] as [([String], String)])
    func usage(line: [String], text: String) async {
        let result = await bills.run(["bill", "export"] + line)
        #expect(result.status == .usage && result.output.isEmpty)
        #expect(result.problem.contains(text), "\(result.problem)")
        #expect(bills.state.withLock { $0.listed.isEmpty })
    }
}
