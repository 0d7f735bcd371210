import BillingCore
import Foundation
import Testing

@testable import Pricing

@Suite("The catalog file") struct PriceCatalogTests {
    private let text: String

    init() throws { text = try Repository.text("deploy/catalog.yaml") }

    /// The table of domain 1.
    @Test(
        "It has the published prices",
        arguments: [
            ("Lightweight", "acp.basic.small", 2, 4, "9.9057", "0.0457", "15.3538", "0.0709"),
            ("General-purpose", "acp.std.small", 4, 4, "13.8679", "0.0579", "21.4953", "0.0898"),
            ("Balanced", "acp.std.medium", 3, 6, "14.9347", "0.0610", "23.1488", "0.0945"),
            ("Medium", "acp.std.large", 4, 8, "21.3353", "0.0808", "33.0697", "0.1252"),
            ("Compute-optimized", "acp.perf.large", 8, 16, "36.4224", "0.1524", "56.4546", "0.2362"),
        ] as [(String, String, UInt32, UInt32, String, String, String, String)])
    func shipped(
        edition: String, name: String, vcpus: UInt32, memory: UInt32, mainlandMonth: String, mainlandHour: String,
        internationalMonth: String, internationalHour: String
    ) throws {
        let specification = try PriceCatalog.versions(in: text)[0].specification(name)
        #expect(specification.edition == edition)
        #expect((specification.vcpus, specification.memoryGiB, specification.diskGiB) == (vcpus, memory, 32))
        #expect("\(specification.mainland.monthly)" == mainlandMonth)
        #expect("\(specification.mainland.hourly)" == mainlandHour)
        #expect("\(specification.international.monthly)" == internationalMonth)
        #expect("\(specification.international.hourly)" == internationalHour)
    }

    @Test("It is effective from 2020-01-01 00:00, sells in six regions, and discounts no duration")
    func shippedRest() throws {
        let versions = try PriceCatalog.versions(in: text)
        #expect(versions.map(\.version) == [1])
        #expect(versions[0].effectiveFrom == (try at("2020-01-01 00:00")))
        #expect(
            versions[0].regions.filter { $0.regionClass == .mainland }.map(\.id) == [
                "cn-hangzhou", "cn-shanghai", "cn-beijing", "cn-shenzhen",
            ])
        #expect(
            versions[0].regions.filter { $0.regionClass == .international }.map(\.id) == [
                "cn-hongkong", "ap-southeast-1",
            ])
        #expect(versions[0].termDiscounts.map(\.factorMillionths) == [UInt32](repeating: 1_000_000, count: 5))
    }

    @Test("What is kept of a version reads back as the same version")
    func document() throws {
        let version = try PriceCatalog.versions(in: text)[0]
        #expect(try PriceCatalog.version(in: version.document) == version)
        let odd = try PriceCatalog.versions(
            in: text.replacing("name: Singapore", with: "name: 'It''s: {odd} #1 \"x\"'"))[0]
        #expect(odd.regions[5].name == "It's: {odd} #1 \"x\"")
        #expect(try PriceCatalog.version(in: odd.document) == odd)
    }

    @Test(
        "A mistake is named with its line, its key and the value",
        arguments: [
            ("version: 1", "version: one", "version", "'one'"),
            ("\"2020-01-01 00:00\"", "\"2020-13-01 00:00\"", "effective_from", "'2020-13-01 00:00'"),
            ("monthly: {ML: \"9.9057\"", "monthly: {ML: \"-9.9057\"", "monthly.ML", "'-9.9057'"),
            ("hourly: {ML: \"0.0457\"", "hourly: {ML: \"0.04570000001\"", "hourly.ML", "'0.04570000001'"),
            ("hourly: {ML: \"0.0457\"", "hourly: {ML: \"1e3\"", "hourly.ML", "'1e3'"),
            ("hourly: {ML: \"0.0457\"", "hourly: {ML: \"1000.01\"", "hourly.ML", "'1000.01'"),
            ("vcpus: 2", "vcpus: 0", "vcpus", "'0'"),
            ("vcpus: 2", "cpus: 2", "specifications[0]", "'cpus'"),
            ("        edition: Lightweight\n", "", "specifications[0]", "'edition'"),
            ("12: \"1.00\"", "12: \"1.01\"", "term_discounts.12", "'1.01'"),
            ("12: \"1.00\"", "12: \"0\"", "term_discounts.12", "'0'"),
            ("12: \"1.00\"", "24: \"1.00\"", "term_discounts", "'24'"),
            ("name: China (Hangzhou), class: ML", "name: China (Hangzhou), class: EU", "regions[0].class", "'EU'"),
            ("region: cn-shanghai", "region: cn-hangzhou", "regions[1]", "'cn-hangzhou'"),
            (
                "specification: acp.std.small", "specification: acp.basic.small", "specifications[1]",
                "'acp.basic.small'"
            ),
            ("unit: second,", "unit: minute,", "billing_units[0].unit", "'minute'"),
            ("second, created_before: \"2025-05-06 00:00\"", "second", "billing_units[0]", "created_before"),
            ("versions:", "version:", "", "'version'"),
        ] as [(String, String, String, String)])
    func mistakes(find: String, replace: String, path: String, value: String) throws {
        let range = try #require(text.range(of: find))
        let broken = text.replacingCharacters(in: range, with: replace)
        let error = #expect(throws: CatalogError.self) { try PriceCatalog.versions(in: broken) }
        let line = text[..<range.lowerBound].count { $0 == "\n" } + 1
        let found = try #require(error)
        #expect(found.path.hasSuffix(path), "\(found)")
        // A flow mapping or an item starts on its own line, which is the place of what is missing in it.
        #expect(abs(found.line - line) <= 1, "\(found), edited line \(line)")
        #expect("\(found)".contains(value), "\(found)")
    }

    @Test("Text that is no YAML, or nothing at all, is refused", arguments: ["versions: [", "", "# only a comment\n"])
    func unreadable(text: String) {
        #expect(throws: CatalogError.self) { try PriceCatalog.versions(in: text) }
    }
}
