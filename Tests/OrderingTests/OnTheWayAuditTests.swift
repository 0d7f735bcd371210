import BillingAPI
import BillingCore
import RPC
import Storage
import Testing

@testable import Ordering

@Suite("Audit of money on its way") struct OnTheWayAuditTests {
    /// An account with an online refund that arrived, one that has not, and a confirmed payment whose order waits.
    private func busy(_ shop: Shop) async throws {
        let account = try await shop.account("20")
        let later = opening.adding(hours: 1)
        for (number, amount) in [(1, "3"), (2, "4")] {
            let order = try await shop.place(account, at: later)
            let reference = "wire-\(number)"
            let payment = try await shop.register(account, order.orderID, reference: reference, at: later).paymentID
            _ = try await shop.confirm(reference, at: later)
            _ = try await shop.pay(
                account, order.orderID, saga: "saga-\(number)", method: .online, payment: payment, at: later)
            _ = try await shop.refund(
                account, group: order.groupID, [(order.orderID, amount)], id: "ref-\(number)", at: later,
                saga: "saga-refund-\(number)")
        }
        _ = try await shop.confirmRefund("ref-1", at: later)
        let waiting = try await shop.place(account, at: later).orderID
        _ = try await shop.register(account, waiting, reference: "wire-3", at: later)
        _ = try await shop.confirm("wire-3", at: later)
        #expect(try await shop.breaches() == [:])
    }

    /// A whole transaction after the last one, which leaves balance and debt as they are.
    private static func transaction(_ cause: Int, _ reference: String, _ entries: [(Int, Int64)]) -> [String] {
        [
            """
            INSERT INTO ledger_transaction
                (partition, account, sequence, at, cause, reference, balance_after, outstanding_after)
            SELECT partition, account, sequence + 1, at, \(cause), '\(reference)', balance_after, outstanding_after
            FROM ledger_transaction WHERE sequence = (SELECT MAX(sequence) FROM ledger_transaction)
            """
        ]
            + entries.map { ledger, amount in
                """
                INSERT INTO ledger_entry (partition, account, sequence, ledger_account, amount)
                SELECT partition, account, sequence, \(ledger), \(amount) FROM ledger_transaction
                WHERE sequence = (SELECT MAX(sequence) FROM ledger_transaction)
                """
            } + ["UPDATE account SET next_sequence = next_sequence + 1"]
    }

    @Test(
        "A payout that is made twice, not at all, or noted and not made, is found",
        arguments: [
            // The customer is paid twice, and all else adds up.
            (OnTheWayAuditTests.transaction(5, "ref-1", [(5, -3_000_000), (4, 3_000_000)]), ["M4": 1, "M2": 1]),
            (OnTheWayAuditTests.transaction(5, "ref-2", [(5, -4_000_000), (4, 4_000_000)]), ["M4": 1, "M2": 1]),
            (OnTheWayAuditTests.transaction(5, "ref-9", [(5, -1), (4, 1)]), ["M4": 1, "M2": 1]),
            (["UPDATE refund SET confirmed_at = NULL WHERE refund_id = 'ref-1'"], ["M4": 1, "M2": 1]),
            (["UPDATE refund SET confirmed_at = at WHERE refund_id = 'ref-2'"], ["M4": 1, "M2": 1]),
            (["UPDATE ledger_transaction SET reference = 'ref-2' WHERE cause = 5"], ["M4": 2]),
            (["UPDATE ledger_transaction SET reference = 'ref-9' WHERE cause = 5"], ["M4": 2]),
            (
                ["UPDATE ledger_entry SET amount = amount * 2 WHERE ledger_account = 5 AND amount < 0"],
                ["M1": 1, "M2": 1, "M4": 1]
            ),
            // Money in clearing that no payment brought, or that a payment left there.
            (OnTheWayAuditTests.transaction(9, "adj-1", [(6, 5), (5, -5)]), ["M2": 2]),
            (["UPDATE payment SET status = 3 WHERE reference = 'wire-3'"], ["M2": 1]),
            (["UPDATE payment SET status = 2 WHERE reference = 'wire-1'"], ["M2": 1]),
        ] as [([String], [String: Int64])])
    func planted(_ statements: [String], _ expected: [String: Int64]) async throws {
        let shop = try Shop()
        try await busy(shop)
        try await shop.plant(statements)
        #expect(try await shop.breaches() == expected)
    }
}
