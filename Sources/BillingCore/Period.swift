/// A half-open stretch of time `[start, end)`; empty when both are equal.
public struct Period: Hashable, Sendable, CustomStringConvertible {
    public let start: Timestamp
    public let end: Timestamp

    /// - Precondition: `start <= end`.
    public init(_ start: Timestamp, _ end: Timestamp) {
        precondition(start <= end, "a period that ends (\(end)) before it starts (\(start))")
        self.start = start
        self.end = end
    }

    public var milliseconds: Int64 { end - start }
    public var isEmpty: Bool { start == end }
    public func contains(_ instant: Timestamp) -> Bool { start <= instant && instant < end }
    public var description: String { "[\(start), \(end))" }
}
