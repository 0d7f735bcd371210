import BillingAPI
import BillingCore

/// Messages as JSON, one object a line, for programs.
///
/// One rule: a field has the name and place that it has in the .proto, and the unit of a number that is part of the
/// name moves into the value. So `gross_micros` 5388000 is `"gross":"5.388000"`, `hourly_nanos` 45700000 is
/// `"hourly":"0.045700000"`, `quantity_thousandths` 1500 is `"quantity":"1.500"`. Instants are ISO 8601 in UTC, `null`
/// where there is none. Enums are the words that options take, `null` where nobody chose. Absent messages are left out.
enum JSONLine {
    typealias Fields = [(name: String, value: WireFieldValue)]

    /// The object of `message`, without a line end.
    static func text(_ message: some WireReflection, isReplay: Bool = false) -> String {
        var fields = message.wireFields
        if isReplay { fields.append((name: "replayed", value: .boolean(true))) }
        return text(fields)
    }

    static func text(_ fields: Fields) -> String {
        var text = ""
        append(fields, to: &text)
        return text
    }

    private static let units: [(suffix: String, decimals: Int)] = [
        ("_micros", 6), ("_nanos", 9), ("_thousandths", 3), ("_millionths", 6),
    ]

    /// Instants that are not named `*_at`, as the .proto files have them.
    private static let instants: Set<String> = [
        "at", "now", "from", "target", "start", "end", "anchor", "term_start", "term_end", "usage_start", "usage_end",
        "oldest_cursor", "billed_through", "paid_through", "nominal_start", "since", "until",
    ]

    static func isInstant(_ name: String) -> Bool { name.hasSuffix("_at") || instants.contains(name) }

    /// How many decimals a number of this name has; `nil` for one that is no decimal number.
    static func decimals(_ name: String) -> Int? { units.first { name.hasSuffix($0.suffix) }?.decimals }

    /// The name of a field as it is printed: "gross" for "gross_micros".
    static func shown(_ name: String) -> String {
        units.first { name.hasSuffix($0.suffix) }.map { String(name.dropLast($0.suffix.count)) } ?? name
    }

    private static func append(_ fields: Fields, to text: inout String) {
        text += "{"
        for (index, (name, value)) in fields.enumerated() {
            if index > 0 { text += "," }
            append(quoted: shown(name), to: &text)
            text += ":"
            append(value, isInstant: isInstant(name), decimals: decimals(name), to: &text)
        }
        text += "}"
    }

    private static func append(_ value: WireFieldValue, isInstant: Bool, decimals: Int?, to text: inout String) {
        switch value {
        case .integer(let number):
            if let decimals {
                append(quoted: FixedPoint.format(number, decimals: decimals), to: &text)
            } else if !isInstant {
                text += String(number)
            } else if number == 0 {
                text += "null"
            } else {
                append(quoted: Timestamp(milliseconds: number).description, to: &text)
            }
        case .unsigned(let number):
            // As a string: an id of 64 bits does not survive a reader that knows doubles alone.
            append(quoted: String(number), to: &text)
        case .boolean(let truth): text += truth ? "true" : "false"
        case .text(let string): append(quoted: string, to: &text)
        case .bytes(let bytes):
            append(quoted: bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(), to: &text)
        case .enumeration(let wireName):
            let word = Words.word(wireName: wireName)
            if word == "unspecified" { text += "null" } else { append(quoted: word, to: &text) }
        case .message(let fields): append(fields, to: &text)
        case .list(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += "," }
                append(value, isInstant: isInstant, decimals: decimals, to: &text)
            }
            text += "]"
        }
    }

    private static func append(quoted string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            // Also the line separators that JavaScript ends a line at.
            case "\u{0}"..."\u{1f}", "\u{7f}", "\u{2028}", "\u{2029}":
                let hex = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
