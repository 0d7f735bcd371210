import BillingCore
import RPC

/// The idempotency keys of a replay, made from the file's content and the place in it: the same file always has the
/// same keys, so what an interrupted replay has done is not done again.
struct ReplayKeys {
    enum AccountCall: String {
        case open
        case credit
    }

    let fileHash: UInt64

    /// Key of a call for the `account`th account of the plan.
    func key(_ call: AccountCall, _ account: Int) throws -> IdempotencyKey { try key("\(call.rawValue)-\(account)") }

    /// Key of a call for the group on a line.
    func key(_ operation: ReplayPlan.Operation, line: Int) throws -> IdempotencyKey {
        switch operation {
        case .create: try key("create-\(line)")
        case .reportCreated, .reportFailed: try key("report-\(line)")
        case .release: try key("release-\(line)")
        }
    }

    private func key(_ suffix: String) throws -> IdempotencyKey {
        let hash = String(fileHash, radix: 16)
        return try IdempotencyKey("replay-" + String(repeating: "0", count: 16 - hash.count) + hash + "-" + suffix)
    }
}
