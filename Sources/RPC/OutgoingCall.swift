import BillingCore

extension WireBuffer {
    /// A message with the one record of a request. Budget and call id are written when it is sent.
    /// - Throws: `RPCError` "call.too_large", "call.account_malformed".
    @inlinable
    package static func calling<Request, Reply>(
        _ method: Method<Request, Reply>, _ request: Request, _ options: CallOptions
    ) throws(RPCError) -> WireBuffer {
        var message = try WireBuffer(opening: method.descriptor, options)
        let bodyStart = message.count
        request.encode(into: &message)
        try message.closeRequest(method.descriptor, bodyStart: bodyStart)
        return message
    }

    /// The header of a request, its key and its account.
    @usableFromInline
    package init(opening method: MethodDescriptor, _ options: CallOptions) throws(RPCError) {
        self.init()
        guard options.account.utf8.count <= RecordHeader.maximumAccountBytes,
            options.account.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else {
            throw RPCError(
                .invalidArgument, "call.account_malformed",
                "An account id has at most \(RecordHeader.maximumAccountBytes) printable ASCII characters.",
                field: "account", value: options.account)
        }
        var header = RecordHeader(.request)
        header.methodID = method.id
        header.effectiveAtMilliseconds = options.effectiveAt?.milliseconds ?? 0
        header.epoch = options.epoch
        header.traceID = options.traceID
        appendRecord(header, key: options.key?.text ?? "", account: options.account) { _ in }
    }

    @usableFromInline
    package mutating func closeRequest(_ method: MethodDescriptor, bodyStart: Int) throws(RPCError) {
        guard count <= method.limits.messageBytes else { throw .tooLarge(count, method) }
        setBodyLength(count - bodyStart, ofRecordAt: 0)
    }
}

extension Deadline {
    /// What is left as a request carries it; `nil` when nothing is.
    package func budget(at now: MonotonicTime) -> UInt32? {
        let milliseconds = now.nanoseconds(until: instant) / 1_000_000
        return milliseconds > 0 ? UInt32(clamping: milliseconds) : nil
    }
}

// The failures that the transport itself finds on the caller's side.
extension RPCError {
    package static func deadlineExceeded(_ method: MethodDescriptor) -> RPCError {
        RPCError(
            .deadlineExceeded, "call.deadline_exceeded",
            "\(method.name) did not answer in time and may still take effect; ask again with the same key.")
    }

    package static func notSentInTime(_ method: MethodDescriptor) -> RPCError {
        RPCError(
            .unavailable, "call.not_sent", "The time of a call of \(method.name) was over before it could be sent.")
    }

    package static func unreachable(_ endpoint: String) -> RPCError {
        RPCError(
            .unavailable, "call.unreachable",
            "Nobody answers at \(endpoint), so nothing was sent; start the service or check the endpoint.",
            value: endpoint)
    }

    package static func outcomeUnknown(_ method: MethodDescriptor) -> RPCError {
        RPCError(
            .deadlineExceeded, "call.outcome_unknown",
            "The connection was lost while \(method.name) was under way; it may have taken effect. Look before trying "
                + "again.")
    }

    package static func cancelled(_ method: MethodDescriptor) -> RPCError {
        RPCError(.cancelled, "call.cancelled", "The caller gave up on \(method.name), which may still take effect.")
    }
}
