import BillingAPI
import BillingCore
import RPC

/// Answers for metering: every group is there and does what it is told; nothing is ever due.
enum StandInMetering {
    static func router() -> Router {
        var router = Router()
        router.handle(MeteringV1.Groups.createGroup) { (request: MeteringV1.CreateGroupRequest, call) in
            let id = request.groupID.isEmpty ? "ag-\(call.key?.text.suffix(16) ?? "none")" : request.groupID
            return Response(MeteringV1.GroupReply(group: group(id, call)), effectiveAt: call.effectiveAt)
        }
        router.handle(MeteringV1.Groups.getGroup) { (request: MeteringV1.GetGroupRequest, call) in
            Response(MeteringV1.GroupReply(group: group(request.groupID, call)))
        }
        router.handle(MeteringV1.Groups.listGroups) { (_: MeteringV1.ListGroupsRequest, call) in
            Response(MeteringV1.ListGroupsReply(groups: (0..<10).map { group("ag-standin-\($0)", call) }))
        }
        router.handle(MeteringV1.GroupSteps.releaseGroup) { (request: MeteringV1.ReleaseGroupRequest, call) in
            var released = group(request.groupID, call)
            released.status = .released
            released.releaseCause = .owner
            released.releasedAt = call.effectiveAt?.milliseconds ?? 0
            return Response(MeteringV1.GroupReply(group: released), effectiveAt: call.effectiveAt)
        }
        router.handle(MeteringV1.Cuts.nextDue) { (_: MeteringV1.NextDueRequest, _) in
            Response(MeteringV1.NextDueReply())
        }
        router.handle(MeteringV1.Cuts.cut) { (_: MeteringV1.CutRequest, _) in Response(MeteringV1.CutReply()) }
        return router
    }

    private static func group(_ id: String, _ call: CallContext) -> MeteringV1.InstanceGroup {
        let at = call.effectiveAt?.milliseconds ?? BusinessTime.start.milliseconds
        return MeteringV1.InstanceGroup(
            groupID: id, accountID: call.account, name: "stand-in", specification: "acp.basic.small",
            region: "cn-hangzhou", network: "default", instances: 1, status: .active, billingMethod: .payAsYouGo,
            billingUnit: .fourHours, requestedAt: at, createdAt: at, anchor: at)
    }
}
