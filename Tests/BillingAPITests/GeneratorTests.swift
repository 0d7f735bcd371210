import Foundation
import Testing

/// Runs Proto/generate on small schemas in a directory of their own.
// Serialized: Foundation's `Process.run` is not safe to call from several threads at once.
@Suite("The generator", .serialized) struct GeneratorTests {
    @Test(
        "What the wire contract forbids is refused in one line that names it",
        arguments: [
            ("message A { optional int64 b = 1; }", "billing.lab.v1.A.b: protobuf-c knows no proto3 optional"),
            ("message A { A a = 1; }", "billing.lab.v1.A: recursive through billing.lab.v1.A > billing.lab.v1.A"),
            (
                "message A { B b = 1; } message B { repeated D d = 1; } message D { oneof e { A a = 1; } }",
                "recursive through billing.lab.v1.A > billing.lab.v1.B > billing.lab.v1.D > billing.lab.v1.A"
            ),
            (
                "import \"google/protobuf/descriptor.proto\"; extend google.protobuf.FieldOptions { bool a = 50000; }",
                "billing/lab/v1/lab.proto: extends google.protobuf.FieldOptions; custom options are not supported"
            ),
            ("enum E { FIRST = 0; }", "billing.lab.v1.E: the first value must be E_UNSPECIFIED = 0"),
            ("enum E { E_UNSPECIFIED = 0; E_A = -1; }", "billing.lab.v1.E: value E_A is negative"),
            ("enum E { E_UNSPECIFIED = 0; OTHER = 1; }", "billing.lab.v1.E: value OTHER must start with E_"),
            ("message A { int64 b = 2048; }", "billing.lab.v1.A.b: field numbers go up to 2047"),
            ("message A { double b = 1; }", "billing.lab.v1.A.b: floating point"),
            ("message A { map<string, string> b = 1; }", "billing.lab.v1.A.BEntry: a map"),
            ("message A { message B {} B b = 1; }", "billing.lab.v1.A.B: nested"),
            (
                "message A { string someID = 1; }",
                "billing.lab.v1.A.someID: field names are lower_snake_case"
            ),
            (
                "message A { repeated string b = 1; int64 n_b = 2; }",
                "billing.lab.v1.A: C members n_b and count of b have one name, n_b"
            ),
            ("message A { oneof b { int64 d = 1; int64 e = 2; } int64 B = 3; }", "billing.lab.v1.A.B: field names are"),
            ("message A { bytes base = 1; }", "billing.lab.v1.A.base: the name is taken in generated code"),
            ("message RPCError {}", "billing.lab.v1.RPCError: the name is taken in generated code"),
            (
                "message ThingsClient {} service Things {}",
                "types ThingsClient and client of Things have one name, ThingsClient"
            ),
            ("message M {} service S { rpc Go(stream M) returns (M); }", "billing.lab.v1.S/Go: streams"),
            ("message A { int64 b = 1", "billing/lab/v1/lab.proto:"),
        ] as [(String, String)])
    func refusal(declarations: String, expected: String) throws {
        let outcome = try generate(declarations)
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains(expected), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        #expect(outcome.files.isEmpty)
    }

    @Test("Two methods with one id are refused by both names")
    func collision() throws {
        // Found by search: FNV-1a 32 of both full names is 95defae7.
        let outcome = try generate("message M {} service S { rpc Goufaab(M) returns (M); rpc Goohae(M) returns (M); }")
        #expect(outcome.status == 1)
        #expect(
            outcome.errors.contains(
                "billing.lab.v1.S/Goohae: its id 95defae7 is billing.lab.v1.S/Goufaab's too; rename it"))
    }

    @Test("A oneof of several members is an enum, one of a single member an Optional, with comments carried over")
    func oneofs() throws {
        let outcome = try generate(
            """
            // A choice.
            message A {
              // What is chosen.
              oneof choice {
                // In micros.
                int64 amount = 1;
                string switch = 2;
              }
              oneof limit_presence { uint32 limit = 3; }
            }
            """)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let swift = try #require(outcome.files["Sources/BillingAPI/Generated/LabV1.swift"])
        for line in [
            "/// A choice.", "/// What is chosen.", "public enum Choice: Hashable, Sendable {", "/// In micros.",
            "case amount(Int64)", "case `switch`(String)", "public var choice: Choice? = nil",
            "public var limit: UInt32? = nil",
        ] {
            #expect(swift.contains(line), "\(line)")
        }
    }

    @Test("A schema that changed makes the checked-in output stale, and generating again makes it fresh")
    func staleness() throws {
        let folder = try Folder()
        defer { folder.remove() }
        try folder.write("message A { int64 b = 1; }")
        #expect(try folder.generate("--check").errors.contains("stale"))
        #expect(try folder.generate().status == 0)
        #expect(try folder.generate("--check").status == 0)
        try folder.write("message A { int64 b = 1; int64 d = 2; }")
        #expect(try folder.generate("--check").status == 1)
        #expect(try folder.generate().status == 0)
        #expect(try folder.generate("--check").status == 0)
    }

    private func generate(_ declarations: String) throws -> Folder.Outcome {
        let folder = try Folder()
        defer { folder.remove() }
        try folder.write(declarations)
        return try folder.generate()
    }
}

/// A temporary package with one schema.
private struct Folder {
    struct Outcome {
        var status: Int32
        var errors: String
        var files: [String: String]
    }

    private let root = FileManager.default.temporaryDirectory.appending(path: "billing-\(UUID().uuidString)")
    private let generator = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Proto/generate")

    init() throws {
        let folder = root.appending(path: "Proto/billing/lab/v1")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func remove() {
        // What stays behind is in the system's temporary directory, which is cleaned.
        try? FileManager.default.removeItem(at: root)
    }

    func write(_ declarations: String) throws {
        let text = "syntax = \"proto3\";\npackage billing.lab.v1;\n" + declarations
        let file = root.appending(path: "Proto/billing/lab/v1/lab.proto")
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    func generate(_ more: String...) throws -> Outcome {
        let process = Process()
        process.executableURL = generator
        process.arguments = ["--root", root.appending(path: "Proto").path(), "--out", root.path()] + more
        let errors = Pipe()
        process.standardError = errors
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let data = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        var files: [String: String] = [:]
        for name in FileManager.default.subpaths(atPath: root.path()) ?? [] where name.hasPrefix("Sources/") {
            if let text = try? String(contentsOf: root.appending(path: name), encoding: .utf8) { files[name] = text }
        }
        return Outcome(status: process.terminationStatus, errors: String(decoding: data, as: UTF8.self), files: files)
    }
}
