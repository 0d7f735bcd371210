/// What a server has seen since it started, as `Health` reports it.
public struct ServerStatistics: Hashable, Sendable {
    /// ZeroMQ messages received and sent; each holds one or more records.
    public var messagesReceived: UInt64 = 0
    public var messagesSent: UInt64 = 0
    /// Records received that could be read.
    public var calls: UInt64 = 0
    /// Answers that were given to the transport, refusals among them.
    public var replies: UInt64 = 0
    /// Refused because too much was in flight.
    public var overloaded: UInt64 = 0
    /// Refused because the server is about to stop.
    public var drained: UInt64 = 0
    /// Messages and records that could not be read.
    public var malformed: UInt64 = 0
    public var unknownMethods: UInt64 = 0
    /// Not started, the caller having given up.
    public var expired: UInt64 = 0
    /// Requests above their method's limit.
    public var tooLarge: UInt64 = 0
    /// Handlers that failed with an error that is none of ours.
    public var internalErrors: UInt64 = 0
    /// Answers that did not reach their peer: it was gone, or did not read.
    public var droppedReplies: UInt64 = 0
    /// Connections that ended, for whatever reason, a message above the socket's limit among them.
    public var disconnections: UInt64 = 0
    /// Calls whose handlers wait at the moment.
    public var inFlight: Int = 0
    /// How many it takes at the moment; `0` before the first has ended.
    public var callLimit: Int = 0
    /// Whether new calls are refused because the server is about to stop.
    public var isDraining = false

    public init() {}

    /// All counts, under the names that `Health` gives them.
    public var counters: [(name: String, count: UInt64)] {
        [
            ("messages_received", messagesReceived), ("messages_sent", messagesSent), ("calls", calls),
            ("replies", replies), ("overloaded", overloaded), ("drained", drained), ("malformed", malformed),
            ("unknown_methods", unknownMethods), ("expired", expired), ("too_large", tooLarge),
            ("internal_errors", internalErrors), ("dropped_replies", droppedReplies),
            ("disconnections", disconnections), ("in_flight", UInt64(max(0, inFlight))),
            ("call_limit", UInt64(callLimit)),
        ]
    }
}
