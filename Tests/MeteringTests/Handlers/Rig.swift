import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Synchronization
import Testing

@testable import Metering

/// The metering service over a real database, with doubles of its neighbours, called as the gateway calls it.
final class Rig: Sendable {
    static let account = "acct-one"

    let pricing = FakePricing()
    let order = FakeOrder()
    let database: TestDatabase
    private let channel: RouterChannel
    private let keys = SequentialIdentifierGenerator(seed: 7)

    init() throws {
        database = try TestDatabase.make(migrations: MeteringService.migrations)
        let service = MeteringService(
            database: database, identifiers: SequentialIdentifierGenerator(), pricing: pricing.channel,
            order: order.channel)
        var router = Router()
        service.register(in: &router)
        channel = RouterChannel(router: router)
    }

    var groups: MeteringV1.GroupsClient { MeteringV1.GroupsClient(channel) }
    var steps: MeteringV1.GroupStepsClient { MeteringV1.GroupStepsClient(channel) }
    var resources: MeteringV1.ResourcesClient { MeteringV1.ResourcesClient(channel) }
    var cuts: MeteringV1.CutsClient { MeteringV1.CutsClient(channel) }

    /// A call with a key of its own.
    func at(_ text: String, account: String = Rig.account, epoch: UInt64 = 1) -> CallOptions {
        at(instant(text), account: account, epoch: epoch)
    }

    func at(_ effective: Timestamp, account: String = Rig.account, epoch: UInt64 = 1) -> CallOptions {
        CallOptions(
            account: account, key: IdempotencyKey(from: keys), effectiveAt: effective, epoch: epoch,
            deadline: .after(milliseconds: 60_000))
    }

    /// - Returns: the id of an active pay-as-you-go group.
    @discardableResult
    func create(
        _ specification: String = "acp.basic.small", region: String = "cn-hangzhou", instances: UInt32 = 1,
        at text: String, account: String = Rig.account
    ) async throws -> String {
        let request = MeteringV1.CreateGroupRequest(
            specification: specification, region: region, instances: instances, provisioner: .immediate)
        return try #require(await groups.createGroup(request, at(text, account: account)).group).groupID
    }

    /// - Returns: the id of an active subscribed group whose order was paid at `start`.
    @discardableResult
    func createPaid(
        _ group: String = "ag-paid", start: String, end: String, provisioner: MeteringV1.Provisioner = .immediate,
        autoRenewal: Bool = false, account: String = Rig.account
    ) async throws -> MeteringV1.InstanceGroup {
        var term = Rig.term(start, end)
        term.autoRenewal = autoRenewal
        let request = MeteringV1.CreateGroupRequest(
            specification: "acp.std.small", region: "cn-hangzhou", instances: 3, provisioner: provisioner,
            term: term, groupID: group, step: Rig.step("saga-buy-" + group, "create"))
        return try #require(await groups.createGroup(request, at(start, account: account)).group)
    }

    /// The months follow from the ends.
    static func term(_ start: String, _ end: String, order: String = "ord-one") -> MeteringV1.Term {
        let first = BillingCalendar.date(of: instant(start))
        let last = BillingCalendar.date(of: instant(end).adding(milliseconds: -.millisecondsPerDay))
        return MeteringV1.Term(
            orderID: order, start: instant(start).milliseconds, end: instant(end).milliseconds,
            months: UInt32(max(1, (last.year - first.year) * 12 + last.month - first.month)))
    }

    static func step(_ saga: String, _ step: String, undo: Bool = false) -> CommonV1.SagaStep {
        CommonV1.SagaStep(sagaID: saga, definition: "test", step: step, undo: undo)
    }

    @discardableResult
    func lock(
        _ group: String, for method: CommonV1.BillingMethod = .payAsYouGo, orExpired: Bool = false, due: Bool = false,
        saga: String = "saga-one", at text: String, account: String = Rig.account
    ) async throws -> Response<MeteringV1.GroupReply> {
        let request = MeteringV1.LockGroupRequest(
            step: Rig.step(saga, "lock"), groupID: group, billingMethod: method, orExpired: orExpired, due: due)
        return try await steps.lockGroup(request, at(text, account: account))
    }

    func unlock(_ group: String, saga: String = "saga-one", at text: String) async throws {
        let request = MeteringV1.LockGroupRequest(
            step: Rig.step(saga, "lock", undo: true), groupID: group, billingMethod: .payAsYouGo)
        _ = try await steps.lockGroup(request, at(text))
    }

    @discardableResult
    func release(
        _ group: String, at text: String, account: String = Rig.account
    ) async throws -> Response<MeteringV1.GroupReply> {
        let request = MeteringV1.ReleaseGroupRequest(step: Rig.step("saga-release-" + group, "release"), groupID: group)
        return try await steps.releaseGroup(request, at(text, account: account))
    }

