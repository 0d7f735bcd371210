import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write what other programs read.", subcommands: [Ledger.self])

    struct Ledger: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "ledger", abstract: "Write the ledger of all accounts as a journal of double-entry books.",
            discussion: """
                hledger and ledger read the first format, beancount the second. Each transaction has its cause and its \
                reference; the balance of the customer is asserted after each, in beancount on the day after. Amounts \
                have the signs of ordinary books, which are the opposite of ours, and 6 decimals; days are billing days.

                Statements are read page by page and merged by time: memory grows with the number of accounts, not with \
                what they did. What is booked meanwhile may be in it or not.
                """)

        @Option(help: ArgumentHelp("The format.", valueName: "format"))
        var format: JournalFormat
        @Option(help: ArgumentHelp("The file (default: standard output).", valueName: "file"))
        var output: String?
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            if global.json { throw ValidationError("A journal is not JSON; billing account statement --json is.") }
        }

        func run(_ session: Session) async throws {
            let accounts = try await session.all(limit: nil) { cursor, limit in
                let reply = try await session.accounts.listAccounts(
                    .init(cursor: cursor, limit: limit), session.reading())
                return (reply.accounts, reply.nextCursor)
            }
            let output = try ExportOutput(output, session.terminal)
            var journal = format.journal
            try output.write(journal.head(accounts))
            var merge = try await StatementMerge(accounts.map(\.accountID)) { account, after in
                let reply = try await session.accounts.listStatement(
                    .init(afterSequence: after, limit: Ledger.pageLimit), session.reading(account))
                return (reply.transactions, reply.nextSequence)
            }
            while let (account, transaction) = try await merge.next() {
                try output.write(journal.transaction(transaction, of: account))
            }
            try output.write(journal.end())
            try output.finish()
        }

        /// Movements of one account in memory.
        private static let pageLimit: UInt32 = 50
    }
}

/// The formats of journals, in the words of the command line.
enum JournalFormat: String, CaseIterable, ExpressibleByArgument {
    case hledger
    case beancount

    var journal: any Journal {
        switch self {
        case .hledger: HledgerJournal()
        case .beancount: BeancountJournal()
        }
    }
}
