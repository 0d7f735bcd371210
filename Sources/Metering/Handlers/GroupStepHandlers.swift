package import BillingAPI
import BillingCore
package import RPC
import Storage

extension MeteringService {
    /// Takes an active group for a saga, or for a renewal an expired one, so that nothing else moves it and its account
    /// is not cut meanwhile. Undo gives it back. The reply's instant is not before the account's last one.
    /// - Throws: `GroupError.locked` while another saga holds it; `.notActive` also for one that is to be released by then;
    ///   `AccountBusyError.cutDue` while a cut is under way.
    package func lockGroup(
        _ request: MeteringV1.LockGroupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        let account = try call.accountID()
        let instant = try call.checkedInstant()
        let id = try GroupID(request.groupID)
        let (step, saga) = try request.step.required().checked()
        let method = try request.billingMethod.checked("billing_method")
        return try await database.write(
            step: step, call, request,
            do: { transaction in
                let store = AccountStore(transaction, account)
                var group = try store.group(id)
                var progress = try store.progress()
                let effective = request.due ? progress.follow(instant) : try progress.admit(instant)
                let wasHeld = group.state.lock != nil
                _ = try group.take(.locked(by: saga, for: method, orExpired: request.orExpired, at: effective))
                if !wasHeld { try progress.lock(at: request.due ? instant : effective) }
                try store.update(group)
                try store.save(progress)
                return Response(MeteringV1.GroupReply(group), effectiveAt: effective)
            },
            undo: { transaction in
                let store = AccountStore(transaction, account)
                var group = try store.group(id)
                guard group.state.lock == saga else { return }
                var progress = try store.progress()
                _ = try group.take(.unlocked(by: saga))
                progress.unlock()
                try store.update(group)
                try store.save(progress)
            })
    }

    /// Ends pay-as-you-go at the instant of payment, to the millisecond, and starts the subscription there (domain 6.3).
    package func switchGroup(
        _ request: MeteringV1.SwitchGroupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        guard let subscription = try request.term?.subscription() else { throw GroupError.missing(field: "term") }
        let (step, saga) = try request.step.required().checked()
        return try await moveHeldGroup(
            request.groupID, step, request, call, .switched(subscription, by: saga), at: subscription.current.start)
    }

    /// Adds a paid renewal: it waits for the end of the terms before it, or starts anew after they are over.
    package func extendGroup(
        _ request: MeteringV1.ExtendGroupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        guard let term = try request.term?.checked() else { throw GroupError.missing(field: "term") }
        let (step, saga) = try request.step.required().checked()
        return try await moveHeldGroup(
            request.groupID, step, request, call, .extended(term, by: saga), at: try call.checkedInstant())
    }

    /// Drops the last pending renewal.
    package func dropRenewal(
        _ request: MeteringV1.DropRenewalRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        let order = try OrderID(request.orderID)
        let (step, saga) = try request.step.required().checked()
        return try await moveHeldGroup(
            request.groupID, step, request, call, .renewalDropped(order, by: saga), at: try call.checkedInstant())
    }

    /// Ends a subscription at the instant of unsubscription.
    package func endGroup(
        _ request: MeteringV1.EndGroupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        let at = try Timestamp(checked: request.at, "at")
        let (step, saga) = try request.step.required().checked()
        return try await moveHeldGroup(request.groupID, step, request, call, .unsubscribed(at: at, by: saga), at: at)
    }

    /// What follows a pivot: the group moves at an instant that was fixed there, and is given back. Forward only.
    /// - Throws: `GroupError.billedBeyond` when use after that instant was billed, which the lock prevents.
    private func moveHeldGroup(
        _ groupID: String, _ step: SagaStep, _ request: some WireMessage, _ call: CallContext, _ event: GroupEvent,
        at instant: Timestamp
    ) async throws -> Response<MeteringV1.GroupReply> {
        let account = try call.accountID()
        let id = try GroupID(groupID)
        return try await database.write(
            step: step, call, request,
            do: { transaction in
                let store = AccountStore(transaction, account)
                var group = try store.group(id)
                var progress = try store.progress()
                let wasPayAsYouGo = group.state.billing.method == .payAsYouGo
                if wasPayAsYouGo, let through = progress.cutThrough, instant < through {
                    throw GroupError.billedBeyond(id, instant, through: through)
                }
                progress.note(instant)
                let change = try group.take(event)
                progress.unlock()
                try store.update(group)
                try store.updatePending(group)
                try store.apply(change, to: group, &progress)
                try store.save(progress)
                return Response(MeteringV1.GroupReply(group), effectiveAt: instant)
            }, undo: { _ in }, isPivot: true)
    }

    /// Releases a group. For its owner: a pay-as-you-go one is billed to the end of the unit that is running, an
    /// overdue or expired one just goes. When due: one that is overdue or expired since the instant named, 15 days
    /// later, and however late the call comes. The pivot of its saga.
    /// - Throws: `GroupError.notPayAsYouGo` for a subscribed one; `.locked` while a saga holds it; `.notDue` when its
    ///   state is not what the request says.
    package func releaseGroup(
        _ request: MeteringV1.ReleaseGroupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        let account = try call.accountID()
        let instant = try call.checkedInstant()
        let id = try GroupID(request.groupID)
        let (step, _) = try request.step.required().checked()
        let expected = try request.expected()
        return try await database.write(
            step: step, call, request,
            do: { transaction in
                let store = AccountStore(transaction, account)
                var group = try store.group(id)
                var progress = try store.progress()
                let effective: Timestamp
                let change: TimelineChange?
                if let expected {
                    effective = progress.follow(instant)
                    change = try group.take(.releaseDue(expected.status, since: expected.since, now: effective))
                } else {
                    effective = try progress.admit(instant)
                    change = try group.take(.released(at: effective))
                }
                try store.update(group)
                try store.apply(change, to: group, &progress)
                try store.save(progress)
                return Response(MeteringV1.GroupReply(group), effectiveAt: effective)
            }, undo: { _ in }, isPivot: true)
    }

    /// The account owes nothing from an instant on: its overdue groups are active again, or released if their 15 days
    /// are over. Follows the pivot that ended the debt.
    /// - Throws: `AccountBusyError.cutDue` while a cut is due by then.
    package func resumeAccount(
        _ request: MeteringV1.ResumeAccountRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ResumeAccountReply> {
        let account = try call.accountID()
        let at = try Timestamp(checked: request.at, "at")
        let (step, _) = try request.step.required().checked()
        return try await database.write(
            step: step, call, request,
            do: { transaction in
                let resumption = try AccountStore(transaction, account).resume(
                    at: at, beforeReleases: request.beforeReleases)
                return Response(
                    MeteringV1.ResumeAccountReply(
                        groupIDs: resumption.groups.map(\.text), resourceIDs: resumption.resources.map(\.text),
                        releasedGroupIDs: resumption.released.map(\.text)), effectiveAt: at)
            }, undo: { _ in }, isPivot: true)
    }
}

extension MeteringV1.ReleaseGroupRequest {
    /// What must still be true for a release when due; `nil` for the owner's.
    fileprivate func expected() throws(GroupError) -> (status: GroupStatus, since: Timestamp)? {
        if status == .unspecified, since == 0 { return nil }
        return (try status.checked("status"), try Timestamp(checked: since, "since"))
    }
}

extension CommonV1.SagaStep? {
    fileprivate func required() throws(GroupError) -> CommonV1.SagaStep {
        guard let self else { throw .missing(field: "step") }
        return self
    }
}
