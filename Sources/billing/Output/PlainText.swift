/// Text for a terminal of fixed-width cells.
enum PlainText {
    /// `text` without what would steer the terminal: names come from anybody.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var safe = ""
        for scalar in text.unicodeScalars { safe.unicodeScalars.append(isControl(scalar) ? "\u{fffd}" : scalar) }
        return safe
    }

    /// Cells that `text` takes: two for a wide character of East Asia, none for a combining mark.
    static func width(_ text: String) -> Int { text.unicodeScalars.reduce(0) { $0 + width($1) } }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }

    private static func width(_ scalar: Unicode.Scalar) -> Int {
        if scalar.value < 0x300 { return 1 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: return 0
        default: return wide.contains { $0.contains(scalar.value) } ? 2 : 1
        }
    }

    /// Wide in Unicode's EastAsianWidth.txt, in coarse ranges: Hangul Jamo, CJK and kana, Hangul, compatibility forms,
    /// full width forms, emoji, the supplementary ideographs.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115f, 0x2e80...0x303e, 0x3041...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f,
        0xff00...0xff60, 0xffe0...0xffe6, 0x1_f300...0x1_f64f, 0x1_f900...0x1_f9ff, 0x2_0000...0x3_fffd,
    ]
}
