import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct AccountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "account", abstract: "Accounts and their money.",
        subcommands: [
            Open.self, Show.self, TopUp.self, Adjust.self, Statement.self, Notices.self, List.self,
        ])
}

/// The account as the argument of a command about accounts.
struct AccountArgument: ParsableArguments {
    @Argument(
        help: ArgumentHelp("The account (default: --account, else BILLING_ACCOUNT).", valueName: "account"),
        transform: Input.accountID)
    var account: String?
}

extension AccountCommand {
    struct Open: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "open", abstract: "Open an account.")

        @Argument(help: ArgumentHelp("What people call it.", valueName: "name"))
        var name: String
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let reply = try await session.accounts.openAccount(.init(name: name), session.writing())
            let account = reply.account ?? .init()
            session.show(account, isReplay: reply.isReplay) { AccountText.text(account) }
        }
    }

    struct Show: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show an account's balance and coupons, what it owes, and when that releases its groups.")

        @OptionGroup var which: AccountArgument
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let reply = try await session.accounts.getAccount(
                .init(), session.reading(try session.account(which.account)))
            let account = reply.account ?? .init()
            session.show(account) { AccountText.text(account) }
        }
    }

    struct TopUp: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "top-up", abstract: "Add money to the balance; it pays outstanding bills first, oldest first.",
            usage: "billing account top-up [<account>] <amount> [--online <reference>] [<options>]",
            discussion: """
                With --online the money is an online payment: it counts when billing payment confirm REFERENCE says \
                that it came.
                """)

        @Argument(
            help: ArgumentHelp(
                "The account, unless --account or BILLING_ACCOUNT names it; then USD with at most 6 decimals.",
                valueName: "amount"))
        var words: [String]
        @Option(help: ArgumentHelp("External reference of an online payment.", valueName: "reference"))
        var online: String?
        @OptionGroup var global: GlobalOptions

        /// Set by `validate`, which runs first.
        private var amount = Money.zero
        private var account: String?

        private enum CodingKeys: CodingKey {
            case words
            case online
            case global
        }

        mutating func validate() throws {
            guard let last = words.last else { throw ValidationError("Say how much: billing account top-up 100.") }
            guard words.count <= 2 else {
                throw ValidationError("'\(words[2])' is one word too many; write [account] amount.")
            }
            amount = try Input.amount(last)
            account = words.count == 2 ? try Input.accountID(words[0]) : nil
        }

        func run(_ session: Session) async throws {
            let reply = try await session.accounts.topUp(
                .init(amountMicros: amount.micros, reference: online ?? ""),
                session.writing(try session.account(account)))
            session.show(reply.message, isReplay: reply.isReplay) {
                var text = AccountText.cleared(reply.settledMicros, recovered: reply.recovered)
                if let payment = reply.payment, payment.status == .pending {
                    text += "Payment \(payment.reference) of \(Readable.money(payment.amountMicros)) is pending until "
                    text += "billing payment confirm \(payment.reference).\n"
                }
                return text + (reply.account.map(AccountText.text) ?? "")
            }
        }
    }

    struct Statement: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "statement", abstract: "List the movements of an account's money.")

        @OptionGroup var which: AccountArgument
        @Option(help: ArgumentHelp("Only movements after this number.", valueName: "sequence"))
        var after: Int64 = 0
        @Option(help: ArgumentHelp("Rows at most (default: all).", valueName: "rows"), transform: Input.limit)
        var limit: Int?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let account = try session.account(which.account)
            let transactions = try await session.all(limit: limit) { cursor, limit in
                let reply = try await session.accounts.listStatement(
                    .init(afterSequence: cursor.isEmpty ? after : Int64(cursor) ?? after, limit: limit),
                    session.reading(account))
                return (reply.transactions, reply.nextSequence == 0 ? "" : String(reply.nextSequence))
            }
            session.show(transactions, none: "No money has moved.") { AccountText.statement(transactions) }
        }
    }

    struct List: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List all accounts.")

        @Option(help: ArgumentHelp("Rows at most (default: all).", valueName: "rows"), transform: Input.limit)
        var limit: Int?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let accounts = try await session.all(limit: limit) { cursor, limit in
                let reply = try await session.accounts.listAccounts(
                    .init(cursor: cursor, limit: limit), session.reading())
                return (reply.accounts, reply.nextCursor)
            }
            session.show(accounts, none: "No accounts.") { AccountText.table(accounts) }
        }
    }
}

enum AccountText {
    static func text(_ account: OrderV1.Account) -> String {
        FactSheet(
            ("account", account.accountID), ("name", account.name), ("opened", Readable.instant(account.openedAt)),
            ("balance", Readable.money(account.balanceMicros)),
            ("outstanding", Readable.money(account.outstandingMicros)),
            ("usable coupons", Readable.money(account.couponMicros)),
            ("available credit", Readable.money(account.availableCreditMicros)),
            ("overdue", account.overdue ? overdue(account) : "no"),
            ("groups are released", Readable.instant(releaseAt(account))),
            ("unpaid orders", String(account.unpaidOrders))
        ).text
    }

    /// "since 2026-04-10 12:00:00".
    private static func overdue(_ account: OrderV1.Account) -> String {
        account.overdueAt == 0 ? "yes" : "since \(Readable.instant(account.overdueAt))"
    }

    /// When the pay-as-you-go groups of an overdue account are released unless all is paid before (domain 4.4).
    private static func releaseAt(_ account: OrderV1.Account) -> Int64 {
        account.overdueAt == 0
            ? 0 : BillingCalendar.releaseAt(since: Timestamp(milliseconds: account.overdueAt)).milliseconds
    }

    static func table(_ accounts: [OrderV1.Account]) -> Table {
        var table = Table(
            .text("account"), .text("name"), .text("opened"), .money("balance"), .money("coupons"),
            .money("outstanding"), .text("overdue"), .text("groups released"), .number("unpaid orders"))
        for account in accounts {
            table.add(
                account.accountID, Readable.text(account.name), Readable.instant(account.openedAt),
                Readable.money(account.balanceMicros), Readable.money(account.couponMicros),
                Readable.money(account.outstandingMicros), account.overdue ? overdue(account) : "no",
                Readable.instant(releaseAt(account)), String(account.unpaidOrders))
        }
        return table
    }

    /// The amount of a movement is what it did to the balance and to the debt of the customer.
    static func statement(_ transactions: [OrderV1.LedgerTransaction]) -> Table {
        var table = Table(
            .number("no."), .text("at"), .text("cause"), .text("reference"), .money("balance"), .money("receivable"),
            .money("balance after"), .money("outstanding after"))
        for each in transactions {
            table.add(
                String(each.sequence), Readable.instant(each.at), Readable.word(each.cause),
                Readable.text(each.reference),
                change(each, of: .balance), change(each, of: .receivable), Readable.money(each.balanceAfterMicros),
                Readable.money(each.outstandingAfterMicros))
        }
        return table
    }

    private static func change(_ transaction: OrderV1.LedgerTransaction, of account: OrderV1.LedgerAccount) -> String {
        let sum = transaction.entries.filter { $0.ledgerAccount == account }.reduce(Money.zero) {
            $0 + Money(micros: $1.amountMicros)
        }
        return sum == .zero ? Readable.nothing : sum > .zero ? "+" + sum.shortDescription : sum.shortDescription
    }
}
