import BillingAPI
import BillingCore
import RPC
import Synchronization

/// A command while it runs: the gateway it talks to and the place it prints to.
final class Session: Sendable {
    let channel: any Channel
    let endpoint: String
    let terminal: Terminal
    let isJSON: Bool
    let key: IdempotencyKey
    let timeoutMilliseconds: Int64
    private let accountText: @Sendable (String?) throws -> String
    /// What repeats the write that was sent last; `nil` while none was.
    private let repetition = Mutex<String?>(nil)

    init(_ global: GlobalOptions, _ environment: Environment, _ endpoint: String, _ channel: any Channel) {
        self.endpoint = endpoint
        self.channel = channel
        terminal = environment.terminal
        isJSON = global.json
        key = global.key ?? IdempotencyKey(from: environment.identifiers)
        timeoutMilliseconds = global.timeoutMilliseconds
        accountText = { try global.account(environment, named: $0) }
    }

    var prices: GatewayV1.PricesClient { .init(channel) }
    var accounts: GatewayV1.AccountsClient { .init(channel) }
    var groups: GatewayV1.GroupsClient { .init(channel) }
    var resources: GatewayV1.ResourcesClient { .init(channel) }
    var orders: GatewayV1.OrdersClient { .init(channel) }
    var payments: GatewayV1.PaymentsClient { .init(channel) }
    var refunds: GatewayV1.RefundsClient { .init(channel) }
    var bills: GatewayV1.BillsClient { .init(channel) }
    var operations: GatewayV1.OperationsClient { .init(channel) }

    // Calling

    /// The account that the command is for; see `GlobalOptions.account`.
    func account(_ named: String? = nil) throws -> String { try accountText(named) }

    /// Options of a call that changes nothing.
    func reading(_ account: String = "") -> CallOptions {
        repetition.withLock { $0 = nil }
        return CallOptions(account: account, deadline: .after(milliseconds: timeoutMilliseconds))
    }

    /// Options of a write, with the invocation's key. Keys are scoped to account and method, so the writes of one
    /// command can share it.
    /// - Parameter more: what besides the key a repeat of the command needs, as "--token T".
    func writing(_ account: String = "", repeatedWith more: String = "") -> CallOptions {
        repetition.withLock { $0 = "--key \(key)" + (more.isEmpty ? "" : " " + more) }
        return CallOptions(account: account, key: key, deadline: .after(milliseconds: timeoutMilliseconds))
    }

    /// What the end of the call that was sent last means.
    func failure(_ error: RPCError) -> CommandFailure {
        CommandFailure(error, endpoint: endpoint, repeating: repetition.withLock { $0 })
    }

    /// All items of a list, page by page.
    /// - Parameters:
    ///   - limit: where to stop; `nil` for all.
    ///   - page: fetches the page after a cursor, of at most so many items.
    func all<Item>(
        limit: Int?, _ page: (_ cursor: String, _ limit: UInt32) async throws -> ([Item], next: String)
    ) async throws -> [Item] {
        var items: [Item] = []
        var cursor = ""
        while true {
            let room = min(Session.pageLimit, limit.map { $0 - items.count } ?? Session.pageLimit)
            let (more, next) = try await page(cursor, UInt32(room))
            items += more
            if next.isEmpty || items.count >= limit ?? .max { return items }
            guard next != cursor else {
                throw CommandFailure(.unknown, "The gateway's list does not go on after cursor '\(next)'.")
            }
            cursor = next
        }
    }

    private static let pageLimit = 200

    // Printing

    func print(_ text: String) { terminal.write(text) }

    /// Prints `message` as JSON, or what `describe` makes of it for people; says when it is a recorded reply.
    func show(_ message: some WireReflection, isReplay: Bool = false, _ describe: () -> String) {
        if isJSON {
            print(JSONLine.text(message, isReplay: isReplay) + "\n")
        } else {
            print(describe())
            if isReplay { note("replayed: this is the answer that was recorded for the key \(key).") }
        }
    }

    /// Prints each of `items` as JSON, or `table` for people; `none` when there are no items.
    func show(_ items: [some WireReflection], none: String, _ table: () -> Table) {
        if isJSON {
            var text = ""
            for item in items { text += JSONLine.text(item) + "\n" }
            print(text)
        } else {
            print(items.isEmpty ? none + "\n" : table().text)
        }
    }

    /// A remark for a person beside the output.
    func note(_ text: String) { if !isJSON { terminal.writeError(PlainText.printable(text) + "\n") } }

    /// Asks before what cannot be undone.
    /// - Parameter yes: whether the command line answers already.
    /// - Throws: `CommandFailure` when the answer is no, or nobody can be asked.
    func confirm(_ question: String, yes: Bool) throws {
        if yes { return }
        guard terminal.canAsk else {
            throw CommandFailure(
                .usage, "This cannot be undone and nobody is here to be asked: \(question)",
                next: "give the command again with --yes.")
        }
        terminal.writeError(PlainText.printable(question) + " [y/N] ")
        let answer = (terminal.readLine() ?? "").lowercased()
        guard answer == "y" || answer == "yes" else { throw CommandFailure(.usage, "Nothing was done.") }
    }
}
