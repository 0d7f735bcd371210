import Testing

@testable import billing

@Suite("CSV") struct CSVReaderTests {
    private func records(_ text: String) throws -> [CSVReader.Record] {
        var reader = CSVReader(Array(text.utf8))
        var records: [CSVReader.Record] = []
        while let record = try reader.next() { records.append(record) }
        return records
    }

    @Test(
        "Records are read as RFC 4180 has them, with the line that each starts on",
        arguments: [
            ("", []), ("\n\n", []), ("a", [(1, ["a"])]), ("a,b\n", [(1, ["a", "b"])]),
            ("a,b\r\nc,d\r\n", [(1, ["a", "b"]), (2, ["c", "d"])]), ("a,\n", [(1, ["a", ""])]),
            (",,\n", [(1, ["", "", ""])]), ("\u{feff}a,b\n", [(1, ["a", "b"])]),
            ("a\n\n\nb\n", [(1, ["a"]), (4, ["b"])]),
            ("\"a,b\",\"c\"\"d\"\n", [(1, ["a,b", "c\"d"])]), ("\"\",x", [(1, ["", "x"])]),
            ("电话,ü\nz,", [(1, ["电话", "ü"]), (2, ["z", ""])]),
        ] as [(String, [(Int, [String])])])
    func reads(_ text: String, expected: [(Int, [String])]) throws {
        #expect(try records(text) == expected.map { CSVReader.Record(line: $0.0, fields: $0.1) })
    }

    @Test(
        "A text that is not CSV is refused with its line",
        arguments: [
            ("a\nb\"c\n", .strayQuote(line: 2)), ("a\n\"b\"c\n", .strayQuote(line: 2)),
            ("a,b\n\"c,d\n\ne", .openQuote(line: 2)), ("a\n\nb\u{0}c", .controlCharacter(line: 3)),
            ("a\n\"x\ny\"\n", .controlCharacter(line: 2)), ("a\tb", .controlCharacter(line: 1)),
        ] as [(String, ReplayError)])
    func refuses(_ text: String, error: ReplayError) {
        #expect(throws: error) { try records(text) }
    }

    @Test("Bytes that are not UTF-8 are refused with their line")
    func bytes() {
        var reader = CSVReader(Array("a\n".utf8) + [0xff, 0x2c])
        #expect(throws: ReplayError.notUTF8(line: 2)) { while try reader.next() != nil {} }
    }
}
