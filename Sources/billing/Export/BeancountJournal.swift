import BillingAPI
import BillingCore

/// The text that beancount reads. Its assertions hold at the start of a day, so what an account has after its last
/// transaction of a day is asserted on the next day.
struct BeancountJournal: Journal {
    /// Accounts with transactions on `day`, and what they have after the last.
    private var touched: [String: (balance: Int64, outstanding: Int64)] = [:]
    private var day: CivilDate?

    func head(_ accounts: [OrderV1.Account]) throws -> String {
        let first = LedgerBook.firstDay(accounts)
        var text = """
            ; The ledger of all accounts. Days are billing days (UTC+8).
            option "title" "Billing"
            option "operating_currency" "USD"
            option "inferred_tolerance_default" "USD:0"

            \(first) commodity USD

            """
        func open(_ ledgers: [OrderV1.LedgerAccount], _ account: String, _ day: CivilDate) throws {
            for ledger in ledgers {
                text += "\(day) open \(joined(try LedgerBook.name(ledger, of: account))) USD\n"
            }
        }
        try open(LedgerBook.shared, "", first)
        for account in accounts {
            try open(LedgerBook.ofCustomer, account.accountID, LedgerBook.day(account.openedAt))
        }
        return text
    }

    mutating func transaction(_ transaction: OrderV1.LedgerTransaction, of account: String) throws -> String {
        let today = LedgerBook.day(transaction.at)
        var text = today == day ? "" : try end()
        day = today
        touched[account] = (transaction.balanceAfterMicros, transaction.outstandingAfterMicros)
        text += """

            \(today) * \(quoted(account)) \(quoted(transaction.cause.word))
              reference: \(quoted(transaction.reference))
              sequence: \(transaction.sequence)
              at: \(quoted(Timestamp(milliseconds: transaction.at).description))

            """
        for entry in transaction.entries {
            let name = joined(try LedgerBook.name(entry.ledgerAccount, of: account))
            text += "  \(name)  \(LedgerBook.amount(entry.amountMicros)) USD\n"
        }
        return text
    }

    /// The assertions of the day that is over.
    mutating func end() throws -> String {
        defer { touched.removeAll(keepingCapacity: true) }
        guard let day, !touched.isEmpty else { return "" }
        let next = CivilDate(daysSinceEpoch: day.daysSinceEpoch + 1)
        var text = "\n"
        for (account, after) in touched.sorted(by: { $0.key < $1.key }) {
            for (ledger, micros) in [
                (OrderV1.LedgerAccount.balance, after.balance), (.receivable, -after.outstanding),
            ] {
                let name = try LedgerBook.name(ledger, of: account)
                text += "\(next) balance \(joined(name))  \(LedgerBook.amount(micros)) ~ 0 USD\n"
            }
        }
        return text
    }

    /// Each part begins with a capital letter, and an id is all capitals.
    private func joined(_ name: [String]) -> String {
        name.map { $0.hasPrefix("acct-") ? $0.uppercased() : $0.prefix(1).uppercased() + $0.dropFirst() }
            .joined(separator: ":")
    }

    private func quoted(_ text: String) -> String {
        "\"" + PlainText.printable(text).escaping("\\\"", with: "\\") + "\""
    }
}