    @discardableResult
    func cut(
        through text: String, account: String = "", deadline: Deadline = .after(milliseconds: 60_000)
    ) async throws -> MeteringV1.CutReply {
        let through = instant(text)
        let request = MeteringV1.CutRequest(
            partitionFrom: 0, partitionTo: 256, through: through.milliseconds, accountID: account)
        return try await cuts.cut(request, CallOptions(effectiveAt: through, deadline: deadline)).message
    }

    func group(_ group: String, account: String = Rig.account) async throws -> MeteringV1.InstanceGroup {
        try #require(
            await groups.getGroup(
                MeteringV1.GetGroupRequest(groupID: group), at("2026-01-01", account: account)
            ).group)
    }

    /// When things are due after an instant; `nil` for what is not.
    struct Due {
        let cut: Timestamp?
        let expiry: Timestamp?
        let release: Timestamp?
        let attempt: Timestamp?
    }

    func nextDue(after text: String) async throws -> Due {
        let reply = try await cuts.nextDue(
            MeteringV1.NextDueRequest(after: instant(text).milliseconds), at(text, account: ""))
        let at = { (milliseconds: Int64) in milliseconds == 0 ? nil : Timestamp(milliseconds: milliseconds) }
        return Due(
            cut: at(reply.cutAt), expiry: at(reply.expiryAt), release: at(reply.releaseAt),
            attempt: at(reply.autoRenewalAt))
    }

    /// - Returns: the ids of the groups that are due.
    func due(_ kind: MeteringV1.DueKind, through text: String) async throws -> [String] {
        try await cuts.listDue(
            MeteringV1.ListDueRequest(kind: kind, through: instant(text).milliseconds), at(text, account: "")
        ).groups.compactMap { $0.group?.groupID }
    }

    @discardableResult
    func expire(through text: String) async throws -> [String] {
        try await cuts.expireTerms(
            MeteringV1.ExpireTermsRequest(through: instant(text).milliseconds), at(text, account: "")
        ).groupIDs
    }

    /// Creates a group and lets the cut at `hour` find its account overdue.
    func createOverdue(
        _ specification: String = "acp.basic.small", instances: UInt32 = 1, at text: String, cut hour: String
    ) async throws -> String {
        let group = try await create(specification, instances: instances, at: text)
        try await cut(through: BillingCalendar.format(instant(hour).adding(milliseconds: -.millisecondsPerHour)))
        try await fallBehind(cut: hour)
        return group
    }

    /// The cut at `hour` finds the account overdue.
    func fallBehind(cut hour: String, account: String = Rig.account) async throws {
        order.nameOverdue([account])
        try await cut(through: hour)
        order.nameOverdue([])
    }

    @discardableResult
    func resume(
        at text: String, saga: String = "saga-resume", account: String = Rig.account
    ) async throws -> Response<MeteringV1.ResumeAccountReply> {
        let request = MeteringV1.ResumeAccountRequest(step: Rig.step(saga, "resume"), at: instant(text).milliseconds)
        return try await steps.resumeAccount(request, at(text, account: account))
    }

    func releaseDue(
        _ group: String, _ status: MeteringV1.GroupStatus, since: String, at text: String, saga: String = "saga-due"
    ) async throws -> MeteringV1.InstanceGroup {
        let request = MeteringV1.ReleaseGroupRequest(
            step: Rig.step(saga, "release"), groupID: group, status: status, since: instant(since).milliseconds)
        return try #require(await steps.releaseGroup(request, at(text)).group)
    }

    /// Locks a group and adds a paid term.
    @discardableResult
    func extend(
        _ group: String, _ start: String, _ end: String, months: UInt32, order: String, at text: String,
        automatic: Bool = false
    ) async throws -> MeteringV1.InstanceGroup {
        let saga = "saga-renew-" + order
        try await lock(group, for: .subscription, orExpired: true, saga: saga, at: text)
        var term = Rig.term(start, end, order: order)
        term.months = months
        let request = MeteringV1.ExtendGroupRequest(
            step: Rig.step(saga, "extend"), groupID: group, term: term, automatic: automatic)
        return try #require(await steps.extendGroup(request, at(text)).group)
    }
}

/// Expects a refusal with a reason.
func expectRefusal(
    _ reason: String, sourceLocation: SourceLocation = #_sourceLocation, _ call: () async throws -> Void
) async {
    do {
        try await call()
        Issue.record("expected \(reason)", sourceLocation: sourceLocation)
    } catch let error as RPCError {
        #expect(error.reason == reason, "\(error.message)", sourceLocation: sourceLocation)
    } catch {
        Issue.record("expected \(reason), not \(error)", sourceLocation: sourceLocation)
    }
}
