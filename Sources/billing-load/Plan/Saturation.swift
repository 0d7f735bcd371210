/// What kept a service, or us, from more.
enum Saturation: String, Hashable, Sendable, Codable {
    case generator, data, errors, server, machine, schedule, latency, nothing

    /// What was seen in one step of a ramp, or in a run. Shares are of one core: 1 is a core that is never idle.
    struct Facts: Hashable, Sendable {
        var holdsLatency: Bool
        var holdsErrors: Bool
        /// Whether the calls were sent when they were intended.
        var keptSchedule: Bool
        /// Whether our processor time is short, and calls are late for it.
        var isGeneratorSaturated: Bool
        /// Whether calls had to wait for something that they could be about, to a service that was fast.
        var isDataShort: Bool
        /// Of the service's busiest thread; `nil` if its process was not found. It may be 1 in a service that is not
        /// saturated, since a thread can stay awake for what comes next.
        var serverThreadShare: Double?
        /// Whether calls wait for each other in the service.
        var isQueueing: Bool
        /// Of all cores together, 0 to 1.
        var machineShare: Double
    }

    /// From here on a core counts as busy.
    static let busyShare = 0.9

    /// The first cause that fits; ourselves before the server, so that our limit is not taken for its.
    init(_ facts: Facts) {
        if facts.holdsLatency && facts.holdsErrors && facts.keptSchedule {
            self = .nothing
        } else if facts.isGeneratorSaturated {
            self = .generator
        } else if facts.isDataShort {
            self = .data
        } else if let share = facts.serverThreadShare, share >= Self.busyShare, facts.isQueueing {
            self = .server
        } else if facts.machineShare >= 0.95 {
            self = .machine
        } else if !facts.holdsErrors {
            self = .errors
        } else if !facts.keptSchedule {
            self = .schedule
        } else {
            self = .latency
        }
    }

    var sentence: String {
        switch self {
        case .generator: "the load tester's own processor time: the service may hold more"
        case .data:
            "the data set: the service is fast, but all that calls could be about had calls under way; make more"
        case .errors: "errors: calls are refused or lost, with processor time to spare"
        case .server: "the service: calls queue in it, and its busiest thread never rests"
        case .machine: "the machine: no core is idle; service, load tester and whatever else runs share them"
        case .schedule: "the load tester could not send on time, though not for want of processor time"
        case .latency: "the latency bound alone: no processor is short, calls wait for each other or for the disk"
        case .nothing: "nothing"
        }
    }
}
