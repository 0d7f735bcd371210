import Foundation
import Testing

/// Reasons are what clients decide by, so the list of them in the wire contract is complete and has nothing too much.
@Suite("Reasons of refusals") struct ReasonTests {
    /// What a reason is: one of these prefixes, a dot, a name.
    private static let prefixes =
        "account|adjustment|bill|coupon|audit|call|clock|cut|field|group|id|instance|ledger|money|network|order|page|payment|price|refund"
        + "|resource|saga|server|storage|usage"
        + "|pricing"

    /// Literals of that form that are none, each with the file that has it: two names of connections in the log of
    /// GRDB, and a placeholder in the help of an option.
    private static let others = [
        "storage.writer": "SQLiteDatabase.swift", "storage.reader": "SQLiteDatabase.swift",
        "saga.step": "ServiceOptions.swift",
    ]

    private struct Literal: Hashable {
        let text: String
        let file: String
    }

    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// A reason between two equal marks.
    private static func expression(between mark: String) throws -> NSRegularExpression {
        try NSRegularExpression(pattern: "\(mark)((?:\(prefixes))\\.[a-z0-9_]+)\(mark)")
    }

    private static func matches(_ expression: NSRegularExpression, in text: some StringProtocol) -> [String] {
        let text = String(text)
        return expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).compactMap { match in
            Range(match.range(at: 1), in: text).map { String(text[$0]) }
        }
    }

    private static var sources: [URL] {
        let found = FileManager.default.enumerator(at: root.appending(path: "Sources"), includingPropertiesForKeys: nil)
        return (found?.compactMap { $0 as? URL } ?? []).filter { $0.pathExtension == "swift" }
    }

    /// The reasons between quotation marks in the Swift sources.
    /// - Parameter inComments: whether those in comments count as well.
    private static func literals(inComments: Bool) throws -> Set<Literal> {
        let quoted = try expression(between: "\"")
        var literals: Set<Literal> = []
        for file in sources {
            for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
                if !inComments, line.drop(while: { $0 == " " }).hasPrefix("//") { continue }
                guard line.utf8.contains(UInt8(ascii: "\"")) else { continue }
                for text in matches(quoted, in: line) {
                    literals.insert(Literal(text: text, file: file.path()))
                }
            }
        }
        return literals.filter { literal in
            others[literal.text].map { !literal.file.hasSuffix("/" + $0) } ?? true
        }
    }

    /// The first cells of the tables below the heading "Reasons", with the statuses beside them.
    private static func listed() throws -> [(reason: String, status: String)] {
        let readme = try String(contentsOf: root.appending(path: "Proto/README.md"), encoding: .utf8)
        let lines = readme.split(separator: "\n").drop { $0 != "## Reasons" }.dropFirst()
        let marked = try expression(between: "`")
        return lines.prefix { !$0.hasPrefix("## ") }.filter { $0.hasPrefix("| `") }.flatMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            return matches(marked, in: cells[0]).map { ($0, cells[1]) }
        }
    }

    @Test("Every reason that the sources name stands in the wire contract")
    func complete() throws {
        let listed = Set(try Self.listed().map(\.reason))
        let literals = try Self.literals(inComments: true)
        #expect(literals.count > 100)
        let missing = literals.filter { !listed.contains($0.text) }.map { "\($0.text) of \($0.file)" }.sorted()
        #expect(missing.isEmpty, "not in Proto/README.md")
    }

    @Test("Every reason in the wire contract can be told by a program, and stands there once, with one status")
    func current() throws {
        // What the command line knows of the gateway's refusals does not make them.
        let told = try Self.literals(inComments: false).filter { !$0.file.hasSuffix("/CommandFailure.swift") }
        let raised = Set(told.map(\.text))
        let listed = try Self.listed()
        #expect(listed.count == Set(listed.map(\.reason)).count, "a reason stands in Proto/README.md twice")
        let unknown = listed.map(\.reason).filter { !raised.contains($0) }
        #expect(unknown.isEmpty, "nothing in Sources says so")
        let oddStatuses = listed.filter { !(1...16).contains(Int($0.status) ?? 0) }.map(\.reason)
        #expect(oddStatuses.isEmpty, "a row has one status, by its number")
    }

    @Test("What only looks like a reason is still there", arguments: others.keys.sorted())
    func lookalikes(text: String) throws {
        let name = try #require(Self.others[text])
        let file = try #require(Self.sources.first { $0.lastPathComponent == name })
        #expect(try String(contentsOf: file, encoding: .utf8).contains("\"\(text)\""))
    }
}
