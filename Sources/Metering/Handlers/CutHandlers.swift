package import BillingAPI
import BillingCore
package import RPC
import Storage

extension MeteringService {
    /// The most slices that are rated and posted in one call; half of what a message may hold, since a price change makes
    /// two of one.
    private static let largestBatch = 2048

    /// Cuts, hour by hour, what is due through an instant: rates the slices, posts them, moves the cursors. A crash
    /// between any two of these repeats the batch, which changes nothing that is done; so does another cut beside it.
    /// - Throws: `CutError`; the refusals of pricing and order. What was committed by then stays.
    package func cut(
        _ request: MeteringV1.CutRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.CutReply> {
        let scope = try CutScope(request)
        let through = try Timestamp(checked: request.through, "through")
        guard BillingCalendar.hour(of: through) == through else { throw CutError.notTopOfHour(through) }
        var reply = MeteringV1.CutReply()
        var overdue: Set<String> = []
        var isDone = false
        while !isDone {
            guard !call.deadline.hasPassed else {
                throw RPCError(
                    .deadlineExceeded, "call.deadline_exceeded",
                    "The cut did not get through \(through) in time. What it did stays; call it again.")
            }
            let (batch, waiting) = try await database.write(.bulk) { transaction in
                let store = CutStore(transaction)
                return (
                    try store.plan(scope, through: through, slices: Self.largestBatch),
                    try store.waiting(scope, through: through)
                )
            }
            reply.waiting = UInt32(waiting)
            guard let batch else { break }
            let usage = UsageBatch(batch)
            for range in usage.ranges(of: Self.largestBatch) {
                let rated = try await prices.rate(usage.rateRequest(range), call.onward).message
                let posted = try await bills.postUsage(try usage.postRequest(range, rated), call.onward).message
                reply.lines += posted.posted
                overdue.formUnion(posted.overdueAccounts)
            }
            reply.accounts += UInt32(try await database.write(.bulk) { try CutStore($0).commit(batch) })
            isDone = batch.isComplete && batch.hour == through
        }
        reply.overdueAccounts = overdue.sorted()
        return Response(reply)
    }

    /// Ends the terms that are over. Groups that a saga holds come later, when it is done.
    package func expireTerms(
        _ request: MeteringV1.ExpireTermsRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ExpireTermsReply> {
        let through = try Timestamp(checked: request.through, "through")
        var reply = MeteringV1.ExpireTermsReply()
        // Small units of work, so that calls of people do not wait behind a midnight's terms.
        let unit = 64
        var expired = unit
        while expired == unit, reply.groupIDs.count + unit <= WireLimits.batch.items {
            let groups = try await database.write(.bulk) { try expire(through: through, limit: unit, $0) }
            expired = groups.count
            reply.groupIDs += groups.map(\.text)
        }
        return Response(reply)
    }

    private func expire(
        through: Timestamp, limit: Int, _ transaction: any Transaction
    ) throws -> [GroupID] {
        let ended = try CutStore(transaction).endedTerms(through: through, limit: limit)
        for (account, id) in ended {
            let store = AccountStore(transaction, account)
            var group = try store.group(id)
            var progress = try store.progress()
            let change = try group.take(.termEnded(at: through))
            if case .subscription(let term) = group.state.billing { progress.note(term.end) }
            try store.update(group)
            try store.apply(change, to: group, &progress)
            try store.save(progress)
        }
        return ended.map(\.group)
    }

    /// The earliest instants, after one, at which a cut is due or a term ends.
    package func nextDue(
        _ request: MeteringV1.NextDueRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.NextDueReply> {
        let after = try Timestamp(checked: request.after, "after")
        let (cut, expiry) = try await database.read { transaction in
            let store = CutStore(transaction)
            return (try store.nextCut(after: after), try store.nextExpiry(after: after))
        }
        return Response(
            MeteringV1.NextDueReply(cutAt: cut?.milliseconds ?? 0, expiryAt: expiry?.milliseconds ?? 0))
    }

    /// How far the cuts have come at the instant of the call; on a call that is not stamped, whatever is due counts.
    package func cutStatus(
        _: MeteringV1.CutStatusRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.CutStatusReply> {
        let instant = call.effectiveAt ?? .latest
        let status = try await database.read { try CutStore($0).status(at: instant) }
        return Response(
            MeteringV1.CutStatusReply(
                accountsDue: UInt32(status.due), oldestCursor: status.oldestCursor?.milliseconds ?? 0,
                waiting: UInt32(status.waiting)))
    }
}

extension CutScope {
    /// - Throws: `CutError.partitions`.
    fileprivate init(_ request: MeteringV1.CutRequest) throws {
        self.init(
            partitions: try Partition.range(request.partitionFrom, request.partitionTo),
            account: request.accountID.isEmpty ? nil : try AccountID(request.accountID))
    }
}
