/// Spans of time as people type them: "3h", "90m", "1d12h", "45s", "250ms".
enum DurationText {
    private static let units: [(name: String, milliseconds: Int64)] = [
        ("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000),
    ]
    /// 100 years.
    private static let longest: Int64 = 100 * 366 * 86_400_000

    /// Milliseconds, more than 0; `nil` for any other text and for more than 100 years.
    static func milliseconds(_ text: String) -> Int64? {
        var rest = text[...]
        var total: Int64 = 0
        while !rest.isEmpty {
            let digits = rest.prefix { ("0"..."9").contains($0) }
            rest = rest.dropFirst(digits.count)
            guard let number = Int64(digits), let unit = units.first(where: { rest.hasPrefix($0.name) }) else {
                return nil
            }
            rest = rest.dropFirst(unit.name.count)
            let (product, overflow) = number.multipliedReportingOverflow(by: unit.milliseconds)
            guard !overflow, product <= longest - total else { return nil }
            total += product
        }
        return total > 0 ? total : nil
    }
}
