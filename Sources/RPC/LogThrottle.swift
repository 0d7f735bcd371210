/// Keeps a peer from filling the log: lets a few lines through each second and counts the rest.
package struct LogThrottle {
    private let linesPerSecond: Int
    private var windowStart: MonotonicTime?
    private var lines = 0
    private var suppressed = 0

    package init(linesPerSecond: Int = 5) { self.linesPerSecond = linesPerSecond }

    /// How many lines were left out before this one; `nil`: leave this one out too.
    package mutating func admit(at now: MonotonicTime) -> Int? {
        if let start = windowStart, now < start.advanced(milliseconds: 1000) {
            guard lines < linesPerSecond else {
                suppressed += 1
                return nil
            }
        } else {
            (windowStart, lines) = (now, 0)
        }
        lines += 1
        defer { suppressed = 0 }
        return suppressed
    }
}

/// The keys of metadata that the modules of calls write to the log.
package enum LogKey {
    package static let callID = "call_id"
    package static let method = "method"
    package static let endpoint = "endpoint"
    package static let peer = "peer"
    package static let cause = "cause"
    package static let error = "error"
    package static let suppressed = "suppressed_lines"
    package static let event = "event"
    package static let inFlight = "in_flight"
    package static let reactor = "reactor"
}
