import BillingCore

/// When a call is sent again, and how long to wait before. Only calls that `MethodDescriptor.isRetrySafe` allows are.
public struct RetryPolicy: Hashable, Sendable {
    /// How long the first attempt may take before the call is sent again; each further one may take twice as long.
    public var attemptMilliseconds: Int64
    public var maximumAttemptMilliseconds: Int64
    /// The longest pause before the second attempt; doubled for each further one.
    public var pauseMilliseconds: Int64
    public var maximumPauseMilliseconds: Int64

    public init(
        attemptMilliseconds: Int64 = 1000, maximumAttemptMilliseconds: Int64 = 16_000, pauseMilliseconds: Int64 = 50,
        maximumPauseMilliseconds: Int64 = 2000
    ) {
        precondition(attemptMilliseconds > 0 && pauseMilliseconds > 0)
        self.attemptMilliseconds = attemptMilliseconds
        self.maximumAttemptMilliseconds = max(attemptMilliseconds, maximumAttemptMilliseconds)
        self.pauseMilliseconds = pauseMilliseconds
        self.maximumPauseMilliseconds = max(pauseMilliseconds, maximumPauseMilliseconds)
    }

    /// How many milliseconds attempt `attempt`, counted from 1, may take.
    package func patienceMilliseconds(attempt: Int) -> Int64 {
        Self.doubled(attemptMilliseconds, attempt - 1, atMost: maximumAttemptMilliseconds)
    }

    /// How many nanoseconds to wait after attempt `attempt` was refused or lost: full jitter, so that callers spread
    /// out.
    package func pause(afterAttempt attempt: Int, using random: inout some RandomNumberGenerator) -> Int64 {
        let longest = Self.doubled(pauseMilliseconds, attempt - 1, atMost: maximumPauseMilliseconds)
        return Int64.random(in: 0...longest * 1_000_000, using: &random)
    }

    /// How many nanoseconds to wait before a refused call is sent again; `nil` when the refusal stands.
    package func pause(
        afterRefusal error: RPCError, attempt: Int, isRetrySafe: Bool, using random: inout some RandomNumberGenerator
    ) -> Int64? {
        guard isRetrySafe, !error.isReplay else { return nil }
        switch error.status {
        case .unavailable:
            break
        case .resourceExhausted:
            guard error.retryAfterMilliseconds > 0 else { return nil }
        case .ok, .cancelled, .unknown, .invalidArgument, .deadlineExceeded, .notFound, .alreadyExists,
            .permissionDenied, .failedPrecondition, .aborted, .outOfRange, .unimplemented, .internalError, .dataLoss,
            .unauthenticated:
            return nil
        }
        return Int64(error.retryAfterMilliseconds) * 1_000_000 + pause(afterAttempt: attempt, using: &random)
    }

    private static func doubled(_ start: Int64, _ times: Int, atMost maximum: Int64) -> Int64 {
        times < 32 ? min(start << Int64(times), maximum) : maximum
    }
}
