package import BillingAPI
import BillingCore
package import RPC
import Storage

extension MeteringService {
    /// Checks the timelines of some accounts, and tells what of them should be on bills by now. Whole accounts, as many as
    /// fit one reply; one that does not fit a reply by itself takes several.
    package func auditTimelines(
        _ request: MeteringV1.AuditTimelinesRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.AuditTimelinesReply> {
        let partitions = try Partition.range(request.partitionFrom, request.partitionTo)
        let only = request.accountID.isEmpty ? nil : try AccountID(request.accountID)
        let begun = try BegunAccount(request)
        let instant = try call.instant()
        return Response(
            try await database.read { transaction in
                let store = TimelineStore(transaction)
                var page = TimelineAudit(at: instant)
                if let begun {
                    page.goOn(try store.audited(begun.account), after: begun.place)
                    if page.isFull { return page.reply(isLast: false) }
                }
                let largestPage = 512
                let accounts =
                    try only.map { begun == nil ? [$0] : [] }
                    ?? store.accounts(in: partitions, after: request.afterAccount, limit: largestPage)
                for account in accounts {
                    guard page.begin(try store.audited(account)) else { return page.reply(isLast: false) }
                }
                return page.reply(isLast: accounts.count < largestPage)
            })
    }
}

/// An account of which a page told some segments.
private struct BegunAccount {
    let account: AccountID
    let place: SegmentPlace

    init?(_ request: MeteringV1.AuditTimelinesRequest) throws {
        guard !request.afterThing.isEmpty else { return nil }
        account = try AccountID(request.afterAccount)
        place = SegmentPlace(thing: request.afterThing, number: request.afterNumber)
    }
}

/// Where a segment stands among those of its account.
struct SegmentPlace: Comparable {
    let thing: String
    /// Among those of its group or resource, from 1.
    let number: UInt32

    static func < (left: Self, right: Self) -> Bool { (left.thing, left.number) < (right.thing, right.number) }
}

/// All that the audit looks at of one account.
struct AuditedAccount {
    let account: AccountID
    let progress: AccountProgress
    let timelines: [KeptTimeline]
    let uses: [KeptUse]
    let overdue: [OverdueInterval]
    let accruing: Set<GroupID>
    let accruingUses: [ResourceID: Set<Timestamp>]

    /// What should be on bills, in the order of their places.
    var segments: [(place: SegmentPlace, billed: MeteringV1.BilledSegment)] {
        var segments: [(place: SegmentPlace, billed: MeteringV1.BilledSegment)] = []
        for kept in timelines {
            for (index, segment) in kept.billed.enumerated() {
                segments.append(
                    (
                        SegmentPlace(thing: kept.group.id.text, number: UInt32(index + 1)),
                        MeteringV1.BilledSegment(segment, of: kept.group, progress)
                    ))
            }
        }
        for kept in uses {
            for (index, use) in kept.timeline.uses.enumerated() {
                segments.append(
                    (
                        SegmentPlace(thing: kept.resource.id.text, number: UInt32(index + 1)),
                        MeteringV1.BilledSegment(use, of: kept.resource, progress)
                    ))
            }
        }
        return segments.sorted { $0.place < $1.place }
    }
}

extension TimelineStore {
    fileprivate func audited(_ account: AccountID) throws -> AuditedAccount {
        let uses = try uses(of: account)
        return AuditedAccount(
            account: account, progress: try AccountStore(transaction, account).progress(),
            timelines: try timelines(of: account), uses: uses, overdue: try overdueIntervals(of: account),
            accruing: try accruing(of: account), accruingUses: uses.isEmpty ? [:] : try accruingUses(of: account))
    }
}
