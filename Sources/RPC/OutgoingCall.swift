import BillingCore

extension WireBuffer {
    /// A message with the one record of a request. Budget and call id are written when it is sent.
    /// - Throws: `RPCError` "call.too_large", "call.account_malformed".
    package static func calling<Request, Reply>(
        _ method: Method<Request, Reply>, _ request: Request, _ options: CallOptions
    ) throws(RPCError) -> WireBuffer {
        guard options.account.utf8.count <= RecordHeader.maximumAccountBytes,
            options.account.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else {
            throw RPCError(
                .invalidArgument, "call.account_malformed",
                "An account id has at most \(RecordHeader.maximumAccountBytes) printable ASCII characters.",
                field: "account", value: options.account)
        }
        var header = RecordHeader(.request)
        header.methodID = method.descriptor.id
        header.effectiveAtMilliseconds = options.effectiveAt?.milliseconds ?? 0
        header.epoch = options.epoch
        header.traceID = options.traceID
        var message = WireBuffer()
        message.appendRecord(header, key: options.key?.text ?? "", account: options.account) {
            request.encode(into: &$0)
        }
        guard message.count <= method.descriptor.limits.messageBytes else {
            throw .tooLarge(message.count, method.descriptor)
        }
        return message
    }
}

extension Deadline {
    /// What is left as a request carries it; `nil` when nothing is.
    package func budget(at now: ContinuousClock.Instant) -> UInt32? {
        let left = now.duration(to: instant).components
        let milliseconds = left.seconds.multipliedReportingOverflow(by: 1000)
        guard !milliseconds.overflow else { return left.seconds > 0 ? .max : nil }
        let whole = milliseconds.partialValue + left.attoseconds / 1_000_000_000_000_000
        return whole > 0 ? UInt32(clamping: whole) : nil
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
