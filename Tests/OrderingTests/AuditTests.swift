import BillingAPI
import BillingCore
import RPC
import Storage
import Testing

@testable import Ordering

@Suite("Money audit") struct MoneyAuditTests {
    /// An account with something of everything, of which the audit finds nothing wrong.
    private func busy(_ shop: Shop) async throws -> String {
        let account = try await shop.account("20")
        _ = try await shop.topUp(account, "5", reference: "wire-top-up")
        _ = try await shop.confirm("wire-top-up")
        let first = try await shop.place(account)
        _ = try await shop.pay(account, first.orderID, saga: "saga-1")
        let second = try await shop.place(account)
        let payment = try await shop.register(account, second.orderID, reference: "wire-order").paymentID
        _ = try await shop.confirm("wire-order")
        _ = try await shop.pay(account, second.orderID, saga: "saga-2", method: .online, payment: payment)
        _ = try await shop.refund(
            account, group: first.groupID, [(first.orderID, "3")], at: opening.adding(hours: 1))
        for hour in 1...60 {
            _ = try await shop.post(.hour(account, endingAt: opening.adding(hours: Int64(hour)), "0.5"))
        }
        _ = try await shop.topUp(account, "2.25", at: opening.adding(hours: 60))
        #expect(try await shop.show(account).outstandingMicros > 0)
        #expect(try await shop.breaches() == [:])
        return account
    }

    @Test(
        "An error planted in the data is found, and under the right name",
        arguments: [
            ("UPDATE ledger_entry SET amount = amount + 1 WHERE sequence = 1 AND ledger_account = 1", "M1"),
            ("DELETE FROM ledger_entry WHERE sequence = 1", "M1"),
            ("UPDATE account SET balance = balance + 1", "M2"),
            ("UPDATE account SET outstanding = outstanding - 1", "M2"),
            ("UPDATE ledger_transaction SET balance_after = balance_after + 1 WHERE sequence = 3", "M2"),
            ("UPDATE ledger_entry SET amount = -amount WHERE sequence = 1", "M3"),
            ("UPDATE payment SET status = 1, confirmed_at = NULL WHERE reference = 'wire-top-up'", "M4"),
            ("UPDATE payment SET status = 4 WHERE reference = 'wire-order'", "M4"),
            ("DELETE FROM payment WHERE reference = 'wire-top-up'", "M4"),
            ("UPDATE payment SET amount = amount + 1 WHERE reference = 'wire-top-up'", "M4"),
            (
                """
                UPDATE customer_order SET status = 1, paid_at = NULL, payment_method = NULL, term_start = NULL,
                    term_end = NULL WHERE refunded = 0
                """, "M5"
            ),
            ("UPDATE customer_order SET term_end = term_end + 1", "M5"),
            ("UPDATE ledger_transaction SET reference = 'ord-x' WHERE cause = 3", "M5"),
            ("UPDATE customer_order SET refunded = refunded + 1 WHERE refunded > 0", "M6"),
            ("UPDATE customer_order SET refunded = 0 WHERE refunded > 0", "M6"),
            ("UPDATE refund SET to_balance = to_balance + 1", "M6"),
            ("DELETE FROM refund", "M6"),
            ("UPDATE ledger_transaction SET at = at - 100000000 WHERE sequence = 20", "T1"),
            ("UPDATE ledger_transaction SET at = at + 100000000000 WHERE sequence = 20", "T1"),
            ("UPDATE bill_line SET gross = gross + 1 WHERE sequence = 30", "B1"),
            ("UPDATE bill_line SET gross = gross + 1 WHERE sequence = 30", "B2"),
            ("UPDATE bill_line SET paid = paid - 1 WHERE sequence = 30", "B1"),
            ("UPDATE allocation SET amount = amount - 1", "B1"),
            ("DELETE FROM allocation", "B2"),
            ("DELETE FROM outstanding_line", "B1"),
            ("UPDATE outstanding_line SET outstanding = outstanding + 1", "B1"),
            ("UPDATE bill_line SET paid = 0 WHERE sequence = 30", "B3"),
            ("DELETE FROM bill_line WHERE sequence = 30", "B2"),
        ])
    func planted(_ sql: String, _ invariant: String) async throws {
        let shop = try Shop()
        _ = try await busy(shop)
        try await shop.removeWalls()
        _ = try await shop.database.write { try $0.execute(sql) }
        let breaches = try await shop.breaches()
        #expect(breaches[invariant] ?? 0 > 0, "found \(breaches)")
    }

