/// When a step is sent again, and when the engine gives up and parks the saga (reliability 5).
package struct RetrySchedule: Hashable, Sendable {
    /// How long one attempt may take.
    package var attemptMilliseconds: Int64 = 1000
    /// The longest wait after the first attempt; doubled after each further one.
    package var firstDelayMilliseconds: Int64 = 50
    package var longestDelayMilliseconds: Int64 = 2000
    /// How long a saga has for the steps up to its pivot, from when this process took it up; then it is undone.
    package var decisionMilliseconds: Int64 = 60_000
    /// How long one step that can no longer be given up is tried before the saga is parked.
    package var parkAfterMilliseconds: Int64 = 60_000
    /// How often parked sagas are tried without being asked.
    package var parkedRetryMilliseconds: Int64 = 15_000

    package init() {}

    /// The wait after `attempt` (1, 2, ...) failed: anything from 0 up to a limit that doubles ("full jitter").
    /// - Parameter random: a random number of the range.
    package func delay(afterAttempt attempt: Int, random: (ClosedRange<Int64>) -> Int64) -> Int64 {
        let doublings = min(max(attempt, 1) - 1, 30)
        return random(0...min(longestDelayMilliseconds, firstDelayMilliseconds << Int64(doublings)))
    }
}
