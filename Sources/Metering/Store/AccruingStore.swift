package import BillingCore
package import Storage

/// Something that is billed by use at an instant, as the page "Why am I still being charged?" tells it (domain 1).
package struct AccruingNow: Hashable, Sendable {
    package let segment: AccruingSegment
    package let network: String
    /// What the owner calls a group; empty for a resource.
    package let name: String
    /// Since when it is billed without a break; for a group the anchor of its units.
    package let since: Timestamp

    package init(segment: AccruingSegment, network: String, name: String, since: Timestamp) {
        self.segment = segment
        self.network = network
        self.name = name
        self.since = since
    }
}

extension AccountStore {
    /// A page of what is billed by use at an instant, also the last unit of a released group, by the beginning of its
    /// stretch; and where the next page starts, `nil` after the last.
    package func accruing(
        at instant: Timestamp, after: PageCursor, limit: Int
    ) throws -> ([AccruingNow], next: PageCursor?) {
        let found = try transaction.all(
            """
            SELECT \(Self.accrualColumns), COALESCE(a.network, g.network, ''), COALESCE(g.name, ''),
                COALESCE(r.active_since, a.anchor)
            FROM accrual a
            LEFT JOIN instance_group g
                ON g.partition = a.partition AND g.account = a.account AND g.group_id = a.group_id
            LEFT JOIN value_added_resource r
                ON r.partition = a.partition AND r.account = a.account AND r.resource_id = a.group_id
            WHERE a.partition = ? AND a.account = ? AND a.anchor <= ? AND (a.ends_at IS NULL OR a.ends_at > ?)
                AND (r.status IS NULL OR r.status = \(ResourceStatus.active.rawValue))
                AND (a.anchor > ? OR a.anchor = ? AND a.group_id > ?)
            ORDER BY a.anchor, a.group_id LIMIT ?
            """,
            key + [
                .at(instant), .at(instant), .at(after.instant), .at(after.instant), .text(after.id),
                .integer(limit + 1),
            ]
        ) { row in
            AccruingNow(
                segment: try AccruingSegment(row, from: 0), network: row.text(10), name: row.text(11),
                since: row.timestamp(12))
        }
        guard found.count > limit else { return (found, nil) }
        let page = Array(found.prefix(limit))
        return (page, page.last.map { PageCursor(instant: $0.segment.anchor, id: $0.segment.thing.id) })
    }

    /// What `AccruingSegment.init(_:from:)` reads, of `accrual` under the name a.
    static let accrualColumns = """
        a.group_id, a.region, a.created_at, a.anchor, a.ends_at, a.quantity, a.network, a.specification, a.instances, \
        a.unit
        """
}

extension AccruingSegment {
    /// Reads the ten columns of `AccountStore.accrualColumns`.
    /// - Throws: `GroupRowError` when they are no stretch of use: our bug, or damage.
    init(_ row: any Row, from first: Int) throws {
        self.init(
            try AccruingThing(row, from: first), region: row.text(first + 1), createdAt: row.timestamp(first + 2),
            anchor: row.timestamp(first + 3), end: row.optionalTimestamp(first + 4))
    }
}

extension AccruingThing {
    fileprivate init(_ row: any Row, from first: Int) throws {
        if let quantity = row.optionalInteger(first + 5) {
            self = .resource(try ResourceID(row.text(first)), network: row.text(first + 6), quantity: quantity)
            return
        }
        let group = try GroupID(row.text(first))
        guard let unit = BillingUnit(rawValue: row.integer(first + 9)) else { throw GroupRowError.inconsistent(group) }
        self = .group(group, specification: row.text(first + 7), instances: row.int(first + 8), unit)
    }
}
