import BillingCore
import Storage

/// A group as columns: what it is made of when read, what can change about it when written.
enum GroupRow {
    static let columns = """
        group_id, name, specification, region, network, instances, stopped, status, method, requested_at, created_at, \
        switched_at, released_at, release_cause, unit, anchor, order_id, term_start, term_end, locked_by, overdue_at, \
        months, paid_through, nominal_start, nominal_months, renewal_after, renewal_months
        """

    /// The columns that `changing` gives values for, in its order.
    private static let changingColumns = [
        "name", "stopped", "status", "method", "created_at", "switched_at", "released_at", "release_cause",
        "overdue_at",
        "unit", "anchor", "order_id", "term_start", "term_end", "months", "paid_through", "nominal_start",
        "nominal_months", "renewal_after", "renewal_months", "attempt_at", "release_at", "locked_by",
    ]

    /// Takes the values of `changing`, then the key, then what never changes.
    static let insertion: String = {
        let fixed = [
            "partition", "account", "group_id", "specification", "region", "network", "instances", "requested_at",
        ]
        let columns = changingColumns + fixed
        let places = Array(repeating: "?", count: columns.count).joined(separator: ", ")
        return "INSERT INTO instance_group (\(columns.joined(separator: ", "))) VALUES (\(places))"
    }()

    /// Takes the values of `changing`, then the key.
    static let replacement: String = {
        let settings = changingColumns.map { $0 + " = ?" }.joined(separator: ", ")
        return "UPDATE instance_group SET \(settings) WHERE partition = ? AND account = ? AND group_id = ?"
    }()

    /// - Parameter pending: reads the paid renewals of a group, which are rows of their own; asked only if it has any.
    /// - Throws: `GroupRowError` when the columns are no group: our bug, or damage.
    static func group(
        _ row: any Row, _ account: AccountID, pending: (GroupID) throws -> [Term]
    ) throws -> InstanceGroup {
        let id = try GroupID(row.text(0))
        return InstanceGroup(
            account: account, specification: row.text(2), region: row.text(3), network: row.text(4),
            instances: row.int(5), requestedAt: row.timestamp(9), name: row.text(1),
            power: PowerSwitches(stoppedBits: row.blob(6)),
            life: GroupStateMachine(id, try state(row, id, billing(row, id, pending))),
            createdAt: row.optionalTimestamp(10), switchedAt: row.optionalTimestamp(11))
    }

    private static func state(_ row: any Row, _ id: GroupID, _ billing: GroupBilling) throws -> GroupState {
        let lock = try row.optionalText(19).map { try SagaID($0) }
        let overdueAt = row.optionalTimestamp(20)
        switch GroupStatus(rawValue: row.integer(7)) {
        case .creating: return .creating(billing)
        case .active: return .active(billing, lock: lock)
        case .overdue:
            guard case .payAsYouGo(let unit, let anchor?) = billing, let overdueAt else {
                throw GroupRowError.inconsistent(id)
            }
            return .overdue(unit, anchor: anchor, since: overdueAt)
        case .expired:
            guard case .subscription(let subscription) = billing else { throw GroupRowError.inconsistent(id) }
            return .expired(subscription, lock: lock)
        case .released:
            guard let at = row.optionalTimestamp(12), let cause = ReleaseCause(rawValue: row.integer(13)) else {
                throw GroupRowError.inconsistent(id)
            }
            return .released(Release(billing, at: at, cause, stoppedAt: overdueAt))
        case nil: throw GroupRowError.inconsistent(id)
        }
    }

    private static func billing(
        _ row: any Row, _ id: GroupID, _ pending: (GroupID) throws -> [Term]
    ) throws -> GroupBilling {
        switch BillingMethod(rawValue: row.integer(8)) {
        case .payAsYouGo:
            guard let unit = BillingUnit(rawValue: row.integer(14)) else { throw GroupRowError.inconsistent(id) }
            return .payAsYouGo(unit, anchor: row.optionalTimestamp(15))
        case .subscription:
            guard let order = row.optionalText(16), let start = row.optionalTimestamp(17),
                let end = row.optionalTimestamp(18), start <= end, let paidThrough = row.optionalTimestamp(22),
                let nominalStart = row.optionalTimestamp(23)
            else { throw GroupRowError.inconsistent(id) }
            let renewals = paidThrough > end ? try pending(id) : []
            guard renewals.last?.end ?? end == paidThrough else { throw GroupRowError.inconsistent(id) }
            return .subscription(
                Subscription(
                    current: Term(order: try OrderID(order), period: Period(start, end), months: row.int(21)),
                    pending: renewals, chain: TermChain(start: nominalStart, months: row.int(24)),
                    autoRenewal: row.optionalTimestamp(25).map { after in
                        AutoRenewal(months: row.optionalInteger(26).map { Int($0) }, after: after)
                    }))
        case nil: throw GroupRowError.inconsistent(id)
        }
    }

    static func changing(_ group: InstanceGroup) -> [SQLValue] {
        var columns: [SQLValue] = [
            .text(group.name), .blob(group.power.stoppedBits), .integer(group.state.status.rawValue),
            .integer(group.state.billing.method.rawValue), .at(group.createdAt), .at(group.switchedAt),
        ]
        switch group.state {
        case .released(let release):
            columns += [.at(release.at), .integer(release.cause.rawValue), .at(release.stoppedAt)]
        case .overdue(_, _, let since): columns += [.null, .null, .at(since)]
        case .creating, .active, .expired: columns += [.null, .null, .null]
        }
        switch group.state.billing {
        case .payAsYouGo(let unit, let anchor):
            columns += [.integer(unit.rawValue), .at(anchor)] + Array(repeating: .null, count: 9)
        case .subscription(let subscription):
            let term = subscription.current
            columns += [
                .null, .null, .text(term.order.text), .at(term.start), .at(term.end), .integer(term.months),
                .at(subscription.paidThrough), .at(subscription.chain.start), .integer(subscription.chain.months),
                .at(subscription.autoRenewal?.after), .integer(subscription.autoRenewal?.months.map { Int64($0) }),
            ]
        }
        return columns + [.at(group.state.attemptAt), .at(group.state.releaseAt), .text(group.state.lock?.text)]
    }
}

/// Stored columns that are no group; the cause is ours.
enum GroupRowError: Error {
    case inconsistent(GroupID)
}

extension SQLValue {
    static func at(_ instant: Timestamp?) -> SQLValue { .integer(instant?.milliseconds) }
}

extension Row {
    func timestamp(_ column: Int) -> Timestamp { Timestamp(milliseconds: integer(column)) }
    func optionalTimestamp(_ column: Int) -> Timestamp? {
        optionalInteger(column).map { Timestamp(milliseconds: $0) }
    }
}
