import BillingCore
import Storage

/// A group as columns: what it is made of when read, what can change about it when written.
enum GroupRow {
    static let columns = """
        group_id, name, specification, region, network, instances, stopped, status, method, requested_at, created_at, \
        switched_at, released_at, release_cause, unit, anchor, order_id, term_start, term_end, locked_by
        """

    /// - Throws: `GroupRowError` when the columns are no group: our bug, or damage.
    static func group(_ row: any Row, _ account: AccountID) throws -> InstanceGroup {
        let id = try GroupID(row.text(0))
        return InstanceGroup(
            account: account, specification: row.text(2), region: row.text(3), network: row.text(4),
            instances: row.int(5), requestedAt: row.timestamp(9), name: row.text(1),
            power: PowerSwitches(stoppedBits: row.blob(6)), life: GroupStateMachine(id, try state(row, id)),
            createdAt: row.optionalTimestamp(10), switchedAt: row.optionalTimestamp(11))
    }

    private static func state(_ row: any Row, _ id: GroupID) throws -> GroupState {
        let billing = try billing(row, id)
        switch GroupStatus(rawValue: row.integer(7)) {
        case .creating: return .creating(billing)
        case .active: return .active(billing, lock: try row.optionalText(19).map { try SagaID($0) })
        case .overdue: return .overdue(billing)
        case .expired:
            guard case .subscription(let term) = billing else { throw GroupRowError.inconsistent(id) }
            return .expired(term)
        case .released:
            guard let at = row.optionalTimestamp(12), let cause = ReleaseCause(rawValue: row.integer(13)) else {
                throw GroupRowError.inconsistent(id)
            }
            return .released(billing, at: at, cause)
        case nil: throw GroupRowError.inconsistent(id)
        }
    }

    private static func billing(_ row: any Row, _ id: GroupID) throws -> GroupBilling {
        switch BillingMethod(rawValue: row.integer(8)) {
        case .payAsYouGo:
            guard let unit = BillingUnit(rawValue: row.integer(14)) else { throw GroupRowError.inconsistent(id) }
            return .payAsYouGo(unit, anchor: row.optionalTimestamp(15))
        case .subscription:
            guard let order = row.optionalText(16), let start = row.optionalTimestamp(17),
                let end = row.optionalTimestamp(18), start <= end
            else { throw GroupRowError.inconsistent(id) }
            return .subscription(Term(order: try OrderID(order), period: Period(start, end)))
        case nil: throw GroupRowError.inconsistent(id)
        }
    }

    /// Name to lock, in the order of the store's statements.
    static func changing(_ group: InstanceGroup) -> [SQLValue] {
        var columns: [SQLValue] = [
            .text(group.name), .blob(group.power.stoppedBits), .integer(group.state.status.rawValue),
            .integer(group.state.billing.method.rawValue), .at(group.createdAt), .at(group.switchedAt),
        ]
        switch group.state {
        case .released(_, let at, let cause): columns += [.at(at), .integer(cause.rawValue)]
        case .creating, .active, .overdue, .expired: columns += [.null, .null]
        }
        switch group.state.billing {
        case .payAsYouGo(let unit, let anchor): columns += [.integer(unit.rawValue), .at(anchor), .null, .null, .null]
        case .subscription(let term):
            columns += [.null, .null, .text(term.order.text), .at(term.start), .at(term.end)]
        }
        return columns + [.text(group.state.lock?.text)]
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
