import BillingAPI
import BillingCore

/// A text format of books. Pieces are asked for in order: the head, the transactions by time, the end.
protocol Journal {
    /// Declares the commodity and all accounts.
    mutating func head(_ accounts: [OrderV1.Account]) throws -> String
    /// One transaction of an account, with what its balance is after it.
    mutating func transaction(_ transaction: OrderV1.LedgerTransaction, of account: String) throws -> String
    mutating func end() throws -> String
}

/// The accounts of ordinary books. Ours count the customer's money as positive; books count what we owe and what we
/// earn as negative. So each amount changes its sign, and none its size.
enum LedgerBook {
    static let shared: [OrderV1.LedgerAccount] = [.external, .revenue, .coupon]
    static let ofCustomer: [OrderV1.LedgerAccount] = [.balance, .receivable, .refundPayable, .clearing]

    /// The parts of an account's name.
    /// - Throws: `CommandFailure` for a kind of account that this program does not know.
    static func name(_ ledger: OrderV1.LedgerAccount, of account: String) throws(CommandFailure) -> [String] {
        switch ledger {
        case .balance: ["liabilities", "customers", account, "balance"]
        case .receivable: ["assets", "customers", account, "receivable"]
        case .refundPayable: ["liabilities", "customers", account, "refunds"]
        case .clearing: ["liabilities", "customers", account, "clearing"]
        case .external: ["assets", "bank"]
        case .revenue: ["income", "revenue"]
        case .coupon: ["expenses", "coupons"]
        case .unspecified:
            throw CommandFailure(
                .unknown, "The statement of \(account) has an entry of a ledger account that is unknown here.",
                next: "use the billing command of the services' own version.")
        }
    }

    /// "-12.500000": an amount of the books, always with 6 decimals.
    static func amount(_ micros: Int64) -> String { Money(micros: -micros).description }

    static func day(_ instant: Int64) -> CivilDate { BillingCalendar.date(of: Timestamp(milliseconds: instant)) }

    /// The day before which nothing happened.
    static func firstDay(_ accounts: [OrderV1.Account]) -> CivilDate { day(accounts.map(\.openedAt).min() ?? 0) }
}
