import BillingAPI
import BillingCore
import RPC
import Storage
import Synchronization
import Testing

@testable import Refunding

@Suite("Refund audit") struct RefundAuditTests {
    private let scene: Scene

    init() throws { scene = try Scene() }

    private func audit(_ request: RefundV1.AuditRefundsRequest = .init(partitionTo: 256)) async throws
        -> RefundV1.AuditRefundsReply
    {
        let service = scene.service
        return try await service.auditRefunds(request, scene.call(RefundV1.Refunds.auditRefunds)).message
    }

    /// What the audit finds, without the refund's name.
    private func breaches() async throws -> [String] {
        let findings = try await audit().findings
        #expect(findings.map(\.invariant) == ["M6"])
        #expect(findings[0].breaches == Int64(findings[0].examples.count))
        return findings[0].examples.map { $0.replacing("ref-1", with: "*") }
    }

    /// Gives the group back: of the 41.60 paid for it 25.50, 10.00 of the price having been paid online.
    private func giveBack() async throws {
        scene.order.change { state in
            (state.orders[0].balanceMicros, state.orders[0].onlineMicros) = (31_600_000, 10_000_000)
            state.orders[0].paymentID = "pay-1"
        }
        _ = try await scene.open(token: try await scene.quote().token)
        _ = try await scene.pay()
        _ = try await scene.close()
        #expect(try await breaches() == [])
    }

    private func corrupt(_ statements: [String]) async throws {
        let changed = try await scene.service.database.write { transaction in
            try statements.map { try transaction.execute($0) }
        }
        #expect(changed.allSatisfy { $0 > 0 })
    }

    @Test(
        "What is recorded here and not what order posted is found, though each agrees with itself",
        arguments: [
            // A day later: all of it follows, and order gave the other amount.
            (
                [
                    "UPDATE refund SET at = at + 1, to_balance = 18350000, online = 5800000",
                    """
                    UPDATE refund_order SET used_days = 13, consumed = 17450000, refund = 24150000,
                        to_balance = 18350000, online = 5800000
                    """,
                ],
                [
                    "Refund * is of 18.350000 and 5.800000 online at ",
                    "Refund * gives back 24.150000 of order ord-1; order posted 25.500000",
                    "Refund * keeps 17.450000 of order ord-1 for 13 days at 1000000 millionths; by the price list it is "
                        + "16.100000 for 12",
                ]
            ),
            (
                ["UPDATE refund_order SET coupon_lost = 1"],
                ["Refund * has order ord-1 paid with 31.600000, 10.000000 online and 0.000001 of a coupon"]
            ),
            (
                ["UPDATE refund_order SET payment_id = 'pay-2'"],
                ["Refund * knows another group, payment or term of order ord-1"]
            ),
            (
                ["UPDATE refund_order SET price_list_version = 2"],
                ["Refund * knows another group, payment or term of order ord-1"]
            ),
            (["UPDATE refund SET group_id = 'ag-2'"], ["Refund * knows another group, payment or term of order ord-1"]),
            (["UPDATE refund SET online_confirmed = 1"], ["Refund * arrived, and order does not know."]),
            (["UPDATE refund SET state = 4"], ["Refund * is dropped, and order posted it."]),
            (
                ["DELETE FROM refund_order WHERE refund_id = 'ref-1'", "DELETE FROM refund"],
                ["Order posted refund *, which is unknown here."]
            ),
            (
                ["UPDATE refund_order SET order_id = 'ord-2'"],
                [
                    "Refund * gives back order ord-2, and order posted nothing of that.",
                    "Refund * does not name order ord-1, of which order gave something back.",
                ]
            ),
        ] as [([String], [String])])
    func planted(_ statements: [String], _ expected: [String]) async throws {
        try await giveBack()
        try await corrupt(statements)
        let found = try await breaches()
        #expect(found.count == expected.count, "\(found)")
        for (found, expected) in zip(found, expected) { #expect(found.hasPrefix(expected)) }
    }

    @Test("What order knows otherwise is found, and so is a refund that it never posted")
    func order() async throws {
        try await giveBack()
        let sound = scene.order.state.withLock { $0.posted }
        for (change, expected) in [
            ({ $0.amountMicros += 1 }, "Refund * gives back 25.500000 of order ord-1; order posted 25.500001"),
            (
                { $0.restoredMicros = 1 },
                "Refund * gives back 25.500000 of order ord-1; order posted 25.500000, and 0.0"
            ),
            ({ $0.balanceMicros += 1 }, "Refund * has order ord-1 paid with 31.600000"),
            ({ $0.couponMicros += 1 }, "Refund * has order ord-1 paid with 31.600000"),
            ({ $0.toBalanceMicros -= 1 }, "Refund * is of 19.380000 and 6.120000 online"),
            ({ $0.termEnd += 1 }, "Refund * knows another group, payment or term"),
        ] as [((inout OrderV1.PostedRefund) -> Void, String)] {
            scene.order.change { state in
                state.posted = sound
                change(&state.posted[0])
            }
            let found = try await breaches()
            #expect(found.count == 1 && found[0].hasPrefix(expected), "\(found)")
        }
        scene.order.change { $0.posted = [] }
        #expect(try await breaches() == ["Refund * is posted, and order posted nothing of it."])
        scene.order.change { $0.posted = sound }
        #expect(try await breaches() == [])
    }

    @Test("A whole new order that order gave back by itself is sound; less of it, or another order, is not")
    func failedCreation() async throws {
        var posted = OrderV1.PostedRefund(
            accountID: "acct-9", refundID: "ref-9", orderID: "ord-9", groupID: "ag-9", at: 1, amountMicros: 7,
            restoredMicros: 3, toBalanceMicros: 7, newOrder: true, paidAt: 1, balanceMicros: 7, couponMicros: 3)
        for (change, isSound) in [
            ({ _ in }, true), ({ $0.amountMicros = 6 }, false), ({ $0.restoredMicros = 2 }, false),
            ({ $0.newOrder = false }, false),
        ] as [((inout OrderV1.PostedRefund) -> Void, Bool)] {
            let sound = posted
            change(&posted)
            scene.order.change { [posted] in $0.posted = [posted] }
            #expect(try await breaches() == (isSound ? [] : ["Order posted refund ref-9, which is unknown here."]))
            posted = sound
        }
        #expect(try await audit().findings[0].checked == 1)
    }

    @Test("The discount for so long a use is the price list's, and not what the refund says of itself")
    func discount() async throws {
        try await giveBack()
        // 12 days at 50 %: 8.05 are kept, and all of it follows from the factor that is stored.
        try await corrupt([
            "UPDATE refund SET to_balance = 25490000, online = 8060000",
            """
            UPDATE refund_order SET factor_millionths = 500000, consumed = 8050000, refund = 33550000,
                to_balance = 25490000, online = 8060000
            """,
        ])
        scene.order.change { state in
            state.posted[0].amountMicros = 33_550_000
            (state.posted[0].toBalanceMicros, state.posted[0].onlineMicros) = (25_490_000, 8_060_000)
        }
        #expect(
            try await breaches() == [
                "Refund * keeps 8.050000 of order ord-1 for 12 days at 500000 millionths; by the price list it is "
                    + "16.100000 for 12 at 1000000."
            ])
        scene.pricing.consumed.withLock { ($0.factorMillionths, $0.consumedMicros) = (500_000, 8_050_000) }
        #expect(try await breaches() == [])
        scene.pricing.refusal.withLock { $0 = RPCError(.notFound, "price.unknown_version", "There is no version 7.") }
        #expect(try await breaches() == ["Pricing refuses the orders of refund *: There is no version 7."])
        scene.pricing.refusal.withLock { $0 = RPCError(.internalError, "call.internal", "Not now.") }
        #expect(await reason { try await audit() } == "call.internal")
    }

