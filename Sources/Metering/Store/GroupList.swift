import BillingCore
package import Storage

/// Which groups of an account are asked for, and from where on.
package struct GroupList: Hashable, Sendable {
    /// Empty: all of them.
    package var statuses: [GroupStatus] = []
    /// Empty: both.
    package var methods: [BillingMethod] = []
    /// Empty: any.
    package var region = ""
    package var specification = ""
    /// Only groups after this place in the order of their requests.
    package var after = PageCursor.start
    package var limit = 100

    package init() {}
}

extension AccountStore {
    /// A page of the account's groups in the order of their request, and where the next one starts; `nil` after the last.
    package func groups(_ list: GroupList) throws -> ([InstanceGroup], next: PageCursor?) {
        var conditions = ["TRUE"]
        var arguments: [SQLValue] = []
        if list.after != .start {
            conditions.append("requested_at >= ? AND (requested_at > ? OR group_id > ?)")
            arguments += [.at(list.after.instant), .at(list.after.instant), .text(list.after.id)]
        }
        if !list.region.isEmpty {
            conditions.append("region = ?")
            arguments.append(.text(list.region))
        }
        if !list.specification.isEmpty {
            conditions.append("specification = ?")
            arguments.append(.text(list.specification))
        }
        // Numbers of our own enums, each at most once, so that there are few different statements.
        let statuses = Set(list.statuses.map(\.rawValue)).sorted().map(String.init)
        if !statuses.isEmpty { conditions.append("status IN (\(statuses.joined(separator: ", ")))") }
        let methods = Set(list.methods.map(\.rawValue)).sorted().map(String.init)
        if !methods.isEmpty { conditions.append("method IN (\(methods.joined(separator: ", ")))") }
        let found = try groups(
            where: conditions.joined(separator: " AND "), arguments + [.integer(list.limit + 1)],
            order: "ORDER BY requested_at, group_id LIMIT ?")
        guard found.count > list.limit else { return (found, nil) }
        let page = Array(found.prefix(list.limit))
        return (page, page.last.map { PageCursor(instant: $0.requestedAt, id: $0.id.text) })
    }
}
