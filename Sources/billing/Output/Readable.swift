import BillingAPI
import BillingCore

/// Values of the wire as people read them.
enum Readable {
    /// Stands where there is no value.
    static let nothing = "-"

    /// "12.50": USD, at least 2 decimals.
    static func money(_ micros: Int64) -> String { Money(micros: micros).shortDescription }

    /// "0.0457": USD for one unit, at least 4 decimals.
    static func price(_ nanos: Int64) -> String { UnitPrice(nanos: nanos).description }

    /// "2026-04-10 15:20:00" in the billing time zone; "-" for none.
    static func instant(_ milliseconds: Int64) -> String {
        milliseconds == 0 ? nothing : BillingCalendar.format(Timestamp(milliseconds: milliseconds))
    }

    /// `text` with its instants as the tables have them: "2026-04-10T07:20:00Z" becomes "2026-04-10 15:20:00".
    static func instants(in text: String) -> String {
        text.replacing(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z/) { match in
            Timestamp(String(match.output.0)).map(BillingCalendar.format) ?? String(match.output.0)
        }
    }

    /// "2026-04-10 15:20:00 to 2026-05-11 00:00:00"; "-" for none.
    static func period(_ start: Int64, _ end: Int64) -> String {
        start == 0 && end == 0 ? nothing : "\(instant(start)) to \(instant(end))"
    }

    static func text(_ text: String) -> String { text.isEmpty ? nothing : text }

    static func word(_ value: some WireEnum) -> String { value.rawValue == 0 ? nothing : value.word }

    /// "ML" or "INT", as the price page names the classes.
    static func regionClass(_ value: CommonV1.RegionClass) -> String { value.word.uppercased() }

    /// "12,345".
    static func count(_ number: some BinaryInteger) -> String {
        let digits = String(number.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return number < 0 ? "-" + text : text
    }

    /// "1 month", "3 months".
    static func count(_ number: some BinaryInteger, _ noun: String) -> String {
        "\(count(number)) \(noun)\(number == 1 ? "" : "s")"
    }

    /// "0.8 s", "12.3 s", "2 min 05 s".
    static func elapsed(_ duration: Duration) -> String {
        let tenths = duration.components.seconds * 10 + duration.components.attoseconds / 100_000_000_000_000_000
        guard tenths >= 1200 else { return "\(tenths / 10).\(tenths % 10) s" }
        let seconds = tenths / 10 % 60
        return "\(tenths / 600) min \(seconds < 10 ? "0" : "")\(seconds) s"
    }
}
