/// Runs step after step until the knee is found.
struct Ramp: Sendable {
    let plan: RampPlan
    /// What p99 must stay under, and the errors.
    let bound: TimeSpan
    let errors: Double
    let isPoisson: Bool
    /// Makes the run of one step.
    let run: @Sendable (Load, _ firstNumber: Int) -> Run
    let seed: UInt64
    let stepDuration: TimeSpan
    let warmUp: TimeSpan
    let timeout: TimeSpan
    /// No step begins that would send calls for longer than this from the start of the first one.
    let duration: TimeSpan

    struct Step: Sendable {
        let rate: Double
        let result: RunResult
        let saturation: Saturation

        var holds: Bool { saturation == .nothing }
    }

    struct Outcome: Sendable {
        let steps: [Step]
        let bound: TimeSpan
        /// Whether the search came to its end, and not that of its time.
        let isComplete: Bool

        /// The step at the highest rate that held.
        var knee: Step? { steps.filter(\.holds).max { $0.rate < $1.rate } }
        /// The last step at the lowest rate that failed twice, which tells what saturated.
        var failure: Step? {
            let knee = knee?.rate ?? 0
            return steps.filter { !$0.holds && $0.rate > knee }.reversed().min { $0.rate < $1.rate }
        }
    }

    /// - Parameters:
    ///   - begin: is told of the rate of each step before it.
    ///   - end: is told of each step after it.
    func perform(
        stop: Stop, begin: (Double) -> (Second) -> Void, end: (Step) -> Void
    ) async -> Outcome {
        var plan = plan
        var steps: [Step] = []
        let start = ContinuousClock.now
        while let rate = plan.next, !stop.isSet,
            start.duration(to: .now) + stepDuration.duration <= duration.duration
        {
            let load = Load(
                loop: .open(isPoisson ? .poisson(rate: rate, seed: seed) : .constant(rate: rate)),
                duration: stepDuration, warmUp: warmUp, seed: seed, timeout: timeout)
            // Far more numbers than a step has calls, so that no call comes twice.
            let result = await run(load, steps.count << 32).perform(begin(rate))
            if stop.isSet { break }
            let step = Step(rate: rate, result: result, saturation: result.saturation(bound: bound, errors: errors))
            steps.append(step)
            end(step)
            plan.judged(holds: step.holds)
        }
        return Outcome(steps: steps, bound: bound, isComplete: plan.next == nil)
    }
}
