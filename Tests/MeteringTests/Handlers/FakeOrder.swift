import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Synchronization

/// Keeps posted lines once each, as the order service does.
final class FakeOrder: Sendable {
    struct Line: Hashable {
        let account: String
        /// A group's or a resource's id.
        let group: String
        let period: Period
        let gross: Money
        let cutAt: Timestamp
        /// Of a value-added resource; 0 for a group.
        let quantity: Int64
    }

    /// What makes a line unique.
    private struct Key: Hashable {
        let group: String
        let start: Timestamp
    }

    private struct State {
        var lines: [Line] = []
        var keys: Set<Key> = []
        var failuresBefore = 0
        var failuresAfter = 0
        var overdue: [String] = []
        var refused: Set<String> = []
        var calls = 0
        var meanwhile: (@Sendable () async throws -> Void)?
    }
    private let state = Mutex(State())

    /// In the order in which they were posted.
    var lines: [Line] { state.withLock { $0.lines } }
    var calls: Int { state.withLock { $0.calls } }
    func lines(of group: String) -> [Line] { lines.filter { $0.group == group } }
    func total(of group: String) -> String { lines(of: group).reduce(Money.zero) { $0 + $1.gross }.description }

    /// Fails that many postings, before or after it kept the lines.
    func fail(before: Int = 0, after: Int = 0) {
        state.withLock { ($0.failuresBefore, $0.failuresAfter) = (before, after) }
    }
    /// Refuses to post anything of those accounts.
    func refuse(_ accounts: Set<String>) { state.withLock { $0.refused = accounts } }
    func nameOverdue(_ accounts: [String]) { state.withLock { $0.overdue = accounts } }
    /// Runs once in the middle of the next posting, when metering has planned and not moved its cursors.
    func meanwhile(_ work: @escaping @Sendable () async throws -> Void) { state.withLock { $0.meanwhile = work } }

    var channel: RouterChannel {
        var router = Router()
        router.handle(OrderV1.Bills.postUsage) { [self] request, _ async throws in try await post(request) }
        return RouterChannel(router: router)
    }

    private func post(_ request: OrderV1.PostUsageRequest) async throws -> Response<OrderV1.PostUsageReply> {
        let work = state.withLock { state in
            defer { state.meanwhile = nil }
            return state.meanwhile
        }
        try await work?()
        return try state.withLock { state in
            state.calls += 1
            guard state.failuresBefore == 0 else {
                state.failuresBefore -= 1
                throw RPCError(.unavailable, "test.down", "down before posting")
            }
            if request.resources.contains(where: { state.refused.contains($0.accountID) }) {
                throw RPCError(.internalError, "usage.changed", "It was posted before with another content.")
            }
            var reply = OrderV1.PostUsageReply(overdueAccounts: state.overdue)
            for slice in request.resource.indices {
                let resource = request.resources[Int(request.resource[slice])]
                let line = Line(
                    account: resource.accountID, group: resource.resourceID,
                    period: Period(
                        Timestamp(milliseconds: request.start[slice]), Timestamp(milliseconds: request.end[slice])),
                    gross: Money(micros: request.grossMicros[slice]), cutAt: Timestamp(milliseconds: request.cutAt),
                    quantity: resource.quantity)
                if state.keys.insert(Key(group: line.group, start: line.period.start)).inserted {
                    state.lines.append(line)
                    reply.posted += 1
                } else {
                    reply.repeatedLines += 1
                }
            }
            guard state.failuresAfter == 0 else {
                state.failuresAfter -= 1
                throw RPCError(.unavailable, "test.down", "the reply was lost after posting")
            }
            return Response(reply)
        }
    }
}
