public import BillingCore

/// The refusal or failure of a call, as it travels: what a handler threw, or what the transport found.
public struct RPCError: BillingError, Hashable {
    private struct Content: Hashable, Sendable {
        var status: Status
        var reason: String
        var message: String
        var field: String
        var value: String
        var retryAfterMilliseconds: UInt32
        var isReplay: Bool
    }

    /// One word beside every result of every call, most of which succeed.
    private indirect enum Box: Hashable, Sendable {
        case of(Content)
    }

    private let box: Box

    private var content: Content {
        switch box {
        case .of(let content): content
        }
    }

    public var status: Status { content.status }
    public var reason: String { content.reason }
    public var message: String { content.message }
    public var field: String { content.field }
    public var value: String { content.value }
    /// When a retry may be worth it; `0`: nothing is known.
    public var retryAfterMilliseconds: UInt32 { content.retryAfterMilliseconds }
    /// Whether this refusal was recorded for the call's key earlier and is told again.
    public var isReplay: Bool { content.isReplay }

    public init(
        _ status: Status, _ reason: String, _ message: String, field: String = "", value: String = "",
        retryAfterMilliseconds: UInt32 = 0, isReplay: Bool = false
    ) {
        box = .of(
            Content(
                status: status, reason: reason, message: message, field: field, value: value,
                retryAfterMilliseconds: retryAfterMilliseconds, isReplay: isReplay))
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
