import Foundation
import Testing

/// Clients in other languages read of the methods in the wire contract, so its tables follow the schemas.
@Suite("Methods in the wire contract") struct MethodListTests {
    private static let proto = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().appending(path: "Proto")

    /// "Groups/CreateGroup" and its kind, as the table says it and as the schema does.
    private struct Entry: Hashable, CustomStringConvertible {
        let method: String
        let kind: String
        let isBatch: Bool
        var description: String { "\(method): \(kind)\(isBatch ? ", batch" : "")" }
    }

    /// The methods of a package's schema.
    private static func declared(in package: String) throws -> Set<Entry> {
        let file = proto.appending(path: "billing/\(package)/v1/\(package).proto")
        var service = ""
        var isBatch = false
        var entries: Set<Entry> = []
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            let words = line.split { " (".contains($0) }
            switch words.first {
            case "service": service = String(words[1])
            case "//": isBatch = isBatch || line.contains("// Limits: batch.")
            case "rpc":
                let kind =
                    line.contains("NO_SIDE_EFFECTS") ? "read" : line.contains("IDEMPOTENT") ? "by nature" : "keyed"
                entries.insert(
                    Entry(
                        method: "\(service)/\(words[1])", kind: service.hasSuffix("Steps") ? "step" : kind,
                        isBatch: isBatch))
                isBatch = false
            case _: isBatch = false
            }
        }
        return entries
    }

    /// The methods in the table below the package's heading; the last cell of a row is their kind.
    private static func listed(of package: String) throws -> [Entry] {
        let lines = try String(contentsOf: proto.appending(path: "README.md"), encoding: .utf8).split(separator: "\n")
        let section = lines.drop { !$0.hasPrefix("### billing.\(package).v1") }.dropFirst()
        let kinds = ["read", "keyed", "by nature", "step"]
        return section.prefix { !$0.hasPrefix("#") }.filter { $0.hasPrefix("| `") }.flatMap { row in
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            let said = cells[cells.count - 1]
            return cells[0].split(separator: ",").map { method in
                Entry(
                    method: method.trimmingCharacters(in: CharacterSet(charactersIn: " `")),
                    kind: kinds.first { said.hasPrefix($0) } ?? said, isBatch: said.hasSuffix("batch"))
            }
        }
    }

    @Test(
        "A package's table has each of its methods once, with its kind and limits",
        arguments: ["common", "gateway", "pricing", "metering", "order", "refund"])
    func table(package: String) throws {
        let declared = try Self.declared(in: package)
        let listed = try Self.listed(of: package)
        #expect(!declared.isEmpty)
        #expect(listed.count == Set(listed).count)
        let missing = declared.subtracting(listed).map(\.description)
        #expect(missing.isEmpty, "not so in Proto/README.md")
        let unknown = Set(listed).subtracting(declared).map(\.description)
        #expect(unknown.isEmpty, "not so in the schema")
    }
}
