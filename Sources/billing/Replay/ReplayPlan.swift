import BillingCore

/// A trace in the order in which it is replayed: all that happens at one instant together, instants ascending.
struct ReplayPlan: Equatable {
    enum Operation: Equatable, Hashable {
        case create
        case reportCreated
        case reportFailed
        case release
    }

    /// What happens to one group at one instant: create, report, release, in this order.
    struct Chain: Equatable {
        /// Index into `rows`.
        let row: Int
        var operations: [Operation]
    }

    struct Instant: Equatable {
        let at: Timestamp
        /// Indices into `accounts` of those that appear here for the first time.
        var newAccounts: [Int] = []
        var chains: [Chain] = []
    }

    let rows: [ReplayRow]
    /// The trace's names of accounts, in the order of their first row by time, then line.
    let accounts: [String]
    /// Index into `accounts` of each row.
    let accountOfRow: [Int]
    let instants: [Instant]

    /// - Precondition: there are rows.
    init(_ rows: [ReplayRow]) {
        precondition(!rows.isEmpty, "a replay plan without rows")
        var events: [(at: Timestamp, row: Int, operation: Operation)] = []
        events.reserveCapacity(rows.count * 3)
        for (index, row) in rows.enumerated() {
            events.append((row.requestedAt, index, .create))
            guard let createdAt = row.createdAt else {
                events.append((row.requestedAt, index, .reportFailed))
                continue
            }
            events.append((createdAt, index, .reportCreated))
            events.append((row.releasedAt, index, .release))
        }
        // Stable by construction: a row's events were added in the order in which they must happen.
        let order = events.indices.sorted {
            (events[$0].at, events[$0].row, $0) < (events[$1].at, events[$1].row, $1)
        }
        var accounts: [String] = []
        var accountIndex: [String: Int] = [:]
        var accountOfRow = Array(repeating: 0, count: rows.count)
        var instants: [Instant] = []
        for event in order.lazy.map({ events[$0] }) {
            if instants.last?.at != event.at { instants.append(Instant(at: event.at)) }
            let last = instants.count - 1
            if event.operation == .create {
                let name = rows[event.row].account
                let account: Int
                if let known = accountIndex[name] {
                    account = known
                } else {
                    account = accounts.count
                    accounts.append(name)
                    accountIndex[name] = account
                    instants[last].newAccounts.append(account)
                }
                accountOfRow[event.row] = account
            }
            if let chain = instants[last].chains.last, chain.row == event.row {
                instants[last].chains[instants[last].chains.count - 1].operations.append(event.operation)
            } else {
                instants[last].chains.append(Chain(row: event.row, operations: [event.operation]))
            }
        }
        self.rows = rows
        self.accounts = accounts
        self.accountOfRow = accountOfRow
        self.instants = instants
    }

    /// The top of the hour at which the last slice of the last group is cut: a group released at the last instant is
    /// billed to the end of its 4-hour unit, which is at most 4 hours later (domain 2.2, 2.4).
    var end: Timestamp {
        guard let last = instants.last else { preconditionFailure("a replay plan without instants") }
        return BillingCalendar.hourAtOrAfter(last.at.adding(milliseconds: 4 * .millisecondsPerHour))
    }
}
