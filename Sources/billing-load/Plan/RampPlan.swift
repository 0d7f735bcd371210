/// Finds the knee: the highest rate that a service holds. Doubles the rate until a step fails, then halves the gap between
/// what held and what failed until it is small. A step that fails is tried once more before it counts, since a machine has
/// hiccups that say nothing of the service.
struct RampPlan: Hashable, Sendable {
    /// The gap, relative to the rate that held, at which the search ends.
    let precision: Double
    private let maximumSteps: Int
    private(set) var steps = 0
    /// The highest rate that held; `nil` while none did.
    private(set) var held: Double?
    /// The lowest rate that failed.
    private(set) var failed: Double?
    /// Whether the step at `next` failed once already.
    private(set) var isSecondTry = false
    /// The rate of the next step; `nil` when the search is over.
    private(set) var next: Double?

    init(start: Double, precision: Double = 0.05, maximumSteps: Int = 40) {
        precondition(start > 0 && precision > 0)
        self.precision = precision
        self.maximumSteps = maximumSteps
        next = start
    }

    /// Takes note of how the step at `next` ended.
    mutating func judged(holds: Bool) {
        guard let rate = next else { preconditionFailure("a step after the last one") }
        steps += 1
        if !holds, !isSecondTry, steps < maximumSteps {
            isSecondTry = true
            return
        }
        isSecondTry = false
        if holds { held = rate } else { failed = rate }
        guard steps < maximumSteps else { return next = nil }
        switch (held, failed) {
        case (let held?, let failed?):
            next = failed - held > held * precision ? ((held + failed) / 2).rounded() : nil
            if next == held || next == failed { next = nil }
        case (let held?, nil):
            next = held * 2
        case (nil, let failed?):
            next = failed >= 2 ? (failed / 2).rounded(.down) : nil
        case (nil, nil):
            preconditionFailure("a step neither held nor failed")
        }
    }
}
