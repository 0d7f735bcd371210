/// A length of time as people write it: "30s", "2m", "500ms", "250us".
struct TimeSpan: Hashable, Comparable, Sendable, Codable {
    let nanoseconds: Int64

    static let zero = TimeSpan(nanoseconds: 0)

    init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    init(seconds: Double) { nanoseconds = Int64((seconds * 1e9).rounded()) }

    private static let units: [(name: String, nanoseconds: Double)] = [
        ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9),
    ]

    /// `nil` for a text without a unit, below 0, or beyond a year.
    init?(_ text: String) {
        let digits = text.prefix { $0.isNumber || $0 == "." }
        let unit = text[digits.endIndex...]
        guard let scale = Self.units.first(where: { $0.name == unit }), let number = Double(digits),
            number * scale.nanoseconds <= 365 * 86_400e9
        else { return nil }
        nanoseconds = Int64((number * scale.nanoseconds).rounded())
    }

    var seconds: Double { Double(nanoseconds) / 1e9 }
    var milliseconds: Double { Double(nanoseconds) / 1e6 }
    var duration: Duration { .nanoseconds(nanoseconds) }

    static func < (left: TimeSpan, right: TimeSpan) -> Bool { left.nanoseconds < right.nanoseconds }
}

extension TimeSpan: CustomStringConvertible {
    /// To three digits: "812 µs", "1.24 ms", "30 s".
    var description: String {
        let value = Double(nanoseconds)
        return switch nanoseconds {
        case ..<1000: "\(nanoseconds) ns"
        case ..<1_000_000: Figures.short(value / 1e3) + " µs"
        case ..<1_000_000_000: Figures.short(value / 1e6) + " ms"
        case _: Figures.short(value / 1e9) + " s"
        }
    }
}

/// How numbers are written for people.
enum Figures {
    /// Three digits, and all digits of what is 100 or more.
    static func short(_ value: Double) -> String {
        var decimals = value.magnitude >= 99.95 ? 0 : value.magnitude >= 9.995 ? 1 : 2
        var scaled = value.magnitude
        while scaled > 0, scaled < 0.9995, decimals < 6 {
            scaled *= 10
            decimals += 1
        }
        let text = fixed(value, decimals)
        guard decimals > 0 else { return text }
        let trimmed = text.reversed().drop { $0 == "0" }
        return String((trimmed.first == "." ? trimmed.dropFirst() : trimmed).reversed())
    }

    /// Rounded to so many decimals, without thousands marks.
    static func fixed(_ value: Double, _ decimals: Int) -> String {
        guard value.isFinite else { return "-" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (value.magnitude * scale).rounded()
        guard scaled < 9e15 else { return "\(value)" }
        let number = Int64(scaled)
        let sign = value < 0 && number > 0 ? "-" : ""
        guard decimals > 0 else { return sign + String(number) }
        let (whole, rest) = number.quotientAndRemainder(dividingBy: Int64(scale))
        let fraction = String(rest)
        return sign + "\(whole)." + String(repeating: "0", count: decimals - fraction.utf8.count) + fraction
    }

    /// "20,013".
    static func grouped(_ value: Int) -> String {
        var text = ""
        for (index, digit) in String(value.magnitude).reversed().enumerated() {
            if index > 0, index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (value < 0 ? "-" : "") + String(text.reversed())
    }

    /// "0.12 %".
    static func percent(_ fraction: Double) -> String { short(fraction * 100) + " %" }
}
