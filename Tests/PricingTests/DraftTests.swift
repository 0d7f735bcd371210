import BillingAPI
import BillingCore
import BillingTestKit
import RPC
import Storage
import Testing

@testable import Pricing

@Suite("Drafts and publication") struct DraftTests {
    private let database: TestDatabase
    private let catalog: String
    private let service: PricingService

    init() async throws {
        database = try TestDatabase.make(migrations: PricingService.migrations)
        catalog = try Repository.text("deploy/catalog.yaml")
        service = try await PricingService.start(database: database, catalog: catalog)
    }

    private func call(_ method: MethodDescriptor, key: String? = nil) throws -> CallContext {
        CallContext(
            method: method, caller: .local, account: "", key: try key.map { try IdempotencyKey($0) },
            effectiveAt: try at("2026-04-10 15:20"), epoch: 0, traceID: 0, deadline: .after(milliseconds: 1000))
    }

    /// The shipped version as version 2 from 2026-05-01, with texts replaced.
    private func draft(_ edits: [(String, String)] = [("hourly: {ML: '0.0457'", "hourly: {ML: '0.0500'")]) throws
        -> String
    {
        var text = try PriceCatalog.versions(in: catalog)[0].document
        let from = try #require(text.split(separator: "\n").first { $0.hasPrefix("effective_from:") })
        text = text.replacing("version: 1\n", with: "version: 2\n")
            .replacing(from, with: "effective_from: \"2026-05-01 00:00\"")
        for (old, new) in edits {
            #expect(text.contains(old))
            text = text.replacing(old, with: new)
        }
        return text
    }

    private func publish(_ document: String, key: String = "publication-00000001") async throws
        -> Response<PricingV1.PublishPricesReply>
    {
        try await service.publishPrices(
            .init(document: document), call(PricingV1.Prices.publishPrices.descriptor, key: key))
    }

