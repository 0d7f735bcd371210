import BillingCore
import BillingTestKit
import RPC
import Synchronization

/// The service that the contract is tried on: each method does one thing that a transport must get right.
enum EchoService {
    static let inline = Method<EchoMessage, EchoMessage>("billing.test.Echo/Inline", .read)
    static let waiting = Method<EchoMessage, EchoMessage>("billing.test.Echo/Waiting", .read)
    static let keyed = Method<EchoMessage, EchoMessage>("billing.test.Echo/Keyed", .keyed)
    static let big = Method<EchoMessage, EchoMessage>("billing.test.Echo/Big", .read, .batch)
    static let grow = Method<EchoMessage, EchoMessage>("billing.test.Echo/Grow", .read)
    static let refuse = Method<EchoMessage, EchoMessage>("billing.test.Echo/Refuse", .read)
    static let fail = Method<EchoMessage, EchoMessage>("billing.test.Echo/Fail", .read)
    static let context = Method<EchoMessage, EchoMessage>("billing.test.Echo/Context", .keyed)
    static let held = Method<EchoMessage, EchoMessage>("billing.test.Echo/Held", .keyed)
    static let flaky = Method<EchoMessage, EchoMessage>("billing.test.Echo/Flaky", .read)
    /// Answers when its time is over.
    static let late = Method<EchoMessage, EchoMessage>("billing.test.Echo/Late", .read)
    static let onward = Method<EchoMessage, EchoMessage>("billing.test.Echo/Onward", .read)
    /// The one name that means something to the transport.
    static let health = Method<EchoMessage, EchoMessage>("billing.common.v1.Health/Check", .read)
    /// No service answers it.
    static let unknown = Method<EchoMessage, EchoMessage>("billing.test.Echo/Unknown", .read)

    static let refusal = RPCError(
        .failedPrecondition, "order.unpaid_orders", "Two orders are unpaid; pay or cancel them first.",
        field: "group", value: "ag-1 ü", isReplay: true)

    struct Failure: Error {}

    /// - Parameter gate: what calls of `held` wait for.
    static func router(gate: Gate = Gate(), onward channel: (any Channel)? = nil) -> Router {
        let attempts = Counter()
        var router = Router()
        router.handle(inline) { request, _ in Response(request) }
        router.handle(waiting) { request, _ async in
            await Task.yield()
            return Response(request)
        }
        router.handle(keyed) { request, context async in
            Response(EchoMessage(request.number, context.key?.text ?? ""))
        }
        router.handle(health) { request, _ in Response(request) }
        router.handle(big) { request, _ in Response(request) }
        router.handle(grow) { request, _ in
            Response(EchoMessage(0, String(repeating: "x", count: Int(request.number))))
        }
        router.handle(refuse) { _, _ in throw refusal }
        router.handle(fail) { _, _ async throws in throw Failure() }
        router.handle(context) { _, context in
            Response(
                EchoMessage(
                    Int64(context.epoch),
                    "\(context.account) \(context.key?.text ?? "-") \(context.traceID) \(context.caller) "
                        + "\(context.method.name) \(context.deadline.remainingMilliseconds > 0)"),
                isReplay: true, effectiveAt: context.effectiveAt?.adding(milliseconds: 1))
        }
        router.handle(held) { request, _ async in
            await gate.pass()
            return Response(request)
        }
        router.handle(flaky) { request, _ in
            let attempt = attempts.next()
            guard attempt > request.number else {
                throw RPCError(.unavailable, "store.busy", "Attempt \(attempt) fails.")
            }
            return Response(EchoMessage(attempt))
        }
        router.handle(late) { request, context async throws in
            while !context.deadline.hasPassed { try await Task.sleep(for: .milliseconds(1)) }
            return Response(request)
        }
        if let channel {
            router.handle(onward) { request, context async throws in
                try await channel.call(waiting, request, context.onward)
            }
        }
        return router
    }
}

/// Holds calls until it is opened.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var arrived = 0
        var held: [CheckedContinuation<Void, Never>] = []
        var watchers: [(count: Int, CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    func pass() async {
        await withCheckedContinuation { continuation in
            let (isOpen, watchers) = state.withLock { state in
                state.arrived += 1
                let arrived = state.arrived
                let ready = state.watchers.filter { $0.count <= arrived }
                state.watchers.removeAll { $0.count <= arrived }
                if !state.isOpen { state.held.append(continuation) }
                return (state.isOpen, ready)
            }
            if isOpen { continuation.resume() }
            for watcher in watchers { watcher.1.resume() }
        }
    }

    /// Returns when `count` calls have come to the gate.
    func arrival(of count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.arrived < count { state.watchers.append((count, continuation)) }
                return state.arrived >= count
            }
            if isThere { continuation.resume() }
        }
    }

    func open() {
        let held = state.withLock { state in
            state.isOpen = true
            defer { state.held = [] }
            return state.held
        }
        for continuation in held { continuation.resume() }
    }
}

final class Counter: Sendable {
    private let value = Atomic<Int64>(0)
    func next() -> Int64 { value.add(1, ordering: .relaxed).newValue }
    var count: Int64 { value.load(ordering: .relaxed) }
}

extension CallOptions {
    static func test(
        milliseconds: Int64 = 120_000, account: String = "", key: IdempotencyKey? = nil
    ) -> CallOptions {
        CallOptions(account: account, key: key, deadline: .after(milliseconds: milliseconds))
    }
}
