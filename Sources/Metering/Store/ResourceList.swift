import BillingCore
package import Storage

/// Which resources of an account are asked for, and from where on.
package struct ResourceList: Hashable, Sendable {
    /// Empty: all of them.
    package var statuses: [ResourceStatus] = []
    /// Empty: any.
    package var network = ""
    /// Only resources after this place in the order of their creation.
    package var after = PageCursor.start
    package var limit = 100

    package init() {}
}

extension AccountStore {
    /// A page of the account's resources in the order of their creation, and where the next one starts; `nil` after the
    /// last.
    package func resources(_ list: ResourceList) throws -> ([ValueAddedResource], next: PageCursor?) {
        var conditions = ["partition = ?", "account = ?"]
        var arguments = key
        if list.after != .start {
            conditions.append("created_at >= ? AND (created_at > ? OR resource_id > ?)")
            arguments += [.at(list.after.instant), .at(list.after.instant), .text(list.after.id)]
        }
        if !list.network.isEmpty {
            conditions.append("network = ?")
            arguments.append(.text(list.network))
        }
        let statuses = Set(list.statuses.map(\.rawValue)).sorted().map(String.init)
        if !statuses.isEmpty { conditions.append("status IN (\(statuses.joined(separator: ", ")))") }
        let found = try transaction.all(
            """
            SELECT \(ResourceRow.columns) FROM value_added_resource WHERE \(conditions.joined(separator: " AND "))
            ORDER BY created_at, resource_id LIMIT ?
            """, arguments + [.integer(list.limit + 1)]
        ) { try ResourceRow.resource($0, account) }
        guard found.count > list.limit else { return (found, nil) }
        let page = Array(found.prefix(list.limit))
        return (page, page.last.map { PageCursor(instant: $0.createdAt, id: $0.id.text) })
    }
}
