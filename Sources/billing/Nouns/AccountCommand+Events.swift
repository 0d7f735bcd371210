import ArgumentParser
import BillingAPI
import BillingCore
import RPC

extension AccountCommand {
    struct Adjust: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "adjust", abstract: "Correct a closed matter by a bill line of today.",
            discussion: """
                Bills of the past are never edited. --charge takes from the balance, not more than there is; --credit \
                gives as a top-up does: it pays outstanding bills first.
                """)

        @OptionGroup var which: AccountArgument
        @Option(help: ArgumentHelp("Take so many USD.", valueName: "amount"), transform: Input.amount)
        var charge: Money?
        @Option(help: ArgumentHelp("Give so many USD.", valueName: "amount"), transform: Input.amount)
        var credit: Money?
        @Option(help: ArgumentHelp("Why; it stands on the bill and the statement.", valueName: "text"))
        var reason: String
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            guard (charge == nil) != (credit == nil) else {
                throw ValidationError("Say either --charge AMOUNT or --credit AMOUNT.")
            }
        }

        func run(_ session: Session) async throws {
            let amount = charge ?? -(credit ?? .zero)
            let reply = try await session.accounts.adjust(
                .init(amountMicros: amount.micros, reason: reason),
                session.writing(try session.account(which.account)))
            session.show(reply.message, isReplay: reply.isReplay) {
                "Adjustment \(reply.adjustmentID), bill line \(reply.lineID).\n"
                    + AccountText.cleared(reply.settledMicros, recovered: reply.recovered)
                    + (reply.account.map(AccountText.text) ?? "")
            }
        }
    }

    struct Notices: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "notices", abstract: "List what an account's owner was told: low balance, overdue, releases.")

        @OptionGroup var which: AccountArgument
        @Option(help: ArgumentHelp("Only notices after this number.", valueName: "sequence"))
        var after: Int64 = 0
        @Option(help: ArgumentHelp("Rows at most (default: all).", valueName: "rows"), transform: Input.limit)
        var limit: Int?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let account = try session.account(which.account)
            let notices = try await session.all(limit: limit) { cursor, limit in
                let reply = try await session.accounts.listNotices(
                    .init(afterSequence: cursor.isEmpty ? after : Int64(cursor) ?? after, limit: limit),
                    session.reading(account))
                return (reply.notices, reply.nextSequence == 0 ? "" : String(reply.nextSequence))
            }
            session.show(notices, none: "No notices.") { AccountText.notices(notices) }
        }
    }
}

extension AccountText {
    /// What money that came in did for an account that owed some; empty if it owed nothing.
    static func cleared(_ settledMicros: Int64, recovered: Bool) -> String {
        (settledMicros == 0 ? "" : "\(Readable.money(settledMicros)) of it paid outstanding bills.\n")
            + (recovered ? "The account is no longer overdue.\n" : "")
    }

    static func notices(_ notices: [OrderV1.Notice]) -> Table {
        var table = Table(
            .number("no."), .text("at"), .text("notice"), .money("amount"), .text("group"), .text("release at"))
        for notice in notices {
            table.add(
                String(notice.sequence), Readable.instant(notice.at), Readable.word(notice.kind),
                Readable.money(notice.amountMicros), Readable.text(notice.groupID),
                Readable.instant(notice.releaseAt))
        }
        return table
    }
}
