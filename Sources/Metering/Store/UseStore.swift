package import BillingCore
import Storage

/// A value-added resource with its use.
package struct KeptUse: Hashable, Sendable {
    package let resource: ValueAddedResource
    package let timeline: UseTimeline
}

/// What `billing audit` reads of value-added resources.
extension TimelineStore {
    /// All resources of an account in the order of their creation.
    package func uses(of account: AccountID) throws -> [KeptUse] {
        let store = AccountStore(transaction, account)
        let resources = try store.resources(where: "TRUE")
        // Most accounts have none, and an audit asks for all accounts.
        if resources.isEmpty { return [] }
        var uses: [ResourceID: [ResourceUse]] = [:]
        try transaction.forEachRow(
            """
            SELECT resource_id, starts_at, ends_at, quantity FROM resource_use WHERE partition = ? AND account = ?
            ORDER BY resource_id, starts_at
            """, store.key
        ) { row in
            uses[try ResourceID(row.text(0)), default: []].append(
                ResourceUse(start: row.timestamp(1), end: row.optionalTimestamp(2), quantity: row.integer(3)))
            return true
        }
        return resources.map { resource in
            KeptUse(resource: resource, timeline: UseTimeline(uses[resource.id] ?? []))
        }
    }

    /// The stretches of use of an account's resources that still have something to bill, as the cut sees them: the start of
    /// each.
    package func accruingUses(of account: AccountID) throws -> [ResourceID: Set<Timestamp>] {
        var starts: [ResourceID: Set<Timestamp>] = [:]
        try transaction.forEachRow(
            "SELECT group_id, anchor FROM accrual WHERE partition = ? AND account = ? AND quantity IS NOT NULL",
            AccountStore(transaction, account).key
        ) { row in
            starts[try ResourceID(row.text(0)), default: []].insert(row.timestamp(1))
            return true
        }
        return starts
    }
}
