public import BillingCore

/// The refusal or failure of a call, as it travels: what a handler threw, or what the transport found.
public struct RPCError: BillingError, Hashable {
    public var status: Status
    public var reason: String
    public var message: String
    public var field: String
    public var value: String
    /// When a retry may be worth it; `0`: nothing is known.
    public var retryAfterMilliseconds: UInt32
    /// Whether this refusal was recorded for the call's key earlier and is told again.
    public var isReplay: Bool

    public init(
        _ status: Status, _ reason: String, _ message: String, field: String = "", value: String = "",
        retryAfterMilliseconds: UInt32 = 0, isReplay: Bool = false
    ) {
        self.status = status
        self.reason = reason
        self.message = message
        self.field = field
        self.value = value
        self.retryAfterMilliseconds = retryAfterMilliseconds
        self.isReplay = isReplay
    }

    /// `error` itself if it can be told to a peer; otherwise `internalError` with the call's id, the detail being for
    /// our log alone.
    public init(_ error: any Error, callID: UInt64) {
        switch error {
        case let error as RPCError: self = error
        case let error as any BillingError:
            self.init(error.status, error.reason, error.message, field: error.field, value: error.value)
        default:
            self.init(
                .internalError, "call.internal",
                "The service failed to answer call \(String(callID, radix: 16)); its log has the cause.")
        }
    }
}
