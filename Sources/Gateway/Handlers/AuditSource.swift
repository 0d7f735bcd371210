import BillingAPI
import BillingCore
import RPC

/// What one audit call asks the services about a range of partitions.
struct AuditSource: Sendable {
    let forwarding: Forwarding
    let call: CallContext
    let instant: Timestamp
    let partitions: Range<Int>

    private var from: UInt32 { UInt32(partitions.lowerBound) }
    private var to: UInt32 { UInt32(partitions.upperBound) }

    func money() async throws -> [CommonV1.AuditFinding] {
        var findings: [CommonV1.AuditFinding] = []
        var request = OrderV1.AuditMoneyRequest(partitionFrom: from, partitionTo: to)
        while true {
            let page = try await ask(.order, OrderV1.Bills.auditMoney, request)
            findings += page.findings
            if page.nextAccount.isEmpty { return findings }
            (request.afterAccount, request.partitionFrom) = (page.nextAccount, page.nextPartition)
        }
    }

    func refunds() async throws -> [CommonV1.AuditFinding] {
        var findings: [CommonV1.AuditFinding] = []
        var request = RefundV1.AuditRefundsRequest(partitionFrom: from, partitionTo: to)
        while true {
            let page = try await ask(.refund, RefundV1.Refunds.auditRefunds, request)
            findings += page.findings
            if page.nextAccount.isEmpty { return findings }
            (request.afterAccount, request.partitionFrom) = (page.nextAccount, page.nextPartition)
        }
    }

    // MARK: - Timelines

    /// The timelines of whole accounts, of which some follow `account`.
    func timelines(after account: String) async throws -> TimelinePage {
        try await timelines(
            MeteringV1.AuditTimelinesRequest(
                afterAccount: account, partitionFrom: account.isEmpty ? from : UInt32(Partition.of(account)),
                partitionTo: to))
    }

    /// One account's timelines, read again.
    func timelines(of account: String) async throws -> TimelinePage {
        let partition = UInt32(Partition.of(account))
        return try await timelines(
            MeteringV1.AuditTimelinesRequest(
                partitionFrom: partition, partitionTo: partition + 1, accountID: account))
    }

    private func timelines(_ first: MeteringV1.AuditTimelinesRequest) async throws -> TimelinePage {
        var request = first
        var page = TimelinePage()
        while true {
            let reply = try await ask(.metering, MeteringV1.Cuts.auditTimelines, request)
            page.add(reply)
            guard !reply.nextThing.isEmpty else { return page }
            (request.afterAccount, request.partitionFrom) = (reply.nextAccount, reply.nextPartition)
            (request.afterThing, request.afterNumber) = (reply.nextThing, reply.nextNumber)
        }
    }

    // MARK: - Bills

    /// All that was billed to the accounts that follow `account`, up to `last`, or to the end if that is empty.
    func bills(after account: String, through last: String) async throws -> [String: AccountBill] {
        var request = OrderV1.AuditCoverageRequest(
            partitionFrom: account.isEmpty ? from : UInt32(Partition.of(account)), partitionTo: to,
            afterAccount: account, throughAccount: last)
        var bills: [String: AccountBill] = [:]
        while true {
            let page = try await ask(.order, OrderV1.Bills.auditCoverage, request)
            for account in page.accounts {
                bills[account.accountID, default: AccountBill()].overdueAt = account.overdueAt
            }
            for index in page.source.indices {
                let line = try BilledLine(page, index)
                bills[line.account, default: AccountBill()].lines.append(line)
            }
            guard page.more else { return bills }
            (request.partitionFrom, request.afterAccount) = (page.nextPartition, page.nextAccount)
            (request.afterStart, request.afterSource) = (page.nextStart, page.nextSource)
        }
    }

    /// Since when an account is overdue, as the order service has it now; 0 if it is not.
    func overdueAt(of account: String) async throws -> Int64 {
        var asking = call
        asking.account = account
        do {
            return try await forwarding.ask(
                .order, OrderV1.Accounts.getAccount, OrderV1.GetAccountRequest(), asking, at: instant
            ).account?.overdueAt ?? 0
        } catch let error as RPCError where error.status == .notFound {
            return 0
        }
    }

