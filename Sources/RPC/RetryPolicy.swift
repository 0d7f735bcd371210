import BillingCore

/// When a call is sent again, and how long to wait before. Only calls that `MethodDescriptor.isRetrySafe` allows are.
///
/// A call is lost with its connection and with its server's life. Silence is a guess, so it takes a whole one: a server
/// that answers other calls has this one in hand, too.
public struct RetryPolicy: Hashable, Sendable {
    /// How long a server may be silent in the first attempt before the call is sent again; twice as long in each further
    /// one.
    public var attemptMilliseconds: Int64
    public var maximumAttemptMilliseconds: Int64
    /// The longest pause before the second attempt; doubled for each further one.
    public var pauseMilliseconds: Int64
    public var maximumPauseMilliseconds: Int64
    /// How often a call is sent at the most.
    public var maximumAttempts: Int

    public init(
        attemptMilliseconds: Int64 = 1000, maximumAttemptMilliseconds: Int64 = 16_000, pauseMilliseconds: Int64 = 50,
        maximumPauseMilliseconds: Int64 = 2000, maximumAttempts: Int = .max
    ) {
        precondition(attemptMilliseconds > 0 && pauseMilliseconds > 0 && maximumAttempts > 0)
        self.attemptMilliseconds = attemptMilliseconds
        self.maximumAttemptMilliseconds = max(attemptMilliseconds, maximumAttemptMilliseconds)
        self.pauseMilliseconds = pauseMilliseconds
        self.maximumPauseMilliseconds = max(pauseMilliseconds, maximumPauseMilliseconds)
        self.maximumAttempts = maximumAttempts
    }

    /// Each call is sent once.
    public static let never = RetryPolicy(maximumAttempts: 1)

    /// How many milliseconds of silence attempt `attempt`, counted from 1, may take.
    package func patienceMilliseconds(attempt: Int) -> Int64 {
        Self.doubled(attemptMilliseconds, attempt - 1, atMost: maximumAttemptMilliseconds)
    }

    /// How many nanoseconds to wait after attempt `attempt` was refused or lost: full jitter, so that callers spread
    /// out. `nil` when the call is not sent again.
    package func pause(
        afterAttempt attempt: Int, isRetrySafe: Bool, using random: inout some RandomNumberGenerator
    ) -> Int64? {
        guard isRetrySafe, attempt < maximumAttempts else { return nil }
        let longest = Self.doubled(pauseMilliseconds, attempt - 1, atMost: maximumPauseMilliseconds)
        return Int64.random(in: 0...longest * 1_000_000, using: &random)
    }

    /// How many nanoseconds to wait before a refused call is sent again; `nil` when the refusal stands.
    package func pause(
        afterRefusal error: RPCError, attempt: Int, isRetrySafe: Bool, using random: inout some RandomNumberGenerator
    ) -> Int64? {
        guard !error.isReplay else { return nil }
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
        return pause(afterAttempt: attempt, isRetrySafe: isRetrySafe, using: &random)
            .map { $0 + Int64(error.retryAfterMilliseconds) * 1_000_000 }
    }

    private static func doubled(_ start: Int64, _ times: Int, atMost maximum: Int64) -> Int64 {
        times < 32 ? min(start << Int64(times), maximum) : maximum
    }
}