    @Test("A published version is listed as scheduled, in force later, and there after a restart without the file")
    func publication() async throws {
        let reply = try await publish(draft())
        #expect(reply.version == 2)
        #expect(
            reply.changes == [.init(what: "acp.basic.small ML hourly", before: 45_700_000, after: 50_000_000)])
        let list = PricingV1.Prices.listPrices.descriptor
        let now = try service.listPrices(.init(), call(list))
        #expect(now.version == 1)
        #expect(now.scheduled == [.init(version: 2, effectiveAt: try at("2026-05-01 00:00").milliseconds)])
        let later = try service.listPrices(.init(at: at("2026-05-01 00:00").milliseconds), call(list))
        #expect(later.version == 2)
        #expect(later.scheduled.isEmpty)
        #expect(
            try service.listPrices(.init(version: 2), call(list)).specifications[0].prices[0].hourlyNanos == 50_000_000)
        #expect(throws: PricingError.unknownVersion(3, newest: 2)) {
            try service.listPrices(.init(version: 3), call(list))
        }
        let restarted = try await PricingService.start(database: database, catalog: catalog)
        #expect(restarted.prices.versions == service.prices.versions)
    }

    @Test("The same key publishes once")
    func replay() async throws {
        let document = try draft()
        let first = try await publish(document)
        let second = try await publish(document)
        #expect(second.isReplay)
        #expect(second.message == first.message)
        #expect(service.prices.versions.count == 2)
    }

    @Test("A version may replace the last one at its own instant, and not come before it")
    func replacement() async throws {
        _ = try await publish(draft())
        let third = try draft([("version: 2\n", "version: 3\n")])
        let early = third.replacing("2026-05-01 00:00", with: "2026-04-30 23:59")
        let error = await #expect(throws: DraftError.self) { try await publish(early, key: "publication-00000002") }
        #expect(error?.reason == "price.cannot_follow")
        #expect(try await publish(third, key: "publication-00000003").version == 3)
        #expect(service.prices.versions.map(\.version) == [1, 2, 3])
        #expect(try service.prices.inForce(at: at("2026-05-01 00:00")).version == 3)
        let restarted = try await PricingService.start(database: database, catalog: catalog)
        #expect(restarted.prices.versions == service.prices.versions)
    }

    @Test("Another document under a key that was used is refused")
    func reusedKey() async throws {
        _ = try await publish(draft())
        let error = await #expect(throws: RPCError.self) { try await publish(draft([])) }
        #expect(error?.reason == "call.key_reused")
    }

    @Test(
        "A document that cannot be the next version is refused by name, and nothing is published",
        arguments: [
            ("version: 2\n", "version: 3\n", "price.version_number", "document.version"),
            ("2026-05-01 00:00", "2026-04-10 15:20", "price.too_early", "document.effective_from"),
            ("'acp.basic.small'", "'acp.tiny'", "price.cannot_follow", "document"),
            ("'nat-gateway'", "'nat'", "price.cannot_follow", "document"),
            ("'0.0457'", "'0.0x'", "price.document", "document.specifications[0].hourly.ML"),
            ("version: 2\n", "version: 2\n", "pricing.no_effect", "document"),
        ])
    func refusals(old: String, new: String, reason: String, field: String) async throws {
        do {
            _ = try await publish(draft([(old, new)]))
            Issue.record("published")
        } catch let error as any BillingError {
            #expect(error.reason == reason)
            #expect(error.field == field)
            if reason == "price.document" { #expect(error.message.contains(" line ")) }
        }
        #expect(service.prices.versions.count == 1)
    }

    @Test("Comparing refuses what publishing would refuse, by the same names")
    func comparisonRefusals() throws {
        let compare = PricingV1.Prices.compareDraft.descriptor
        for (old, new, reason) in [
            ("version: 2\n", "version: 3\n", "price.version_number"),
            ("2026-05-01 00:00", "2026-04-10 15:20", "price.too_early"),
            ("'nat-gateway'", "'nat'", "price.cannot_follow"), ("version: 2\n", "version: 2\n", "pricing.no_effect"),
        ] {
            let document = try draft([(old, new)])
            do {
                _ = try service.compareDraft(.init(document: document), call(compare))
                Issue.record("compared")
            } catch let error as any BillingError {
                #expect(error.reason == reason)
            }
        }
    }

    /// 2026-05-01 is when the draft takes effect.
    @Test(
        "Unit rules are compared where they still apply, and listed as changes",
        arguments: [
            // The shipped rules, and their past as it never was: nothing changes from May on.
            ([(.second, "2025-05-06"), (.fourHours, nil)], []), ([(.fourHours, nil)], []),
            ([(.second, "2024-01-01"), (.fourHours, nil)], []), ([(.second, "2026-05-01"), (.fourHours, nil)], []),
            // Rows that say the same in two ways.
            ([(.fourHours, "2026-06-01"), (.fourHours, nil)], []),
            ([(.second, nil)], ["from 2026-05-01 00:00:00: 14400 to 1"]),
            (
                [(.second, "2026-05-01 00:00:00.001"), (.fourHours, nil)],
                ["from 2026-05-01 00:00:00 to 2026-05-01 00:00:00.001: 14400 to 1"]
            ),
            (
                [(.fourHours, "2026-06-01"), (.second, "2026-07-01"), (.fourHours, nil)],
                ["from 2026-06-01 00:00:00 to 2026-07-01 00:00:00: 14400 to 1"]
            ),
            (
                [(.fourHours, "2026-06-01"), (.second, "2026-07-01"), (.second, nil)],
                ["from 2026-06-01 00:00:00: 14400 to 1"]
            ),
        ] as [([(BillingUnit, String?)], [String])])
    func unitRules(_ rules: [(BillingUnit, String?)], _ expected: [String]) throws {
        let newest = service.prices.newest
        let draft = PriceListVersion(
            version: 2, effectiveFrom: try at("2026-05-01"),
            billingUnits: try rules.map { BillingUnitRule(unit: $0.0, createdBefore: try $0.1.map(at)) },
            termDiscounts: newest.termDiscounts, regions: newest.regions, specifications: newest.specifications,
            valueAddedItems: newest.valueAddedItems, unconditionalRefundDays: newest.unconditionalRefundDays)
        let told = draft.changes(from: newest).map { "\($0.what): \($0.before) to \($0.after)" }
        #expect(told == expected.map { "billing unit of groups created " + $0 })
        #expect(draft.hasSameContent(as: newest) == expected.isEmpty)
        let check = Result { try service.prices.check(draft, at: at("2026-04-10 15:20")) }
        if expected.isEmpty {
            #expect(throws: DraftError.noEffect(1)) { try check.get() }
        } else {
            #expect(throws: Never.self) { try check.get() }
        }
    }

    @Test("A draft names who would pay what from when, and leaves out whose price stays")
    func comparison() throws {
        let paidThrough = try at("2026-06-11 00:00").milliseconds
        let compare = PricingV1.Prices.compareDraft.descriptor
        let edits = [
            ("hourly: {ML: '0.0457'", "hourly: {ML: '0.0500'"), ("monthly: {ML: '9.9057'", "monthly: {ML: '10.0000'"),
            ("price: {ML: '0.0173'", "price: {ML: '0.0200'"),
        ]
        var request = PricingV1.CompareDraftRequest(
            document: try draft(edits),
            things: [
                .init(
                    id: "a", specification: "acp.basic.small", region: "cn-hangzhou", instances: 2,
                    billingMethod: .payAsYouGo),
                .init(
                    id: "b", specification: "acp.basic.small", region: "cn-hangzhou", instances: 10,
                    billingMethod: .subscription, paidThrough: paidThrough, months: 1),
                .init(
                    id: "c", specification: "acp.basic.small", region: "cn-hongkong", instances: 1,
                    billingMethod: .payAsYouGo),
                .init(id: "d", region: "cn-hangzhou", item: "oss", quantity: 100),
            ])
        let from = try at("2026-05-01 00:00").milliseconds
        #expect(
            try service.compareDraft(request, call(compare)).impacts == [
                .init(id: "a", from: from, beforeMicros: 91_400, afterMicros: 100_000, per: "hour"),
                .init(
                    id: "b", from: paidThrough, beforeMicros: 99_060_000, afterMicros: 100_000_000,
                    per: "renewal of 1 month"),
                .init(id: "d", from: from, beforeMicros: 1_730_000, afterMicros: 2_000_000, per: "month"),
            ])
        request.things[2].billingMethod = .unspecified
        let error = #expect(throws: PricingError.self) { try service.compareDraft(request, call(compare)) }
        #expect(error?.reason == "price.billing_method")
        #expect(error?.field == "things[2].billing_method")
    }

    @Test("A version kept before there were value-added items is completed from the file once, and then never edited")
    func earlierForm() async throws {
        let database = try TestDatabase.make(migrations: PricingService.migrations)
        let version = try PriceCatalog.versions(in: catalog)[0]
        let lines = version.document.split(separator: "\n", omittingEmptySubsequences: false)
        let old = lines.prefix { $0 != "value_added_items:" }.filter { !$0.hasPrefix("unconditional_refund_days") }
            .joined(separator: "\n")
        _ = try await database.write { transaction in
            _ = try transaction.execute(
                "INSERT INTO price_list (version, effective_at, document, form) VALUES (1, ?, ?, 1)",
                .integer(version.effectiveFrom.milliseconds), .text(old))
        }
        let service = try await PricingService.start(database: database, catalog: catalog)
        #expect(service.prices.versions == [version])
        let edited = catalog.replacing("unconditional_refund_days: 0", with: "unconditional_refund_days: 5")
        await #expect(throws: PriceListError.edited(1, next: 2)) {
            try await PricingService.start(database: database, catalog: edited)
        }
    }

    @Test("What is consumed comes with the refund policy in force at that instant")
    func refundPolicy() async throws {
        _ = try await publish(draft([("unconditional_refund_days: 0", "unconditional_refund_days: 5")]))
        let consumed = PricingV1.Prices.consumed.descriptor
        let days = try ["2026-04-30 23:59:59.999", "2026-05-01 00:00"].map {
            try service.consumed(.init(at: at($0).milliseconds), call(consumed)).unconditionalRefundDays
        }
        #expect(days == [0, 5])
    }
}
