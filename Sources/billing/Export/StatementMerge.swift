import BillingAPI
import BillingCore

/// The statements of many accounts as one, by time. A statement is read page by page, and each account has one page in
/// memory.
struct StatementMerge {
    /// Reads the page after a movement of an account; the number to go on after is 0 at the end.
    typealias Page = (_ account: String, _ after: Int64) async throws -> ([OrderV1.LedgerTransaction], next: Int64)

    /// One account's page, its first movement not yet taken.
    private struct Head {
        let account: String
        var page: ArraySlice<OrderV1.LedgerTransaction>
        var next: Int64

        var transaction: OrderV1.LedgerTransaction { page[page.startIndex] }
    }

    /// A heap: each head is at or before the two that are under it.
    private var heads: [Head] = []
    private let page: Page

    /// Reads the first page of each account.
    init(_ accounts: [String], _ page: @escaping Page) async throws {
        self.page = page
        for account in accounts {
            if let head = try await StatementMerge.head(account, after: 0, page) {
                heads.append(head)
                rise(heads.count - 1)
            }
        }
    }

    /// The next movement; `nil` at the end. Those of one instant come by account, then in their own order.
    mutating func next() async throws -> (account: String, transaction: OrderV1.LedgerTransaction)? {
        guard let first = heads.first else { return nil }
        let taken = (first.account, first.transaction)
        heads[0].page.removeFirst()
        if heads[0].page.isEmpty {
            let more =
                first.next == 0 ? nil : try await StatementMerge.head(first.account, after: first.next, page)
            if let more {
                heads[0] = more
            } else {
                let last = heads.removeLast()
                if !heads.isEmpty { heads[0] = last }
            }
        }
        sink()
        return taken
    }

    /// The next page that has movements.
    private static func head(_ account: String, after: Int64, _ page: Page) async throws -> Head? {
        var after = after
        while true {
            let (transactions, next) = try await page(account, after)
            if !transactions.isEmpty { return Head(account: account, page: transactions[...], next: next) }
            if next == 0 { return nil }
            guard next > after else {
                throw CommandFailure(.unknown, "The statement of \(account) does not go on after \(after).")
            }
            after = next
        }
    }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
        (heads[left].transaction.at, heads[left].account) < (heads[right].transaction.at, heads[right].account)
    }

    private mutating func rise(_ start: Int) {
        var index = start
        while index > 0, isBefore(index, (index - 1) / 2) {
            heads.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private mutating func sink() {
        var index = 0
        while true {
            var first = index
            for child in [2 * index + 1, 2 * index + 2] where child < heads.count && isBefore(child, first) {
                first = child
            }
            if first == index { return }
            heads.swapAt(index, first)
            index = first
        }
    }
}