    @Test(
        "A line that disagrees with what coupons paid is found, and so is a use that no line knows of",
        arguments: [
            // Of an order, of use that no coupon paid, of use that one did, and of what is given back: less cash and more
            // coupon or the other way round. Of use nothing but B6 tells.
            ("UPDATE bill_line SET coupon = coupon - 1, paid = paid + 1 WHERE sequence = 3", ["B6": 1, "M5": 1]),
            ("UPDATE bill_line SET coupon = coupon + 1, paid = paid - 1 WHERE sequence = 2", ["B6": 1]),
            ("UPDATE bill_line SET coupon = coupon - 1, paid = paid + 1 WHERE sequence = 7", ["B6": 1]),
            ("UPDATE bill_line SET coupon = coupon + 1, paid = paid - 1 WHERE sequence = 5", ["B6": 1, "M6": 2]),
            // What a coupon paid of one line, at its posting or later, is noted for another.
            (
                """
                UPDATE coupon_use SET (start_at, source) = (SELECT start_at, source FROM bill_line WHERE sequence = 2)
                WHERE sequence = 6
                """, ["B6": 2]
            ),
            (
                """
                UPDATE coupon_use SET (start_at, source) = (SELECT start_at, source FROM bill_line WHERE sequence = 2)
                WHERE sequence = 8
                """, ["B6": 1]
            ),
            ("UPDATE coupon_use SET sequence = 6 WHERE sequence = 7", ["B4": 2, "B6": 2]),
            ("UPDATE coupon_use SET amount = amount - 1 WHERE sequence = 8", ["B4": 2, "B6": 1]),
            ("DELETE FROM coupon_use WHERE amount < 0", ["B4": 2, "B6": 1]),
        ] as [(String, [String: Int64])])
    func couponLines(_ sql: String, _ expected: [String: Int64]) async throws {
        let shop = try Shop()
        let account = try await shop.account("20")
        let cut = opening.adding(hours: 1)
        _ = try await shop.post(.hour(account, "ag-0", endingAt: cut, "0.10"))
        // From the third transaction on, coupons pay a part of an order, and of one that is given back, of the use of two
        // groups, and of what that leaves outstanding.
        for (saga, isGivenBack) in [("saga-1", false), ("saga-2", true)] {
            try await shop.grant(account, "4", at: cut)
            let order = try await shop.place(account, at: cut).orderID
            _ = try await shop.pay(account, order, coupon: "", saga: saga, at: cut)
            if isGivenBack { _ = try await shop.refundInFull(account, order, at: cut) }
        }
        _ = try await shop.post(.hour(account, "ag-1", endingAt: cut, "1"))
        _ = try await shop.post(.hour(account, "ag-2", endingAt: cut, "18"))
        try await shop.grant(account, "2", at: cut)
        #expect(try await shop.statement(account).count == 8)
        #expect(try await shop.breaches() == [:])
        try await shop.removeWalls()
        #expect(try await shop.database.write { try $0.execute(sql) } == 1)
        #expect(try await shop.breaches() == expected)
    }

    @Test("Two unpaid orders are found, should the index that forbids them be gone")
    func twoUnpaid() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        let first = try await shop.place(account).orderID
        _ = try await shop.cancel(account, first)
        _ = try await shop.place(account)
        try await shop.database.write { transaction in
            try transaction.execute("DROP INDEX order_unpaid")
            try transaction.execute(
                "UPDATE customer_order SET status = 1, cancelled_at = NULL, cancellation_cause = NULL")
        }
        #expect(try await shop.breaches() == ["G1": 1])
    }

    @Test("Orders that were unpaid at the same time are found long after, and those that followed each other are not")
    func overlap() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        func at(_ hour: Int64) -> Timestamp { opening.adding(hours: hour) }
        // Cancelled and followed at once, timed out and followed at once, paid, cancelled and followed at once.
        let first = try await shop.place(account, at: at(0)).orderID
        _ = try await shop.cancel(account, first, at: at(1))
        _ = try await shop.place(account, at: at(1))
        let third = try await shop.place(account, at: at(25))
        _ = try await shop.pay(account, third.orderID, saga: "saga-3", at: at(26))
        let fourth = try await shop.place(account, at: at(27)).orderID
        _ = try await shop.cancel(account, fourth, at: at(28))
        _ = try await shop.place(account, at: at(28))
        #expect(try await shop.breaches() == [:])
        try await shop.removeWalls()
        func shift(_ order: String, _ changes: [(column: String, by: Int64)]) async throws {
            let sets = changes.map { "\($0.column) = \($0.column) + \($0.by)" }.joined(separator: ", ")
            let changed = try await shop.database.write {
                try $0.execute("UPDATE customer_order SET \(sets) WHERE order_id = '\(order)'")
            }
            #expect(changed == 1)
        }
        for (order, changes, expected) in [
            (first, [("cancelled_at", 1)], ["G1": 1]), (fourth, [("placed_at", -3_600_001)], ["G1": 1]),
            (third.orderID, [("paid_at", 3_600_001)], ["G1": 1, "M5": 1]),
            // One that is over as it is placed, within the time of another.
            (fourth, [("placed_at", -5_400_000), ("cancelled_at", -9_000_000)], ["G1": 1]),
        ] as [(String, [(column: String, by: Int64)], [String: Int64])] {
            try await shift(order, changes)
            #expect(try await shop.breaches() == expected)
            try await shift(order, changes.map { ($0.column, -$0.by) })
            #expect(try await shop.breaches() == [:])
        }
    }

    @Test("Every account is looked at once, over pages and ranges of partitions")
    func pages() async throws {
        let shop = try Shop()
        for _ in 0..<120 { _ = try await shop.account("1") }
        func checked(_ from: UInt32, _ to: UInt32) async throws -> Int64 {
            var count: Int64 = 0
            var request = OrderV1.AuditMoneyRequest(partitionFrom: from, partitionTo: to)
            while true {
                let reply = try await shop.service.auditMoney(
                    request, shop.call(OrderV1.Bills.auditMoney.descriptor, "", at: nil))
                count += reply.findings.first { $0.invariant == "M1" }?.checked ?? 0
                if reply.nextAccount.isEmpty { return count }
                request.afterAccount = reply.nextAccount
                request.partitionFrom = reply.nextPartition
            }
        }
        #expect(try await checked(0, 256) == 120)
        let (low, high) = (try await checked(0, 100), try await checked(100, 256))
        #expect(low + high == 120)
        #expect(try await checked(7, 7) == 0)
        for (from, to) in [(0, 257), (8, 7)] as [(UInt32, UInt32)] {
            #expect(await reason { try await checked(from, to) } == "page.malformed")
        }
    }
}

