import BillingCore
import RPC

/// What users do to one service: a mix of operations over data that was prepared.
protocol Scenario: Sendable {
    /// The names of its operations, as the table shows them.
    var operations: [String] { get }
    /// What the items of a call are when they are more than the call itself: "lines", "slices".
    var itemName: String? { get }
    /// What calls are about, each one with one call at a time; `nil`: any number of calls may be under way at once.
    var bound: StockBound? { get }

    /// Makes the data that the calls need. Not measured.
    func prepare(_ preparation: Preparation) async throws
    /// Decides what a call is; the same number gives the same choice, about one of those that are free at the moment.
    /// - Parameter number: of the call in the run, from 0.
    /// - Returns: `nil` while all that it could be about have a call under way.
    func plan(_ number: Int, _ random: inout SeededGenerator) -> PlannedCall?
}

extension Scenario {
    var itemName: String? { nil }
    var bound: StockBound? { nil }
    func prepare(_: Preparation) async throws {}
}

/// How many things there are that a call can be about, and so how many calls can be under way at once.
struct StockBound: Hashable, Sendable {
    let count: Int
    /// What they are, with the options that make more of them: "accounts (--accounts)".
    let name: String
}

/// One call that is to be sent.
struct PlannedCall: Sendable {
    /// Index into the scenario's operations.
    let operation: Int
    /// Sends it and gives the number of items that it carried.
    let send: @Sendable (any Channel) async throws(RPCError) -> Int
}

/// Deadlines, keys and stamps of the calls of one run.
struct CallMaker: Sendable {
    /// Tells this run's keys and ids from those of every other run.
    let runID: String
    let timeout: TimeSpan

    /// Options of a call that changes nothing.
    func reading(_ account: String = "", at instant: Timestamp? = nil) -> CallOptions {
        CallOptions(account: account, effectiveAt: instant, deadline: deadline)
    }

    /// Options of a write.
    /// - Parameter name: tells its key from those of the run's other writes for the account; letters, digits, hyphens.
    func writing(_ account: String = "", _ name: String, at instant: Timestamp? = nil) -> CallOptions {
        guard let key = try? IdempotencyKey("load-\(runID)-\(name)") else {
            preconditionFailure("'load-\(runID)-\(name)' is no key")
        }
        return CallOptions(account: account, key: key, effectiveAt: instant, deadline: deadline)
    }

    private var deadline: Deadline { Deadline(MonotonicTime.now.advanced(nanoseconds: timeout.nanoseconds)) }
}
