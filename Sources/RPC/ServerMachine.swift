import BillingCore

/// How much a server takes on at once. Above it callers are told `resourceExhausted`, never kept waiting in silence.
public struct Admission: Hashable, Sendable {
    /// Calls of one peer whose handlers wait.
    public var callsPerPeer: Int
    /// Calls of all peers whose handlers wait, at the most: see `ConcurrencyLimit`.
    public var callsPerServer: Int
    /// What a caller who is turned away is told to wait.
    public var retryAfterMilliseconds: UInt32

    public init(callsPerPeer: Int = 4096, callsPerServer: Int = 16_384, retryAfterMilliseconds: UInt32 = 20) {
        self.callsPerPeer = callsPerPeer
        self.callsPerServer = callsPerServer
        self.retryAfterMilliseconds = retryAfterMilliseconds
    }
}

/// Decides what becomes of each record that reaches a server. A value without sockets, threads or clocks, so both
/// transports decide alike. It is asked before a body is decoded.
package struct ServerMachine {
    package enum Verdict {
        case refuse(RPCError)
        /// Run it here and now.
        case answer(
            @Sendable (UnsafeRawBufferPointer, CallContext, inout WireBuffer) throws -> Router.ReplyMarks, CallContext)
        /// Run it in a task, and tell `finished` when it is done. It counts as in flight from now on.
        case start(@Sendable (UnsafeRawBufferPointer, CallContext) throws -> Router.Work, CallContext)
    }

    private let router: Router
    private let admission: Admission
    private var limit: ConcurrencyLimit
    package var statistics = ServerStatistics()

    package init(router: Router, admission: Admission) {
        self.router = router
        self.admission = admission
        limit = ConcurrencyLimit(maximum: admission.callsPerServer)
    }

    /// - Parameter inFlightOfPeer: calls of the sender that were started and are not finished.
    package mutating func received(
        _ record: Record, from caller: Caller, inFlightOfPeer: Int, at now: MonotonicTime
    ) -> Verdict {
        let header = record.header
        statistics.calls += 1
        // `Health` is answered to the end, so that whoever watches can tell a server that drains from one that is dead.
        guard !statistics.isDraining || header.methodID == RecordHeader.healthID else {
            statistics.drained += 1
            return .refuse(
                RPCError(
                    .unavailable, "server.draining", "The service is about to stop and takes no more calls.",
                    retryAfterMilliseconds: admission.retryAfterMilliseconds))
        }
        guard let (method, handler) = router.handlers[header.methodID] else {
            statistics.unknownMethods += 1
            let id = "0x" + String(header.methodID, radix: 16)
            return .refuse(
                RPCError(
                    .unimplemented, "call.unknown_method",
                    "This service has no method \(id); caller and service may be of different releases.",
                    field: "method", value: id))
        }
        guard record.byteCount <= method.limits.messageBytes else {
            statistics.tooLarge += 1
            return .refuse(.tooLarge(record.byteCount, method))
        }
        guard header.budgetMilliseconds > 0 else {
            statistics.expired += 1
            return .refuse(
                RPCError(
                    .deadlineExceeded, "call.deadline_exceeded",
                    "The call's time was over when it arrived; it was not started."))
        }
        let context: CallContext
        do throws(RPCError) {
            context = CallContext(
                method: method, caller: caller,
                account: record.account.isEmpty ? "" : String(decoding: record.account, as: UTF8.self),
                key: record.key.isEmpty ? nil : try IdempotencyKey(String(decoding: record.key, as: UTF8.self)),
                effectiveAt: header.effectiveAt, epoch: header.epoch, traceID: header.traceID,
                deadline: Deadline(replyingWithin: header.budgetMilliseconds, of: now))
        } catch {
            return .refuse(error)
        }
        switch handler {
        case .inline(let answer):
            return .answer(answer, context)
        case .waiting(let start):
            guard inFlightOfPeer < admission.callsPerPeer, statistics.inFlight < limit.limit else {
                statistics.overloaded += 1
                return .refuse(
                    RPCError(
                        .resourceExhausted, "call.overloaded",
                        "The service has as many calls in flight as it takes; try again in a moment.",
                        retryAfterMilliseconds: admission.retryAfterMilliseconds))
            }
            statistics.inFlight += 1
            limit.started(inFlight: statistics.inFlight)
            return .start(start, context)
        }
    }

    /// A call that was started at `start` has its answer.
    package mutating func finished(_ start: MonotonicTime, at now: MonotonicTime) {
        statistics.inFlight -= 1
        limit.finished(start, at: now, inFlight: statistics.inFlight)
        statistics.callLimit = limit.limit
    }
}

extension Deadline {
    /// What a handler has of its caller's time: a tenth less, at most 100 ms, so that what it has to say at its deadline,
    /// that a service does not answer for instance, still reaches the caller.
    fileprivate init(replyingWithin budgetMilliseconds: UInt32, of now: MonotonicTime) {
        let budget = Int64(budgetMilliseconds)
        self.init(now.advanced(milliseconds: budget - min(budget / 10, 100)))
    }
}

extension RPCError {
    package static func tooLarge(_ bytes: Int, _ method: MethodDescriptor) -> RPCError {
        RPCError(
            .invalidArgument, "call.too_large",
            "The call takes \(bytes) bytes and \(method.name) allows \(method.limits.messageBytes); split it.",
            value: String(bytes))
    }

    /// Whether `error` is one of ours: what anything else says stays in our log.
    package static func isTellable(_ error: any Error) -> Bool { error is RPCError || error is any BillingError }
}
