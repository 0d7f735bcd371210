/// The outcome of a call, with gRPC's names and numbers.
///
/// What a caller may do next: `unavailable`, resend this call; `aborted`, redo the whole operation;
/// `failedPrecondition`, change something first; `invalidArgument`, never send it again. After `deadlineExceeded` the
/// outcome is unknown: ask again with the same key.
public enum Status: UInt8, Hashable, Sendable, CaseIterable {
    case ok = 0
    case cancelled = 1
    case unknown = 2
    case invalidArgument = 3
    case deadlineExceeded = 4
    case notFound = 5
    case alreadyExists = 6
    case permissionDenied = 7
    case resourceExhausted = 8
    case failedPrecondition = 9
    case aborted = 10
    case outOfRange = 11
    case unimplemented = 12
    case internalError = 13
    case unavailable = 14
    case dataLoss = 15
    case unauthenticated = 16

    /// Whether a refusal with this status is final for its idempotency key. The others are never recorded, since the
    /// same call may well succeed a moment later (reliability 2.2).
    public var isRecorded: Bool {
        switch self {
        case .ok, .invalidArgument, .notFound, .alreadyExists, .permissionDenied, .failedPrecondition, .outOfRange,
            .unimplemented:
            true
        case .cancelled, .unknown, .deadlineExceeded, .resourceExhausted, .aborted, .internalError, .unavailable,
            .dataLoss, .unauthenticated:
            false
        }
    }
}

/// An error that says on the wire what was wrong, with which value, and what to do. Rules throw enums of this kind;
/// any other error reaches a caller as `internalError` with the call's id, and its detail stays in our log.
public protocol BillingError: Error, Sendable, CustomStringConvertible {
    var status: Status { get }
    /// Stable name of the rule, "order.unpaid_orders": part of the wire contract, listed in Proto/README.md.
    var reason: String { get }
    /// A sentence or two for a person: what was wrong, with which value, what to do.
    var message: String { get }
    /// Path of the offending request field, "instances"; empty when no single field is to blame.
    var field: String { get }
    /// The offending value as text; empty when there is none.
    var value: String { get }
}

extension BillingError {
    public var field: String { "" }
    public var value: String { "" }
    public var description: String { "\(reason): \(message)" }
}
