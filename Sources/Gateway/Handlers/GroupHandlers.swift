import BillingAPI
import BillingCore
import RPC

struct GroupHandlers: Sendable {
    let forwarding: Forwarding
    let engine: SagaEngine
    /// For groups whose creator names none.
    let provisioner: MeteringV1.Provisioner

    func register(in router: inout Router) {
        router.handle(GatewayV1.Groups.createGroup, createGroup)
        router.handle(GatewayV1.Groups.reportCreated, reportCreated)
        router.handle(GatewayV1.Groups.getGroup, getGroup)
        router.handle(GatewayV1.Groups.listGroups, listGroups)
        router.handle(GatewayV1.Groups.renameGroup, renameGroup)
        router.handle(GatewayV1.Groups.setPower, setPower)
        router.handle(GatewayV1.Groups.connect, connect)
        router.handle(GatewayV1.Groups.releaseGroup, releaseGroup)
        router.handle(GatewayV1.Groups.setAutoRenewal, setAutoRenewal)
        router.handle(GatewayV1.Groups.cancelRenewal, cancelRenewal)
        router.handle(GatewayV1.Groups.unsubscribe, unsubscribe)
        router.requireAll(GatewayV1.Groups.all)
    }

    /// Creates a pay-as-you-go group for an account that owes nothing.
    /// - Throws: `GatewayError.accountOverdue`; what the order service says of an unknown account.
    func createGroup(
        _ request: GatewayV1.CreateGroupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        try await forwarding.compose(.metering, MeteringV1.Groups.createGroup, request, call) { instant in
            try await forwarding.checkBuyer(call, at: instant)
            return MeteringV1.CreateGroupRequest(
                specification: request.specification, region: request.region, instances: request.instances,
                name: request.name, network: request.network,
                provisioner: request.provisioner == .unspecified ? provisioner : request.provisioner)
        }
    }

    /// Tells that a group's phones came up or did not. A paid group that did not come up is refunded by a saga.
    func reportCreated(
        _ request: GatewayV1.ReportCreatedRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        let onward = MeteringV1.ReportCreatedRequest(
            groupID: request.groupID, failed: request.failed, at: request.at)
        guard request.failed else {
            return try await forwarding.write(.metering, MeteringV1.Groups.reportCreated, onward, call)
        }
        if let earlier: Response<MeteringV1.GroupReply> = try await engine.earlier(call, request) { return earlier }
        return try await forwarding.clock.stamped(call) { instant in
            try await forwarding.clock.cutBefore(call, at: instant)
            let group = try await group(request.groupID, call, at: instant)
            guard !group.orderID.isEmpty else {
                return try await forwarding.send(
                    .metering, MeteringV1.Groups.reportCreated, onward, call, at: instant)
            }
            let input = FrozenMessages(onward, OrderV1.RefundInFullRequest(orderID: group.orderID))
            return try await engine.run(
                .creationFailed, group: request.groupID, input: input, call, request, at: instant)
        }
    }

    func getGroup(
        _ request: MeteringV1.GetGroupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        try await forwarding.read(.metering, MeteringV1.Groups.getGroup, request, call)
    }

    func listGroups(
        _ request: MeteringV1.ListGroupsRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ListGroupsReply> {
        try await forwarding.read(.metering, MeteringV1.Groups.listGroups, request, call)
    }

    func renameGroup(
        _ request: MeteringV1.RenameGroupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        try await forwarding.write(.metering, MeteringV1.Groups.renameGroup, request, call, cutsFirst: false)
    }

    func setPower(
        _ request: MeteringV1.SetPowerRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        try await forwarding.write(.metering, MeteringV1.Groups.setPower, request, call, cutsFirst: false)
    }

    func connect(
        _ request: MeteringV1.ConnectRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.ConnectReply> {
        try await forwarding.write(.metering, MeteringV1.Groups.connect, request, call, cutsFirst: false)
    }

    func releaseGroup(
        _ request: GatewayV1.ReleaseGroupRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        if let earlier: Response<MeteringV1.GroupReply> = try await engine.earlier(call, request) { return earlier }
        return try await forwarding.clock.stamped(call) { instant in
            try await forwarding.clock.cutBefore(call, at: instant)
            let input = FrozenMessages(
                MeteringV1.ReleaseGroupRequest(groupID: request.groupID),
                OrderV1.CancelUnpaidRequest(groupIDs: [request.groupID]))
            return try await engine.run(.release, group: request.groupID, input: input, call, request, at: instant)
        }
    }

    /// Unsubscribes a whole group for the refund that was quoted.
    /// - Throws: `GatewayError.partialInstances`, `.partialQuantity` for a request about some of its instances (domain 7.1).
    func unsubscribe(
        _ request: GatewayV1.UnsubscribeRequest, _ call: CallContext
    ) async throws -> Response<GatewayV1.UnsubscribeReply> {
        if !request.instanceIDs.isEmpty { throw GatewayError.partialInstances(request.instanceIDs) }
        if request.quantity != 0 { throw GatewayError.partialQuantity(request.quantity) }
        return try await refund(
            .unsubscribe, request.groupID, RefundV1.OpenRefundRequest(token: request.token), call, request)
    }

    /// Cancels the last pending renewal alone, for all that it cost (domain 7.3).
    func cancelRenewal(
        _ request: GatewayV1.CancelRenewalRequest, _ call: CallContext
    ) async throws -> Response<GatewayV1.UnsubscribeReply> {
        try await refund(
            .cancelRenewal, request.groupID, RefundV1.OpenRefundRequest(token: request.token, renewalOnly: true), call,
            request)
    }

    func setAutoRenewal(
        _ request: MeteringV1.SetAutoRenewalRequest, _ call: CallContext
    ) async throws -> Response<MeteringV1.GroupReply> {
        try await forwarding.write(.metering, MeteringV1.Groups.setAutoRenewal, request, call)
    }

    /// - Throws: `GatewayError.tokenMissing` without the token of a quote.
    private func refund<Request: WireMessage>(
        _ definition: SagaDefinition, _ group: String, _ opening: RefundV1.OpenRefundRequest, _ call: CallContext,
        _ request: Request
    ) async throws -> Response<GatewayV1.UnsubscribeReply> {
        if let earlier: Response<GatewayV1.UnsubscribeReply> = try await engine.earlier(call, request) {
            return earlier
        }
        guard !opening.token.isEmpty else { throw GatewayError.tokenMissing }
        return try await forwarding.clock.stamped(call) { instant in
            try await forwarding.clock.cutBefore(call, at: instant)
            let input = FrozenMessages(
                MeteringV1.LockGroupRequest(groupID: group, billingMethod: .subscription), opening)
            return try await engine.run(definition, group: group, input: input, call, request, at: instant)
        }
    }

    private func group(
        _ id: String, _ call: CallContext, at instant: Timestamp
    ) async throws -> MeteringV1.InstanceGroup {
        try await forwarding.ask(
            .metering, MeteringV1.Groups.getGroup, MeteringV1.GetGroupRequest(groupID: id), call, at: instant
        ).group ?? MeteringV1.InstanceGroup()
    }
}
