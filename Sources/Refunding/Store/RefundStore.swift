import BillingCore
import Storage

/// The refunds of one account.
struct RefundStore {
    let transaction: any Transaction
    let account: AccountID

    /// - Throws: `RefundError.notFound`, also for a refund of another account.
    func refund(_ id: String) throws -> Refund {
        guard let refund = try refunds(where: "refund_id = ?", [.text(id)]).first else {
            throw RefundError.notFound(id)
        }
        return refund
    }

    /// In order of instant and id, after a place in that order.
    /// - Parameter groupID: empty for all groups.
    func refunds(ofGroup groupID: String, after place: PageCursor, limit: Int) throws -> [Refund] {
        try refunds(
            where: "(? = '' OR group_id = ?) AND (at > ? OR (at = ? AND refund_id > ?))",
            [
                .text(groupID), .text(groupID), .integer(place.instant.milliseconds),
                .integer(place.instant.milliseconds), .text(place.id),
            ], limit: limit)
    }

    /// Whether the account had its unconditional refund of a calendar year (domain 7.4).
    func hadUnconditional(inYear year: Int) throws -> Bool {
        try !transaction.all(
            "SELECT year FROM unconditional_refund WHERE partition = ? AND account = ? AND year = ?",
            owner + [.integer(year)]
        ) { $0.integer(0) }.isEmpty
    }

    /// - Throws: `RefundError.groupHasRefund`, `.orderHasRefund`, `.identifierTaken`.
    func insert(_ refund: Refund) throws {
        try requireNone(like: refund)
        try transaction.execute(
            """
            INSERT INTO refund
                (partition, account, refund_id, group_id, state, at, to_balance, online, online_confirmed, renewal_only)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            owner + [
                .text(refund.id.text), .text(refund.groupID), .integer(refund.state.rawValue),
                .integer(refund.at.milliseconds), .integer(refund.parts.toBalance.micros),
                .integer(refund.parts.online.micros), .integer(refund.isOnlineConfirmed ? 1 : 0),
                .integer(refund.isRenewalOnly ? 1 : 0),
            ])
        for (position, order) in refund.orders.enumerated() { try insert(order, at: position, of: refund.id) }
        if refund.isUnconditional {
            try transaction.execute(
                "INSERT INTO unconditional_refund (partition, account, year, refund_id) VALUES (?, ?, ?, ?)",
                owner + [.integer(refund.year), .text(refund.id.text)])
        }
    }

    /// Keeps what may change of a refund. One that is dropped leaves the unconditional refund of its year to another.
    func update(_ refund: Refund) throws {
        try transaction.execute(
            """
            UPDATE refund SET state = ?, online_confirmed = ? WHERE partition = ? AND account = ? AND refund_id = ?
            """,
            [.integer(refund.state.rawValue), .integer(refund.isOnlineConfirmed ? 1 : 0)] + owner
                + [.text(refund.id.text)])
        if refund.isUnconditional, refund.state == .dropped {
            try transaction.execute(
                "DELETE FROM unconditional_refund WHERE partition = ? AND account = ? AND year = ? AND refund_id = ?",
                owner + [.integer(refund.year), .text(refund.id.text)])
        }
    }

    /// A group and an order are given back once; what was dropped was not given back.
    private func requireNone(like refund: Refund) throws {
        let places = refund.orders.map { _ in "?" }.joined(separator: ", ")
        let others = try refunds(
            where: """
                refund_id = ? OR (state <> ? AND group_id = ? AND (renewal_only = 0 OR EXISTS (
                    SELECT 1 FROM refund_order
                    WHERE refund_order.partition = refund.partition AND refund_order.account = refund.account
                        AND refund_order.refund_id = refund.refund_id AND order_id IN (\(places)))))
                """,
            [.text(refund.id.text), .integer(Refund.State.dropped.rawValue), .text(refund.groupID)]
                + refund.orders.map { .text($0.id) })
        guard let other = others.first else { return }
        guard other.id != refund.id else { throw RefundError.identifierTaken(refund.id.text) }
        guard other.isRenewalOnly else {
            throw RefundError.groupHasRefund(group: refund.groupID, refund: other.id.text)
        }
        throw RefundError.orderHasRefund(group: refund.groupID, refund: other.id.text)
    }

    var owner: [SQLValue] { [.integer(Partition.of(account.text)), .text(account.text)] }

    private func refunds(where condition: String, _ arguments: [SQLValue], limit: Int = 1) throws -> [Refund] {
        let heads = try transaction.all(
            """
            SELECT refund_id, group_id, state, at, to_balance, online, online_confirmed, renewal_only FROM refund
            WHERE partition = ? AND account = ? AND (\(condition)) ORDER BY at, refund_id LIMIT ?
            """, owner + arguments + [.integer(limit)]
        ) { row in
            guard let state = Refund.State(rawValue: row.integer(2)) else {
                preconditionFailure("a refund in state \(row.integer(2)), which the table's check forbids")
            }
            return Refund(
                id: try RefundID(row.text(0)), account: account, groupID: row.text(1),
                at: Timestamp(milliseconds: row.integer(3)),
                parts: RefundParts(toBalance: Money(micros: row.integer(4)), online: Money(micros: row.integer(5))),
                orders: [], isRenewalOnly: row.integer(7) == 1, state: state, isOnlineConfirmed: row.integer(6) == 1)
        }
        return try heads.map { $0.with(orders: try orders(of: $0.id)) }
    }
}

extension Transaction {
    /// Accounts with refunds in partitions `[from, to)`, in order of the key, after `account` where `from` is its own.
    func accountsWithRefunds(partitions: Range<Int>, after account: String, limit: Int) throws -> [AccountID] {
        try all(
            """
            SELECT DISTINCT partition, account FROM refund
            WHERE (partition > ? OR (partition = ? AND account > ?)) AND partition < ?
            ORDER BY partition, account LIMIT ?
            """, .integer(partitions.lowerBound), .integer(partitions.lowerBound), .text(account),
            .integer(partitions.upperBound), .integer(limit)
        ) { try AccountID($0.text(1)) }
    }
}

extension Refund {
    fileprivate func with(orders: [RefundedOrder]) -> Refund {
        Refund(
            id: id, account: account, groupID: groupID, at: at, parts: parts, orders: orders,
            isRenewalOnly: isRenewalOnly, state: state, isOnlineConfirmed: isOnlineConfirmed)
    }
}
