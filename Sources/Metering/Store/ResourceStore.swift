package import BillingCore
import Storage

/// What is kept of an account's value-added resources.
extension AccountStore {
    /// - Throws: `ResourceError.notFound` for a resource that is not this account's.
    package func resource(_ id: ResourceID) throws -> ValueAddedResource {
        guard let resource = try resources(where: "resource_id = ?", [.text(id.text)]).first else {
            throw ResourceError.notFound(id)
        }
        return resource
    }

    /// The resources of one kind at a place that are not released, in the order of their creation.
    /// - Parameter place: for OSS without a network.
    package func kept(_ kind: ResourceKind, _ place: NetworkPlace) throws -> [ValueAddedResource] {
        try resources(
            where: "kind = ? AND network = ? AND region = ? AND status <> \(ResourceStatus.released.rawValue)",
            [.integer(kind.rawValue), .text(place.network), .text(place.region)])
    }

    /// The regions in which groups that are not released are attached to a network of this name.
    package func regions(ofNetwork name: String) throws -> Set<String> {
        Set(
            try transaction.all(
                """
                SELECT DISTINCT region FROM instance_group
                WHERE partition = ? AND account = ? AND network = ? AND status <> \(GroupStatus.released.rawValue)
                """, key + [.text(name)]
            ) { $0.text(0) })
    }

    func resources(where condition: String, _ arguments: [SQLValue] = []) throws -> [ValueAddedResource] {
        try transaction.all(
            """
            SELECT \(ResourceRow.columns) FROM value_added_resource
            WHERE partition = ? AND account = ? AND \(condition) ORDER BY created_at, resource_id
            """, key + arguments
        ) { try ResourceRow.resource($0, account) }
    }

    /// Keeps a new resource.
    package func insert(_ resource: ValueAddedResource) throws {
        try transaction.execute(
            """
            INSERT INTO value_added_resource (
                quantity, status, active_since, overdue_at, released_at, partition, account, resource_id, kind, region,
                network, created_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            ResourceRow.changing(resource) + key + [
                .text(resource.id.text), .integer(resource.kind.rawValue), .text(resource.region),
                .text(resource.network), .at(resource.createdAt),
            ])
    }

    /// Keeps what can change about a resource.
    package func update(_ resource: ValueAddedResource) throws {
        try transaction.execute(
            """
            UPDATE value_added_resource SET quantity = ?, status = ?, active_since = ?, overdue_at = ?, released_at = ?
            WHERE partition = ? AND account = ? AND resource_id = ?
            """, ResourceRow.changing(resource) + key + [.text(resource.id.text)])
    }

    /// Keeps what an event did to a resource's use, and when the account is due because of it.
    package func apply(
        _ change: UseChange?, to resource: ValueAddedResource, _ progress: inout AccountProgress
    ) throws {
        switch change {
        case .begin(let use): try begin(use, of: resource, &progress)
        case .end(let instant): try endUse(of: resource, at: instant)
        case .resize(let hour, let quantity):
            try endUse(of: resource, at: hour)
            try begin(ResourceUse(start: hour, quantity: quantity), of: resource, &progress)
        case nil: break
        }
    }

    private func begin(_ use: ResourceUse, of resource: ValueAddedResource, _ progress: inout AccountProgress) throws {
        try transaction.execute(
            """
            INSERT INTO resource_use (partition, account, resource_id, starts_at, ends_at, quantity)
            VALUES (?, ?, ?, ?, NULL, ?)
            """, key + [.text(resource.id.text), .at(use.start), .integer(use.quantity)])
        try transaction.execute(
            """
            INSERT INTO accrual (
                partition, account, group_id, anchor, ends_at, created_at, unit, specification, region, instances,
                network, quantity)
            VALUES (?, ?, ?, ?, NULL, ?, ?, '', ?, 0, ?, ?)
            """,
            key + [
                .text(resource.id.text), .at(use.start), .at(resource.createdAt), .integer(Self.clockHour),
                .text(resource.region), .text(resource.network), .integer(use.quantity),
            ])
        progress.accrues(from: use.start)
    }

    /// The billing unit of resources in `accrual`, beside the raw values of `BillingUnit`.
    private static let clockHour: Int64 = 3

    /// Nothing of the resource is used from `instant` on. What of its use before is not billed yet is cut in its own time.
    private func endUse(of resource: ValueAddedResource, at instant: Timestamp) throws {
        let id = key + [.text(resource.id.text)]
        for (table, resource, start) in [
            ("resource_use", "resource_id", "starts_at"), ("accrual", "group_id", "anchor"),
        ] {
            try transaction.execute(
                "DELETE FROM \(table) WHERE partition = ? AND account = ? AND \(resource) = ? AND \(start) >= ?",
                id + [.at(instant)])
            try transaction.execute(
                """
                UPDATE \(table) SET ends_at = ?
                WHERE partition = ? AND account = ? AND \(resource) = ? AND (ends_at IS NULL OR ends_at > ?)
                """, [.at(instant)] + id + [.at(instant)])
        }
    }

    /// Stops the account's resources at the cut that found it overdue (domain 4.1); also what was released since then.
    package func stopResources(at hour: Timestamp, _ progress: inout AccountProgress) throws {
        let used = "(status = \(ResourceStatus.active.rawValue) OR released_at >= ?)"
        for var resource in try resources(where: used, [.at(hour)]) {
            let change = try resource.take(.foundOverdue(at: hour))
            try update(resource)
            try apply(change, to: resource, &progress)
        }
    }

    /// The account's resources go on, from the instant at which it owes nothing any more (domain 4.1).
    /// - Returns: those that do.
    package func resumeResources(at instant: Timestamp, _ progress: inout AccountProgress) throws -> [ResourceID] {
        try resources(where: "status = \(ResourceStatus.overdue.rawValue)").map { stopped in
            var resource = stopped
            let change = try resource.take(.resumed(at: instant))
            try update(resource)
            try apply(change, to: resource, &progress)
            return resource.id
        }
    }
}
