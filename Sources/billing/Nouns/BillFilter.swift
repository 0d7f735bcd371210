import ArgumentParser
import BillingAPI
import BillingCore

/// Which bill lines a command is about.
struct BillFilter: ParsableArguments {
    @Flag(help: "The bills of all accounts, instead of one.")
    var allAccounts = false
    @Option(
        help: ArgumentHelp("Only use and terms that start in this month.", valueName: "month"), transform: Input.month)
    var month: Period?
    @Option(
        help: ArgumentHelp("Only what starts at or after this instant.", valueName: "instant"),
        transform: Input.instant)
    var from: Timestamp?
    @Option(help: ArgumentHelp("Only what starts before this instant.", valueName: "instant"), transform: Input.instant)
    var to: Timestamp?
    @Option(help: ArgumentHelp("Only this group.", valueName: "group"), transform: Input.groupID)
    var group: String?
    @Option(help: ArgumentHelp("Only this region.", valueName: "region"))
    var region: String?
    @Option(help: ArgumentHelp("Only this specification.", valueName: "specification"))
    var specification: String?
    @Option(help: ArgumentHelp("Only what is billed this way; may be repeated.", valueName: "method"))
    var method: [CommonV1.BillingMethod] = []
    @Option(help: ArgumentHelp("Only lines of this kind; may be repeated.", valueName: "kind"))
    var kind: [OrderV1.ItemKind] = []
    @Option(help: ArgumentHelp("Only lines in this state; may be repeated.", valueName: "status"))
    var status: [OrderV1.LineStatus] = []
    @Flag(help: "Only lines that are not fully paid.")
    var overdue = false

    /// - Throws: `ValidationError` for an account beside all of them. That of BILLING_ACCOUNT is a default, and gives way.
    func validate(with global: GlobalOptions) throws {
        if allAccounts, let account = global.accountText {
            throw ValidationError("--all-accounts has those of '\(account)' too; leave out --account.")
        }
    }

    /// The account that the bills are of; empty for all.
    func account(_ session: Session) throws -> String { allAccounts ? "" : try session.account() }

    func validate() throws {
        if month != nil, from != nil || to != nil {
            throw ValidationError("--month says it all; leave out --from and --to.")
        }
        if let from, let to, from >= to { throw ValidationError("--from \(from) is not before --to \(to).") }
        if overdue, status.contains(.paid) {
            throw ValidationError("--overdue leaves out what is paid; leave out --status paid.")
        }
    }

    /// What the filter asks of the gateway; how it is summed is left open.
    var request: OrderV1.ListBillRequest {
        OrderV1.ListBillRequest(
            start: (month?.start ?? from)?.milliseconds ?? 0, end: (month?.end ?? to)?.milliseconds ?? 0,
            groupID: group ?? "", region: region ?? "", specification: specification ?? "", billingMethods: method,
            itemKinds: kind, statuses: status, outstanding: overdue)
    }
}
