package import BillingAPI
import BillingCore
package import RPC
import Storage

extension MeteringService {
    /// Renames a group that is not gone yet. A repeat with the same key gets the first reply.
    package func renameGroup(
        _ request: MeteringV1.RenameGroupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        let name = try OwnerText.checked(request.name, "name")
        return try await changeGroup(request.groupID, request, call) { group, _ in
            _ = try group.take(.renamed)
            group.name = name
        }
    }

    /// Turns phones of an active group on or off, or restarts them. The bill stays the same (domain 2.3).
    package func setPower(
        _ request: MeteringV1.SetPowerRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        let stopped: Bool
        switch request.action {
        case .unspecified: throw GroupError.missing(field: "action")
        // A restarted phone runs, whatever it did before.
        case .on, .restart: stopped = false
        case .off: stopped = true
        }
        return try await changeGroup(request.groupID, request, call) { group, _ in
            _ = try group.take(.used)
            if request.instanceID.isEmpty {
                group.power.set(0..<group.instances, stopped: stopped)
            } else {
                let index = try group.index(of: request.instanceID)
                group.power.set(index..<index + 1, stopped: stopped)
            }
        }
    }

    /// Switches auto-renewal of a subscription on or off, or changes what it buys.
    /// - Throws: `GroupError.notSubscription`; `.renewalMonths` for a duration that is not sold.
    package func setAutoRenewal(
        _ request: MeteringV1.SetAutoRenewalRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        let months = try AutoRenewal.checked(months: request.months)
        return try await changeGroup(request.groupID, request, call) { group, effective in
            let renewal = request.enabled ? AutoRenewal(months: months, after: effective) : nil
            _ = try group.take(.autoRenewalSet(renewal))
        }
    }

    /// Changes a group in a way that no bill sees: load, decide, keep, answer.
    private func changeGroup(
        _ groupID: String, _ request: some WireMessage, _ call: CallContext,
        _ change: @escaping @Sendable (inout InstanceGroup, Timestamp) throws -> Void
    ) async throws -> Response<MeteringV1.GroupReply> {
        let account = try call.accountID()
        let instant = try call.checkedInstant()
        let id = try GroupID(groupID)
        return try await database.write(once: call, request) { transaction in
            let store = AccountStore(transaction, account)
            var group = try store.group(id)
            var progress = try store.progress()
            let effective = try progress.admit(instant)
            try change(&group, effective)
            try store.update(group)
            try store.save(progress)
            return Response(MeteringV1.GroupReply(group), effectiveAt: effective)
        }
    }

    /// Opens a session with a phone that runs. Free (domain 1).
    package func connect(
        _ request: MeteringV1.ConnectRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ConnectReply> {
        let account = try call.accountID()
        let instant = try call.checkedInstant()
        let id = try GroupID(request.groupID)
        let session = "session-" + identifiers.next()
        return try await database.write(once: call, request) { transaction in
            let store = AccountStore(transaction, account)
            var group = try store.group(id)
            var progress = try store.progress()
            let effective = try progress.admit(instant)
            _ = try group.take(.used)
            let instance = try group.runningInstance(request.instanceID)
            try store.save(progress)
            return Response(
                MeteringV1.ConnectReply(instanceID: instance, sessionID: session), effectiveAt: effective)
        }
    }

    /// One group with its phones.
    package func getGroup(
        _ request: MeteringV1.GetGroupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        let account = try call.accountID()
        let id = try GroupID(request.groupID)
        let group = try await database.read { try AccountStore($0, account).group(id) }
        return Response(MeteringV1.GroupReply(group, withMembers: true))
    }

    /// A page of the account's groups in the order of their request.
    package func listGroups(
        _ request: MeteringV1.ListGroupsRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ListGroupsReply> {
        let account = try call.accountID()
        let list = try GroupList(request)
        let (groups, next) = try await database.read { try AccountStore($0, account).groups(list) }
        return Response(
            MeteringV1.ListGroupsReply(
                groups: groups.map { MeteringV1.InstanceGroup($0) }, nextCursor: next?.text ?? ""))
    }
}

extension GroupList {
    /// - Throws: `PageError` for a page that cannot be told.
    fileprivate init(_ request: MeteringV1.ListGroupsRequest) throws {
        self.init()
        statuses = try request.statuses.map { try $0.checked("statuses") }
        methods = try request.billingMethods.map { try $0.checked("billing_methods") }
        region = request.region
        specification = request.specification
        limit = try PageCursor.limit(request.limit)
        after = try PageCursor(request.cursor)
    }
}
