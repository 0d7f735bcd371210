import BillingCore
import Storage

/// A value-added resource as columns.
enum ResourceRow {
    static let columns =
        "resource_id, region, network, created_at, quantity, status, active_since, overdue_at, released_at"

    /// - Throws: `ResourceRowError` when the columns are no resource: our bug, or damage.
    static func resource(_ row: any Row, _ account: AccountID) throws -> ValueAddedResource {
        let id = try ResourceID(row.text(0))
        return ValueAddedResource(
            id: id, account: account, region: row.text(1), network: row.text(2), createdAt: row.timestamp(3),
            quantity: row.integer(4), state: try state(row, id))
    }

    private static func state(_ row: any Row, _ id: ResourceID) throws -> ResourceState {
        switch ResourceStatus(rawValue: row.integer(5)) {
        case .active: return .active(since: try instant(row, 6, id))
        case .overdue: return .overdue(at: try instant(row, 7, id))
        case .released: return .released(at: try instant(row, 8, id))
        case nil: throw ResourceRowError.inconsistent(id)
        }
    }

    private static func instant(_ row: any Row, _ column: Int, _ id: ResourceID) throws -> Timestamp {
        guard let instant = row.optionalTimestamp(column) else { throw ResourceRowError.inconsistent(id) }
        return instant
    }

    /// Quantity to the instant of release, in the order of the store's statements.
    static func changing(_ resource: ValueAddedResource) -> [SQLValue] {
        let columns: [SQLValue] = [.integer(resource.quantity), .integer(resource.state.status.rawValue)]
        switch resource.state {
        case .active(let since): return columns + [.at(since), .null, .null]
        case .overdue(let at): return columns + [.null, .at(at), .null]
        case .released(let at): return columns + [.null, .null, .at(at)]
        }
    }
}

/// Stored columns that are no resource; the cause is ours.
enum ResourceRowError: Error {
    case inconsistent(ResourceID)
}