    func rate(_ request: PricingV1.RateRequest) async throws -> PricingV1.RateReply {
        try await ask(.pricing, PricingV1.Prices.rate, request)
    }

    // MARK: - Steps

    /// One page of what a service keeps of sagas' steps.
    func steps(
        of participant: Participant, _ request: CommonV1.AuditStepsRequest
    ) async throws -> [CommonV1.KeptStep] {
        try await ask(participant, CommonV1.Participation.auditSteps, request).steps
    }

    private func ask<Request: WireMessage, Reply: WireMessage>(
        _ participant: Participant, _ method: Method<Request, Reply>, _ request: Request
    ) async throws -> Reply {
        try await forwarding.ask(participant, method, request, call, at: instant)
    }
}

/// Whole accounts as metering has them.
struct TimelinePage: Sendable {
    private(set) var findings: [CommonV1.AuditFinding] = []
    private(set) var accounts: [String: MeteringV1.AuditedAccount] = [:]
    private(set) var segments: [String: [MeteringV1.BilledSegment]] = [:]
    /// The last account; empty if the page is the last one.
    private(set) var last = ""

    mutating func add(_ reply: MeteringV1.AuditTimelinesReply) {
        findings += reply.findings
        for account in reply.accounts { accounts[account.accountID] = account }
        for segment in reply.segments { segments[segment.accountID, default: []].append(segment) }
        last = reply.nextAccount
    }

    func spans(of account: String) -> [CoveredSpan] { (segments[account] ?? []).map(CoveredSpan.init) }

    /// All use of the account before it is billed.
    func cursor(of account: String) -> Timestamp {
        (accounts[account]?.cutThrough).flatMap { Timestamp(presentMilliseconds: $0) } ?? .earliest
    }
}

/// All that was billed to an account.
struct AccountBill: Sendable {
    /// 0 unless overdue.
    var overdueAt: Int64 = 0
    var lines: [BilledLine] = []
}

/// A line of use, or a paid term.
struct BilledLine: Hashable, Sendable {
    let account: String
    /// A value-added resource stands where a group does.
    let thing: String
    /// Empty for use.
    let orderID: String
    let isGivenBack: Bool
    let start: Int64
    let end: Int64
    let price: PricingV1.AppliedPrice
    let grossMicros: Int64

    /// - Throws: `GatewayError.unusableAnswer` for columns that do not fit each other.
    init(_ page: OrderV1.AuditCoverageReply, _ index: Int) throws {
        let count = page.source.count
        guard page.start.count == count, page.end.count == count, page.price.count == count,
            page.grossMicros.count == count, Int(page.source[index]) < page.sources.count,
            Int(page.price[index]) < page.prices.count
        else { throw RPCError(.internalError, "call.internal", "The order service told lines that make no sense.") }
        let source = page.sources[Int(page.source[index])]
        guard Int(source.account) < page.accounts.count else {
            throw RPCError(.internalError, "call.internal", "The order service told lines of no account.")
        }
        account = page.accounts[Int(source.account)].accountID
        (thing, orderID, isGivenBack) = (source.thingID, source.orderID, source.givenBack)
        (start, end) = (page.start[index], page.end[index])
        price = page.prices[Int(page.price[index])]
        grossMicros = page.grossMicros[index]
    }
}

extension CoveredSpan {
    init(_ segment: MeteringV1.BilledSegment) {
        let isUse = segment.billingMethod == .payAsYouGo
        self.init(segment.thing, order: isUse ? "" : segment.orderID, segment.start, segment.billedThrough)
    }

    init(_ line: BilledLine) { self.init(line.thing, order: line.orderID, line.start, line.end) }

    private init(_ thing: String, order: String, _ start: Int64, _ end: Int64) {
        // What is billed through an instant before it starts is not billed at all.
        self.init(
            group: thing, method: order.isEmpty ? .payAsYouGo : .subscription(orderID: order),
            period: Period(Timestamp(milliseconds: start), Timestamp(milliseconds: max(start, end))))
    }
}

extension MeteringV1.BilledSegment {
    /// The group or the value-added resource.
    var thing: String { resourceID.isEmpty ? groupID : resourceID }
}
