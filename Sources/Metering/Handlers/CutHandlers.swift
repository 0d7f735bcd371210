package import BillingAPI
import BillingCore
package import RPC
import Storage

extension MeteringService {
    /// The most slices that are rated and posted in one call; half of what a message may hold, since a price change makes
    /// two of one.
    private static let largestBatch = 2048
    /// How many accounts may fail by themselves before the cut fails for all: then it is hardly a matter of the accounts.
    private static let largestFailures = 64

    /// Cuts, hour by hour, what is due through an instant: rates the slices, posts them, moves the cursors and stops
    /// what is billed by use on the accounts that order found overdue, in the same transaction. A crash between any two
    /// of these repeats the batch, which changes nothing that is done; so does another cut beside it. An account that
    /// pricing or order refuses by itself is passed by and told.
    /// - Throws: `CutError`; the refusals of pricing and order that are about all accounts, or about the only one that was
    ///   asked for. What was committed by then stays.
    package func cut(
        _ request: MeteringV1.CutRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.CutReply> {
        var scope = try CutScope(request)
        let through = try Timestamp(checked: request.through, "through")
        guard BillingCalendar.hour(of: through) == through else { throw CutError.notTopOfHour(through) }
        var reply = MeteringV1.CutReply()
        var overdue: Set<AccountID> = []
        var isDone = false
        while !isDone {
            guard !call.deadline.hasPassed else {
                throw RPCError(
                    .deadlineExceeded, "call.deadline_exceeded",
                    "The cut did not get through \(through) in time. What it did stays; call it again.")
            }
            let (batch, waiting) = try await database.write(.bulk) { [scope] transaction in
                let store = CutStore(transaction)
                return (
                    try store.plan(scope, through: through, slices: Self.largestBatch),
                    try store.waiting(scope, through: through)
                )
            }
            reply.waiting = UInt32(waiting)
            guard let batch else { break }
            do {
                overdue.formUnion(try await post(batch, call, &reply))
            } catch let error as RPCError where error.status.mayBeOfOneAccount && scope.account == nil {
                let (found, failures) = try await postOneByOne(batch, call, &reply)
                // Refused are all of several: it is not a matter of the accounts.
                if failures.count > 1, failures.count == batch.accounts.count { throw error }
                overdue.formUnion(found)
                scope.except.formUnion(failures.keys)
                reply.failures += failures.map { MeteringV1.CutFailure(accountID: $0.key.text, message: $0.value) }
            }
            isDone = batch.isComplete && batch.hour == through
        }
        reply.overdueAccounts = overdue.map(\.text).sorted()
        reply.failures.sort { $0.accountID < $1.accountID }
        return Response(reply)
    }

    /// - Returns: the accounts that were found overdue, and those that were refused, with the reason for a person.
    private func postOneByOne(
        _ batch: CutBatch, _ call: CallContext, _ reply: inout MeteringV1.CutReply
    ) async throws -> (overdue: Set<AccountID>, failures: [AccountID: String]) {
        var overdue: Set<AccountID> = []
        var failures: [AccountID: String] = [:]
        for account in batch.accounts {
            do {
                overdue.formUnion(try await post(batch.only([account]), call, &reply))
            } catch let error as RPCError
                where error.status.mayBeOfOneAccount
                && reply.failures.count + failures.count < Self.largestFailures
            {
                failures[account.account] = error.message
            }
        }
        return (overdue, failures)
    }

    /// Rates and posts the slices of a batch and moves its cursors.
    /// - Returns: the accounts that it found overdue.
    private func post(
        _ batch: CutBatch, _ call: CallContext, _ reply: inout MeteringV1.CutReply
    ) async throws -> Set<AccountID> {
        let usage = UsageBatch(batch)
        var found: Set<AccountID> = []
        for range in usage.ranges(of: Self.largestBatch) {
            let rated = try await prices.rate(usage.rateRequest(range), call.onward).message
            let posted = try await bills.postUsage(try usage.postRequest(range, rated), call.onward).message
            reply.lines += posted.posted
            found.formUnion(try posted.overdueAccounts.map { try AccountID($0) })
        }
        reply.accounts += UInt32(
            try await database.write(.bulk) { [found] in try CutStore($0).commit(batch, overdue: found) })
        return found
    }

    /// Ends the terms that are over: the next paid one begins, or the group expires. Groups that a saga holds come
    /// later, when it is done.
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

    /// - Returns: the groups whose terms ended, those that expired as well as those that go on with a paid renewal.
    private func expire(
        through: Timestamp, limit: Int, _ transaction: any Transaction
    ) throws -> [GroupID] {
        let ended = try CutStore(transaction).endedTerms(through: through, limit: limit)
        for (account, id) in ended {
            let store = AccountStore(transaction, account)
            var group = try store.group(id)
            var progress = try store.progress()
            // A month's terms may be late together, after a lock that lasted.
            while case .active(.subscription(let subscription), _) = group.state, subscription.current.end <= through {
                let change = try group.take(.termEnded(at: subscription.current.end))
                progress.note(subscription.current.end)
                try store.apply(change, to: group, &progress)
            }
            try store.update(group)
            try store.updatePending(group)
            try store.save(progress)
        }
        return ended.map(\.group)
    }

    /// The releases or attempts of auto-renewal that are due, for the gateway to begin a saga each.
    package func listDue(
        _ request: MeteringV1.ListDueRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ListDueReply> {
        let through = try Timestamp(checked: request.through, "through")
        let limit = try PageCursor.limit(request.limit)
        let kind: CutStore.Due
        switch request.kind {
        case .unspecified: throw GroupError.missing(field: "kind")
        case .release: kind = .release
        case .autoRenewal: kind = .autoRenewal
        }
        let due = try await database.read { try CutStore($0).dueGroups(kind, through: through, limit: limit) }
        return Response(
            MeteringV1.ListDueReply(
                groups: due.map { group, at in
                    MeteringV1.DueGroup(group: MeteringV1.InstanceGroup(group), dueAt: at.milliseconds)
                }))
    }

    /// Notes that an attempt of auto-renewal failed, so that the next one is due. One that is not the next is past: it
    /// changes nothing.
    package func noteRenewalAttempt(
        _ request: MeteringV1.NoteRenewalAttemptRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        let account = try call.accountID()
        let id = try GroupID(request.groupID)
        let attempt = try Timestamp(checked: request.attemptAt, "attempt_at")
        return try await database.write { transaction in
            let store = AccountStore(transaction, account)
            var group = try store.group(id)
            var progress = try store.progress()
            _ = try group.take(.attemptFailed(at: attempt))
            progress.note(attempt)
            try store.update(group)
            try store.save(progress)
            return Response(MeteringV1.GroupReply(group))
        }
    }

    /// The earliest instants, after one, at which a cut is due, a term ends, a group is released or its renewal
    /// attempted.
    package func nextDue(
        _ request: MeteringV1.NextDueRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.NextDueReply> {
        let after = try Timestamp(checked: request.after, "after")
        return Response(
            try await database.read { transaction in
                let store = CutStore(transaction)
                return MeteringV1.NextDueReply(
                    cutAt: try store.nextCut(after: after)?.milliseconds ?? 0,
                    expiryAt: try store.nextExpiry(after: after)?.milliseconds ?? 0,
                    releaseAt: try store.nextRelease(after: after)?.milliseconds ?? 0,
                    autoRenewalAt: try store.nextAttempt(after: after)?.milliseconds ?? 0)
            })
    }

    /// The accounts that are not cut through an instant yet.
    package func listUncut(
        _ request: MeteringV1.ListUncutRequest, _: CallContext
    ) async throws -> Response<MeteringV1.ListUncutReply> {
        let through = try Timestamp(checked: request.through, "through")
        let largestPage = 1024
        let accounts = try await database.read { try CutStore($0).uncut(through: through, limit: largestPage + 1) }
        return Response(
            MeteringV1.ListUncutReply(
                accountIDs: accounts.prefix(largestPage).map(\.text), more: accounts.count > largestPage))
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

extension Status {
    /// Whether it can be about one account of many; the others say that a service cannot answer now.
    fileprivate var mayBeOfOneAccount: Bool { isRecorded || self == .internalError }
}

extension CutScope {
    /// - Throws: `CutError.partitions`.
    fileprivate init(_ request: MeteringV1.CutRequest) throws {
        self.init(
            partitions: try Partition.range(request.partitionFrom, request.partitionTo),
            account: request.accountID.isEmpty ? nil : try AccountID(request.accountID))
    }
}
