import BillingAPI
import BillingCore

/// The plain text that hledger and ledger both read, strictly: each transaction asserts the customer's balance.
struct HledgerJournal: Journal {
    func head(_ accounts: [OrderV1.Account]) throws -> String {
        var text = """
            ; The ledger of all accounts. Days are billing days (UTC+8).
            commodity USD
                format 1000.000000 USD
            tag reference
            tag at

            """
        func declare(_ ledgers: [OrderV1.LedgerAccount], _ account: String) throws {
            for ledger in ledgers {
                text += "account \(joined(try LedgerBook.name(ledger, of: account)))\n"
            }
        }
        try declare(LedgerBook.shared, "")
        for account in accounts { try declare(LedgerBook.ofCustomer, account.accountID) }
        return text
    }

    func transaction(_ transaction: OrderV1.LedgerTransaction, of account: String) throws -> String {
        var text = "\n\(LedgerBook.day(transaction.at)) * (\(account)/\(transaction.sequence)) "
        text += "\(transaction.cause.word)\n"
        text += "    ; reference: \(HledgerJournal.encoded(transaction.reference))\n"
        text += "    ; at: \(Timestamp(milliseconds: transaction.at))\n"
        for entry in transaction.entries {
            text += try posting(entry, of: account)
            switch entry.ledgerAccount {
            case .balance: text += assertion(transaction.balanceAfterMicros)
            case .receivable: text += assertion(-transaction.outstandingAfterMicros)
            default: break
            }
            text += "\n"
        }
        if !transaction.entries.contains(where: { $0.ledgerAccount == .balance }) {
            let nothing = OrderV1.LedgerEntry(ledgerAccount: .balance)
            text += try posting(nothing, of: account) + assertion(transaction.balanceAfterMicros) + "\n"
        }
        return text
    }

    func end() -> String { "" }

    private func posting(_ entry: OrderV1.LedgerEntry, of account: String) throws -> String {
        "    \(joined(try LedgerBook.name(entry.ledgerAccount, of: account)))"
            + "  \(LedgerBook.amount(entry.amountMicros)) USD"
    }

    private func assertion(_ micros: Int64) -> String { " = \(LedgerBook.amount(micros)) USD" }

    private func joined(_ name: [String]) -> String { name.joined(separator: ":") }

    /// References come from anybody, and comments of journals have a syntax: all but plain characters is written as
    /// in a URL, "%2C" for a comma.
    private static func encoded(_ reference: String) -> String {
        var text = ""
        for byte in reference.utf8 {
            let scalar = Unicode.Scalar(byte)
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".", "/", "#", "@", "+":
                text.unicodeScalars.append(scalar)
            default: text += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }
        return text
    }
}
