/// What kept a service, or us, from more.
enum Saturation: String, Hashable, Sendable, Codable {
    case generator, errors, server, machine, schedule, latency, nothing

    /// What was seen in one step of a ramp, or in a run. Shares are of one core: 1 is a core that is never idle.
    struct Facts: Hashable, Sendable {
        var holdsLatency: Bool
        var holdsErrors: Bool
        /// Whether the calls were sent when they were intended.
        var keptSchedule: Bool
        var generatorShare: Double
        /// Of the service's busiest thread; `nil` if its process was not found.
        var serverThreadShare: Double?
        /// Of all cores together, 0 to 1.
        var machineShare: Double
    }

    /// From here on a core counts as busy.
    static let busyShare = 0.9

    /// The first cause that fits; ourselves before the server, so that our limit is not taken for its.
    init(_ facts: Facts) {
        if facts.holdsLatency && facts.holdsErrors && facts.keptSchedule {
            self = .nothing
        } else if facts.generatorShare >= Self.busyShare {
            self = .generator
        } else if let share = facts.serverThreadShare, share >= Self.busyShare {
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
        case .errors: "errors: the service refuses calls or loses them, with processor time to spare"
        case .server: "the service's processor time: its busiest thread has no idle time left"
        case .machine: "the machine: no core is idle; service, load tester and whatever else runs share them"
        case .schedule: "the load tester could not send on time, though not for want of processor time"
        case .latency: "the latency bound alone: nothing is busy, calls wait for each other or for the disk"
        case .nothing: "nothing"
        }
    }
}
