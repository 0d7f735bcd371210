import Foundation
import Testing

/// The rules of the house that the compiler cannot check.
@Suite("The house") struct HouseTests {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static func swiftFiles(under path: String) -> [URL] {
        let found = FileManager.default.enumerator(at: root.appending(path: path), includingPropertiesForKeys: nil)
        return (found?.compactMap { $0 as? URL } ?? []).filter { $0.pathExtension == "swift" }
    }

    private static func imports(_ file: URL) throws -> Set<String> {
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        return Set(
            lines.compactMap { line in
                let words = line.split(separator: " ")
                guard let index = words.firstIndex(of: "import"), index <= 1, words.count > index + 1 else {
                    return nil
                }
                return String(words[words.count - 1])
            })
    }

    @Test("Rules import BillingCore alone", arguments: ["Pricing", "Metering", "Ordering", "Refunding", "Gateway"])
    func rules(service: String) throws {
        let files = Self.swiftFiles(under: "Sources/\(service)/Rules")
        #expect(!files.isEmpty)
        for file in files {
            #expect(try Self.imports(file).isSubset(of: ["BillingCore"]), "\(file.lastPathComponent)")
        }
    }

    @Test(
        "One module imports each C library and each driver",
        arguments: [
            ("CZeroMQ", ["RPCZeroMQ"]), ("CBillingProto", ["BillingAPI"]), ("CProtobufC", ["BillingAPI"]),
            ("GRDB", ["Storage"]), ("Yams", ["Pricing"]),
        ])
    func owners(module: String, owners: [String]) throws {
        for file in Self.swiftFiles(under: "Sources") where try Self.imports(file).contains(module) {
            #expect(owners.contains { file.path().contains("/Sources/\($0)/") }, "\(file.path()) imports \(module)")
        }
    }

    @Test(
        "Services do not import each other, nor a transport",
        arguments: ["Pricing", "Metering", "Ordering", "Refunding", "Gateway"])
    func services(service: String) throws {
        let others = Set(["Pricing", "Metering", "Ordering", "Refunding", "Gateway", "RPCZeroMQ"]).subtracting([service]
        )
        for file in Self.swiftFiles(under: "Sources/\(service)") {
            #expect(try Self.imports(file).isDisjoint(with: others), "\(file.lastPathComponent)")
        }
    }

    @Test("No clock, no randomness and no binary floating point where money is thought about")
    func determinism() throws {
        let banned = ["Date()", "UUID()", "SystemRandomNumberGenerator", "ContinuousClock", "Double", "Decimal"]
        for service in ["Pricing", "Metering", "Ordering", "Refunding", "Gateway"] {
            for file in Self.swiftFiles(under: "Sources/\(service)/Rules") {
                let text = try String(contentsOf: file, encoding: .utf8)
                for word in banned { #expect(!text.contains(word), "\(file.lastPathComponent) names \(word)") }
            }
        }
    }
}
