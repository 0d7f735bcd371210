/// Records of a CSV text as RFC 4180 has them: fields apart by commas, quoted where they hold commas, quotes or line
/// ends. A byte order mark and CRLF are accepted; empty lines are skipped.
struct CSVReader {
    struct Record: Equatable {
        /// The line that the record starts on, counted from 1.
        let line: Int
        let fields: [String]
    }

    private let bytes: [UInt8]
    private var position = 0
    private var line = 1

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { position = 3 }
    }

    /// The next record; `nil` after the last.
    /// - Throws: `ReplayError` naming the line of a quote that does not end or does not belong, of bytes that are not
    ///   UTF-8 and of control characters.
    mutating func next() throws(ReplayError) -> Record? {
        while let byte = peek(),
            byte == CSVReader.lineFeed || (byte == CSVReader.carriageReturn && follows(CSVReader.lineFeed))
        {
            if byte == CSVReader.lineFeed { line += 1 }
            position += 1
        }
        guard peek() != nil else { return nil }
        let start = line
        var fields: [String] = []
        while true {
            fields.append(try field(recordLine: start))
            guard let byte = peek() else { break }
            position += 1
            if byte == CSVReader.comma { continue }
            // A field ends before a comma, a line end or the end of the text.
            if byte == CSVReader.carriageReturn { position += 1 }
            line += 1
            break
        }
        return Record(line: start, fields: fields)
    }

    private static let comma = UInt8(ascii: ",")
    private static let quote = UInt8(ascii: "\"")
    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")

    private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }
    private func follows(_ byte: UInt8) -> Bool { position + 1 < bytes.count && bytes[position + 1] == byte }

    private var isAtEndOfField: Bool {
        guard let byte = peek() else { return true }
        return byte == CSVReader.comma || byte == CSVReader.lineFeed
            || (byte == CSVReader.carriageReturn && follows(CSVReader.lineFeed))
    }

    private mutating func field(recordLine: Int) throws(ReplayError) -> String {
        guard peek() == CSVReader.quote else {
            let start = position
            while !isAtEndOfField {
                guard bytes[position] != CSVReader.quote else { throw .strayQuote(line: line) }
                position += 1
            }
            return try text(bytes[start..<position], line: recordLine)
        }
        position += 1
        var content: [UInt8] = []
        while let byte = peek() {
            position += 1
            if byte == CSVReader.quote {
                guard peek() == CSVReader.quote else {
                    guard isAtEndOfField else { throw .strayQuote(line: line) }
                    return try text(content[...], line: recordLine)
                }
                position += 1
            }
            if byte == CSVReader.lineFeed { line += 1 }
            content.append(byte)
        }
        throw .openQuote(line: recordLine)
    }

    private func text(_ bytes: ArraySlice<UInt8>, line: Int) throws(ReplayError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notUTF8(line: line) }
        guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { throw .controlCharacter(line: line) }
        return text
    }
}