@Suite("Coverage audit") struct CoverageAuditTests {
    private func coverage(
        _ shop: Shop, _ request: OrderV1.AuditCoverageRequest = .init(partitionTo: 256)
    ) async throws -> OrderV1.AuditCoverageReply {
        try await shop.service.auditCoverage(
            request, shop.call(OrderV1.Bills.auditCoverage.descriptor, "", at: nil)
        ).message
    }

    @Test("Every slice and every paid term is told as it was posted, and nothing else")
    func rows() async throws {
        let shop = try Shop()
        let account = try await shop.account("100")
        for hour in [1, 2, 4] as [Int64] {
            _ = try await shop.post(.hour(account, "ag-0", endingAt: opening.adding(hours: hour)))
        }
        let order = try await shop.place(account, kind: .switch, group: "ag-0", at: opening.adding(hours: 4))
        _ = try await shop.pay(account, order.orderID, at: opening.adding(hours: 4))
        let reply = try await coverage(shop)
        #expect(reply.accounts == [OrderV1.CoveredAccount(accountID: account)])
        func hours(_ instant: Int64) -> Int64 { (instant - opening.milliseconds) / .millisecondsPerHour }
        #expect(reply.start.map(hours) == [0, 1, 3, 4])
        #expect(reply.end.dropLast().map(hours) == [1, 2, 4] && reply.end.last == at("2026-04-11").milliseconds)
        let sources = reply.source.map { reply.sources[Int($0)] }
        #expect(sources.map(\.thingID) == ["ag-0", "ag-0", "ag-0", "ag-0"])
        #expect(sources.map(\.orderID) == ["", "", "", order.orderID])
        #expect(sources.allSatisfy { $0.account == 0 && !$0.givenBack })
        #expect(reply.grossMicros.count == 4 && reply.price.allSatisfy { Int($0) < reply.prices.count })
        #expect(!reply.more)
    }

    @Test("Pages go on within an account, and tell each line of each account once")
    func pages() async throws {
        let shop = try Shop()
        var expected: [String: Int] = [:]
        for _ in 0..<3 {
            let account = try await shop.account("100000")
            expected[account] = 4200
            for hour in [1, 3] as [Int64] {
                var usage = Usage(cutAt: opening.adding(hours: hour))
                let (from, to) = (opening.adding(hours: hour - 1), opening.adding(hours: hour))
                for number in 0..<2100 { try usage.add(account, "ag-\(10_000 + number)", from: from, to: to, "0.01") }
                _ = try await shop.post(usage)
            }
        }
        let empty = try await shop.account("1")
        var found: [String: Int] = [empty: 0]
        var seen: Set<String> = []
        var request = OrderV1.AuditCoverageRequest(partitionTo: 256)
        var more = true
        while more {
            let page = try await coverage(shop, request)
            seen.formUnion(page.accounts.map(\.accountID))
            for source in page.source {
                found[page.accounts[Int(page.sources[Int(source)].account)].accountID, default: 0] += 1
            }
            #expect(page.source.count <= 4096)
            more = page.more
            (request.partitionFrom, request.afterAccount) = (page.nextPartition, page.nextAccount)
            (request.afterStart, request.afterSource) = (page.nextStart, page.nextSource)
        }
        expected[empty] = 0
        #expect(found == expected && seen == Set(expected.keys))
    }

    @Test("A range ends with the account that it names")
    func through() async throws {
        let shop = try Shop()
        var accounts: [String] = []
        for _ in 0..<5 { accounts.append(try await shop.account("1")) }
        let sorted = accounts.sorted { (Partition.of($0), $0) < (Partition.of($1), $1) }
        let reply = try await coverage(
            shop,
            .init(
                partitionFrom: UInt32(Partition.of(sorted[0])), partitionTo: 256, afterAccount: sorted[0],
                throughAccount: sorted[2]))
        #expect(reply.accounts.map(\.accountID) == Array(sorted[1...2]))
    }
}
