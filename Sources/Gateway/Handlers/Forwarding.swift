import BillingAPI
import BillingCore
import RPC
import Storage

/// Passes calls on to their owners, stamped. A reply comes back as it is, with its marks of replay and effect.
struct Forwarding: Sendable {
    let services: Services
    let clock: any BusinessClock
    let database: any Database

    /// A call that changes nothing.
    func read<Request: WireMessage, Reply: WireMessage>(
        _ participant: Participant, _ method: Method<Request, Reply>, _ request: Request, _ call: CallContext
    ) async throws -> Response<Reply> {
        try await services[participant].call(method, request, options(call, at: try clock.instant(for: call)))
    }

    /// A keyed call that changes one service. The owner's record of the caller's key makes it safe to repeat.
    /// - Parameter cutsFirst: whether it moves money or a timeline, so that the account is cut first.
    func write<Request: WireMessage, Reply: WireMessage>(
        _ participant: Participant, _ method: Method<Request, Reply>, _ request: Request, _ call: CallContext,
        cutsFirst: Bool = true
    ) async throws -> Response<Reply> {
        try await clock.stamped(call) { instant in
            if cutsFirst { try await clock.cutBefore(call, at: instant) }
            return try await send(participant, method, request, call, at: instant)
        }
    }

    /// A keyed call whose request to the owner is composed from what other services say. It is composed once and kept
    /// under the caller's key, as is a refusal on the way; a repeat sends the very same request, so the owner gives the
    /// answer that it recorded even if the other services would by now say something else.
    func compose<Request: WireMessage, Onward: WireMessage, Reply: WireMessage>(
        _ participant: Participant, _ method: Method<Onward, Reply>, _ request: Request, _ call: CallContext,
        _ compose: @Sendable (Timestamp) async throws -> Onward
    ) async throws -> Response<Reply> {
        try await clock.stamped(call) { instant in
            try await clock.cutBefore(call, at: instant)
            let onward: Onward
            if let earlier: Onward = try await composedEarlier(call, request) {
                onward = earlier
            } else {
                onward = try await keep(call, request) { try await compose(instant) }
            }
            return try await send(participant, method, onward, call, at: instant)
        }
    }

    /// Thrown out of a unit of work that only wanted to see what is kept.
    private struct NothingKept: Error {}

    private func composedEarlier<Request: WireMessage, Onward: WireMessage>(
        _ call: CallContext, _ request: Request
    ) async throws -> Onward? {
        do {
            return try await database.write(once: call, request) { _ -> Response<Onward> in throw NothingKept() }
                .message
        } catch is NothingKept {
            return nil
        }
    }

    private func keep<Request: WireMessage, Onward: WireMessage>(
        _ call: CallContext, _ request: Request, _ compose: () async throws -> Onward
    ) async throws -> Onward {
        let onward: Onward
        do {
            onward = try await compose()
        } catch let refusal as any BillingError where refusal.status.isRecorded {
            return try await database.write(once: call, request) { _ -> Response<Onward> in throw refusal }.message
        }
        return try await database.write(once: call, request) { _ in Response(onward) }.message
    }

    /// Makes sure that an account exists and owes nothing, before it gets something to use.
    /// - Throws: `GatewayError.accountOverdue`; what the order service says of an unknown account.
    func checkBuyer(_ call: CallContext, at instant: Timestamp) async throws {
        let reply = try await ask(
            .order, OrderV1.Accounts.getAccount, OrderV1.GetAccountRequest(), call, at: instant)
        if let account = reply.account, account.overdue {
            throw GatewayError.accountOverdue(outstanding: Money(micros: account.outstandingMicros))
        }
    }

    /// Binds the caller's key to a request whose answer is recorded elsewhere, by one of several owners.
    /// - Throws: `RPCError` "call.key_reused" when the key was used for another request.
    func claim<Request: WireMessage>(_ call: CallContext, _ request: Request) async throws {
        _ = try await database.write(once: call, request) { _ in Response(request) }
    }

    func send<Request: WireMessage, Reply: WireMessage>(
        _ participant: Participant, _ method: Method<Request, Reply>, _ request: Request, _ call: CallContext,
        at instant: Timestamp
    ) async throws -> Response<Reply> {
        var options = options(call, at: instant)
        options.key = call.key
        return try await services[participant].call(method, request, options)
    }

    /// Asks a service on the way, for what a handler needs to know.
    func ask<Request: WireMessage, Reply: WireMessage>(
        _ participant: Participant, _ method: Method<Request, Reply>, _ request: Request, _ call: CallContext,
        at instant: Timestamp
    ) async throws -> Reply {
        try await services[participant].call(method, request, options(call, at: instant)).message
    }

    private func options(_ call: CallContext, at instant: Timestamp) -> CallOptions {
        var options = call.onward
        options.effectiveAt = instant
        options.epoch = 0
        return options
    }
}
