/// An instant in UTC, in milliseconds since 1970-01-01T00:00:00Z.
public struct Timestamp: Hashable, Comparable, Sendable {
    public let milliseconds: Int64

    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// 1970-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z: an instant from outside lies between them.
    public static let earliest = Timestamp(milliseconds: 0)
    public static let latest = Timestamp(milliseconds: 253_402_300_799_999)

    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }
    public static func - (left: Timestamp, right: Timestamp) -> Int64 { left.milliseconds - right.milliseconds }
    public func adding(milliseconds more: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds + more) }
}

extension Int64 {
    public static let millisecondsPerSecond: Int64 = 1000
    public static let millisecondsPerHour: Int64 = 3_600_000
    public static let millisecondsPerDay: Int64 = 86_400_000
}

extension Timestamp: CustomStringConvertible {
    /// ISO 8601 in UTC, with milliseconds only where there are any: "2026-04-10T07:20:00Z".
    public var description: String { formatted(offsetMilliseconds: 0) + "Z" }

    func formatted(offsetMilliseconds: Int64) -> String {
        let local = milliseconds + offsetMilliseconds
        let day = Rounding.floor.divide(Int128(local), by: Int128(Int64.millisecondsPerDay))
        let rest = local - day * .millisecondsPerDay
        let date = CivilDate(daysSinceEpoch: day)
        let seconds = rest / 1000
        let clock = "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
        let fraction = rest % 1000 == 0 ? "" : "." + padded(rest % 1000, 3)
        return "\(date)T\(clock)\(fraction)"
    }

    /// Reads "2026-04-10T07:20:00Z", "2026-04-10T15:20:00.250+08:00" or, in the billing time zone, "2026-04-10 15:20",
    /// "2026-04-10 15:20:00" and "2026-04-10". `nil` for any other text.
    public init?(_ text: String) {
        var scanner = TimestampScanner(text)
        guard let instant = scanner.scan(), instant >= .earliest, instant <= .latest else { return nil }
        self = instant
    }
}

private struct TimestampScanner {
    private var rest: Substring.UTF8View

    init(_ text: String) { rest = text[...].utf8 }

    mutating func scan() -> Timestamp? {
        guard let year = number(4), take("-"), let month = number(2), take("-"), let day = number(2),
            let date = CivilDate(year: year, month: month, day: day)
        else { return nil }
        var time: Int64 = 0
        if take("T") || take(" ") {
            guard let hour = number(2), hour < 24, take(":"), let minute = number(2), minute < 60 else { return nil }
            time = (Int64(hour) * 60 + Int64(minute)) * 60_000
            if take(":") {
                guard let second = number(2), second < 60 else { return nil }
                time += Int64(second) * 1000
                if take(".") {
                    guard let fraction = fraction() else { return nil }
                    time += fraction
                }
            }
        }
        guard let offset = offset(), rest.isEmpty else { return nil }
        return Timestamp(milliseconds: date.daysSinceEpoch * .millisecondsPerDay + time - offset)
    }

    /// Milliseconds east of UTC; the billing time zone when nothing is left to read.
    private mutating func offset() -> Int64? {
        if rest.isEmpty { return BillingCalendar.offsetMilliseconds }
        if take("Z") { return 0 }
        let sign: Int64
        if take("+") { sign = 1 } else if take("-") { sign = -1 } else { return nil }
        guard let hours = number(2), hours < 24, take(":"), let minutes = number(2), minutes < 60 else { return nil }
        return sign * (Int64(hours) * 60 + Int64(minutes)) * 60_000
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    private mutating func digit() -> Int? {
        guard let byte = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
        rest.removeFirst()
        return Int(byte - UInt8(ascii: "0"))
    }

    private mutating func number(_ digits: Int) -> Int? {
        var value = 0
        for _ in 0..<digits {
            guard let next = digit() else { return nil }
            value = value * 10 + next
        }
        return value
    }

    /// One to three decimals of a second, as milliseconds.
    private mutating func fraction() -> Int64? {
        var value: Int64 = 0
        var scale: Int64 = 100
        guard let first = digit() else { return nil }
        value = Int64(first) * scale
        while scale > 1, let next = digit() {
            scale /= 10
            value += Int64(next) * scale
        }
        return value
    }
}

func padded(_ value: Int64, _ width: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
}