    @Test("What was given back unconditionally is so by the policy of its day, and for a new order alone")
    func unconditional() async throws {
        scene.pricing.unconditionalDays.withLock { $0 = 13 }
        scene.order.change { $0.orders[0].kind = .new }
        _ = try await scene.open(token: try await scene.quote().token)
        _ = try await scene.pay()
        #expect(try await breaches() == [])
        // Bought 12 days before, to the millisecond.
        for (days, isSound) in [(12, false), (13, true), (0, false)] as [(UInt32, Bool)] {
            scene.pricing.unconditionalDays.withLock { $0 = days }
            #expect(try await breaches().isEmpty == isSound)
        }
        scene.pricing.unconditionalDays.withLock { $0 = 13 }
        scene.order.change { $0.posted[0].newOrder = false }
        let found = try await breaches()
        #expect(found.count == 1 && found[0].hasPrefix("Refund * gives back all of order ord-1"), "\(found)")
    }

    @Test("A refund that is opened and posted while the audit reads is no breach")
    func meanwhile() async throws {
        let scene = scene
        let token = try await scene.quote().token
        scene.order.change {
            $0.beforeTelling = {
                _ = try await scene.open(token: token)
                _ = try await scene.pay()
            }
        }
        #expect(try await breaches() == [])
        #expect(try await audit().findings[0].checked == 1)
    }

    @Test("Refunds of accounts that only order has are told in the page of their partitions, once")
    func pages() async throws {
        scene.order.change { state in
            state.posted = (1...20).flatMap { number in
                ["ord-1", "ord-2"].map { order in
                    OrderV1.PostedRefund(
                        accountID: "acct-x\(number)", refundID: "ref-\(number)", orderID: order, amountMicros: 1,
                        balanceMicros: 2)
                }
            }
        }
        #expect(try await audit().findings[0].breaches == 20)
        let low = try await audit(.init(partitionFrom: 0, partitionTo: 100)).findings[0].breaches
        let high = try await audit(.init(partitionFrom: 100, partitionTo: 256)).findings[0].breaches
        #expect(low + high == 20 && low > 0 && high > 0)
        let after = try await audit(
            .init(afterAccount: "acct-x7", partitionFrom: UInt32(Partition.of("acct-x7")), partitionTo: 256))
        let rest = (1...20).filter {
            (Partition.of("acct-x\($0)"), "acct-x\($0)") > (Partition.of("acct-x7"), "acct-x7")
        }
        #expect(after.findings[0].breaches == Int64(rest.count))
    }
}
