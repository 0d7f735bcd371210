import BillingCore
import Foundation

/// Reads when calls came from a CSV file: instants in the first column, the earliest first.
enum ArrivalTrace {
    /// Why a file cannot be used.
    struct Fault: Error, Hashable, CustomStringConvertible {
        let description: String
    }

    /// The arrivals of `text` in nanoseconds from the first. A first line that holds no instant is a heading.
    /// - Throws: `Fault` naming the line.
    static func offsets(ofCSV text: String) throws(Fault) -> [Int64] {
        var offsets: [Int64] = []
        var first: Int64?
        for (index, line) in text.split(whereSeparator: \.isNewline).enumerated() {
            let cell = line.prefix { $0 != "," }.trimmingCharacters(in: CharacterSet(charactersIn: " \"\t"))
            guard let instant = instant(cell) else {
                if index == 0 { continue }
                throw Fault(description: "line \(index + 1) does not begin with an instant: '\(cell)'")
            }
            let offset = instant - (first ?? instant)
            guard offset >= offsets.last ?? 0 else {
                throw Fault(description: "line \(index + 1) is earlier than the line before: '\(cell)'")
            }
            first = first ?? instant
            offsets.append(offset)
        }
        guard !offsets.isEmpty else { throw Fault(description: "it holds no instants") }
        return offsets
    }

    /// The arrivals of a file, which is unpacked if its name ends in ".gz".
    /// - Throws: `Fault`.
    static func offsets(ofFile path: String) throws(Fault) -> [Int64] {
        let data: Data
        do {
            data = path.hasSuffix(".gz") ? try unpacked(path) : try Data(contentsOf: URL(filePath: path))
        } catch {
            throw Fault(description: "it cannot be read")
        }
        return try offsets(ofCSV: String(decoding: data, as: UTF8.self))
    }

    private static func unpacked(_ path: String) throws -> Data {
        let gunzip = Process()
        let output = Pipe()
        gunzip.executableURL = URL(filePath: "/usr/bin/env")
        gunzip.arguments = ["gzip", "-dc", "--", path]
        gunzip.standardOutput = output
        gunzip.standardError = FileHandle.nullDevice
        try gunzip.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        gunzip.waitUntilExit()
        guard gunzip.terminationStatus == 0 else { throw Fault(description: "gzip cannot unpack it") }
        return data
    }

    /// "2023-11-16 18:17:03.9799600", also with a T or an offset, or seconds such as "12.5"; in nanoseconds.
    private static func instant(_ text: String) -> Int64? {
        if let seconds = Double(text), seconds.isFinite, seconds >= 0, seconds < 9e9 {
            return Int64((seconds * 1e9).rounded())
        }
        guard let dot = text.firstIndex(of: ".") else { return nanoseconds(Timestamp(text)) }
        let digits = text[text.index(after: dot)...].prefix(while: \.isNumber)
        guard (1...9).contains(digits.utf8.count), let fraction = Int64(digits),
            let whole = nanoseconds(Timestamp(String(text[..<dot]) + text[digits.endIndex...]))
        else { return nil }
        return whole + (0..<(9 - digits.utf8.count)).reduce(fraction) { value, _ in value * 10 }
    }

    private static func nanoseconds(_ instant: Timestamp?) -> Int64? {
        // Until 2262 they fit 64 bits.
        instant.flatMap { $0.milliseconds < 9_000_000_000_000 ? $0.milliseconds * 1_000_000 : nil }
    }
}
