import BillingAPI
import BillingCore
import Testing

@testable import Ordering

@Suite("Ledger transactions") struct LedgerTests {
    @Test(
        "A transaction needs two entries that sum to zero, after those of one account are added up",
        arguments: [
            ([(.external, -5), (.balance, 5)], ""),
            ([(.external, -5), (.balance, 5), (.balance, -5), (.receivable, 5)], ""),
            ([], "ledger.too_few_entries"),
            ([(.balance, 0), (.revenue, 0)], "ledger.too_few_entries"),
            ([(.balance, 5), (.balance, -5)], "ledger.too_few_entries"),
            ([(.balance, 5)], "ledger.unbalanced"),
            ([(.external, -5), (.balance, 4)], "ledger.unbalanced"),
            ([(.external, .max), (.balance, 1)], "money.overflow"),
        ] as [([(LedgerAccount, Int64)], String)])
    func construction(_ movements: [(LedgerAccount, Int64)], _ reason: String) {
        do {
            let transaction = try LedgerTransaction(
                .topUp, reference: "cash", movements.map { ($0, Money(micros: $1)) })
            #expect(reason.isEmpty)
            #expect(transaction.entries.reduce(Money.zero) { $0 + $1.amount } == .zero)
            #expect(Set(transaction.entries.map(\.account)).count == transaction.entries.count)
            #expect(!transaction.entries.contains { $0.amount == .zero })
        } catch {
            #expect((error as? any BillingError)?.reason == reason)
        }
    }

    @Test(
        "Each movement of money touches the accounts it should",
        arguments: [
            (try .topUp(money(5), settled: .zero, reference: "r"), [.balance: 5, .external: -5]),
            (try .topUp(money(5), settled: money(2), reference: "r"), [.balance: 3, .receivable: 2, .external: -5]),
            (try .topUp(money(5), settled: money(5), reference: "r"), [.receivable: 5, .external: -5]),
            (
                try .usage(paid: money(3), outstanding: money(2), reference: "r"),
                [.balance: -3, .receivable: -2, .revenue: 5]
            ),
            (try .order(PaymentParts(balance: money(5)), order: "r"), [.balance: -5, .revenue: 5]),
            (try .paymentConfirmed(money(5), payment: "r"), [.external: -5, .clearing: 5]),
            (
                try .order(PaymentParts(balance: money(1), online: money(2), coupon: money(3)), order: "r"),
                [.balance: -1, .clearing: -2, .coupon: -3, .revenue: 6]
            ),
            (try .couponGrant(settled: money(5), coupon: "r"), [.coupon: -5, .receivable: 5]),
            (
                try .roundDown(money(5), settled: money(2), reference: "r"),
                [.revenue: -5, .balance: 3, .receivable: 2]
            ),
            (try .charge(money(5), adjustment: "r"), [.balance: -5, .revenue: 5]),
            (
                try .credit(money(5), settled: money(5), adjustment: "r"),
                [.revenue: -5, .receivable: 5]
            ),
            (try .paymentReturned(money(5), payment: "r"), [.clearing: -5, .external: 5]),
            (
                try .refund(toBalance: money(3), settled: money(1), online: money(2), reference: "r"),
                [.revenue: -5, .balance: 2, .receivable: 1, .refundPayable: 2]
            ),
            (try .refundConfirmed(money(5), refund: "r"), [.refundPayable: -5, .external: 5]),
        ] as [(LedgerTransaction, [LedgerAccount: Int64])])
    func movements(_ transaction: LedgerTransaction, _ expected: [LedgerAccount: Int64]) {
        let entries = Dictionary(uniqueKeysWithValues: transaction.entries.map { ($0.account, $0.amount.micros) })
        #expect(entries == expected)
    }

    @Test("A balance never becomes negative, and nothing settles more than is outstanding")
    func overdraft() throws {
        var account = Account(id: try AccountID("acct-1"), name: "a", openedAt: opening)
        let overdrawn = #expect(throws: LedgerError.self) {
            try account.post(.order(PaymentParts(balance: money(1)), order: "ord-1"))
        }
        #expect(overdrawn?.reason == "ledger.overdrawn")
        let oversettled = #expect(throws: LedgerError.self) {
            try account.post(.topUp(money(2), settled: money(1), reference: "cash"))
        }
        #expect(oversettled?.reason == "ledger.oversettled")
        #expect(account.balance == .zero && account.nextSequence == 1)
        #expect(try account.post(.topUp(money(2), settled: .zero, reference: "cash")) == 1)
        #expect(account.balance == money(2) && account.nextSequence == 2)
    }

    @Test("A sum that does not fit is refused and changes nothing")
    func overflow() throws {
        var account = Account(
            id: try AccountID("acct-1"), name: "a", openedAt: opening, balance: Money(micros: .max - 1))
        #expect(throws: MoneyError.overflow) { try account.post(.topUp(money(2), settled: .zero, reference: "cash")) }
        #expect(account.balance == Money(micros: .max - 1))
    }

    @Test(
        "An instant up to 5 s before the account's last one is moved up to it, an earlier one refused",
        arguments: [(0, 0), (1, 1), (-1, 0), (-5000, 0), (-5001, nil)] as [(Int64, Int64?)])
    func time(_ offset: Int64, _ expected: Int64?) throws {
        var account = Account(id: try AccountID("acct-1"), name: "a", openedAt: opening)
        let instant = opening.adding(milliseconds: offset)
        guard let expected else {
            let error = #expect(throws: AccountClockError.self) { try account.takeEffect(at: instant) }
            #expect(error?.reason == "call.time_went_back")
            #expect(error?.status == .aborted)
            return
        }
        #expect(try account.takeEffect(at: instant) == opening.adding(milliseconds: expected))
        #expect(account.lastAt == opening.adding(milliseconds: expected))
    }

    @Test("A step after a pivot is moved up however late it comes")
    func follow() throws {
        var account = Account(id: try AccountID("acct-1"), name: "a", openedAt: opening)
        #expect(account.follow(opening.adding(hours: -100)) == opening)
    }

    @Test("Our numbers are those of the schema")
    func wireNumbers() {
        for account in LedgerAccount.allCases { #expect(same(account, OrderV1.LedgerAccount.self)) }
        for cause in LedgerCause.allCases { #expect(same(cause, OrderV1.LedgerCause.self)) }
        for status in Payment.Status.allCases { #expect(same(status, OrderV1.PaymentStatus.self)) }
        for status in Order.Status.allCases { #expect(same(status, OrderV1.OrderStatus.self)) }
        for cause in Order.CancellationCause.allCases { #expect(same(cause, OrderV1.CancellationCause.self)) }
        for method in Order.PaymentMethod.allCases { #expect(same(method, OrderV1.PaymentMethod.self)) }
        for kind in ItemKind.allCases { #expect(same(kind, OrderV1.ItemKind.self)) }
        for unit in BillingUnit.allCases { #expect(same(unit, CommonV1.BillingUnit.self)) }
        #expect(Order.Kind.new.wire() == OrderV1.OrderKind.new)
        #expect(Order.Kind.switching.wire() == OrderV1.OrderKind.switch)
    }

    /// Whether a case has the same name on both sides.
    private func same<Wire: WireEnum>(_ value: some RawRepresentable<Int>, _: Wire.Type) -> Bool {
        "\(value)" == "\(value.wire(Wire.self))"
    }
}

private func money(_ micros: Int64) -> Money { Money(micros: micros) }
